//! `watch`: follows a submission on the status topic to its end, and says how everybody ended. Reads only.

mod lists;
mod screen;
mod summary;
#[cfg(test)]
mod tests;

use std::io::{Write, stderr};
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use self::screen::Screen;
use self::summary::Watched;
use super::answer::{Problem, tell};
use super::calendar::before;
use super::{Exit, world};
use crate::adapters::kafka::statuses::{From, Heard, statuses};
use crate::cli::{Format, WatchArgs};
use crate::domain::tally::Tally;
use crate::domain::told;
use crate::settings::Settings;

/// Between two looks at the counts.
const LOOK: Duration = Duration::from_millis(250);

/// Who watches.
pub struct Console<'a> {
    pub output: &'a mut (dyn Write + Send),
    /// Somebody sees a line that is drawn again and again.
    pub interactive: bool,
    /// Of the end; as a document it has standard output for itself.
    pub format: Format,
}

/// Why following ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum End {
    /// Everybody of the submission has ended.
    Done,
    /// `--no-wait`: all that was told so far is heard.
    SoFar,
    Interrupted,
}

/// A submission is followed for as long as its requests are kept.
const SUBMISSION: Duration = Duration::from_hours(7 * 24);

/// `watch` as a command: from Kafka, until Ctrl-C at the latest.
///
/// # Errors
/// When a setting cannot be used, or a file or the console cannot be written. That Kafka does not answer is told.
pub async fn connect_and_watch(
    settings: &Settings,
    args: &WatchArgs,
    mut console: Console<'_>,
) -> anyhow::Result<Exit> {
    let back = args.since.or(args.request_id.is_some().then_some(SUBMISSION));
    let from = back.map_or(From::Now, |back| From::Time(before(back)));
    let heard = match statuses(&settings.kafka, world::topics(settings)?.as_ref(), from).await {
        Ok(heard) => heard,
        Err(error) => {
            let failure = world::failure_of_topics(error);
            tell(&Problem::new("nothing can be heard", failure.story()), console.format, console.output)?;
            return Ok(Exit::from(&failure));
        }
    };
    let interrupted = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
    watch(args, heard, interrupted, &mut console).await
}

/// Follows until everybody has ended, `stop` does, or with `--no-wait` all that is there is heard.
///
/// # Errors
/// When a file or the console cannot be written.
pub async fn watch(
    args: &WatchArgs,
    heard: impl Stream<Item = Heard>,
    stop: impl Future<Output = ()>,
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let mut tally = Tally::of(args.request_id.clone(), args.dry_run);
    let end = follow(args, heard, stop, &mut tally, console).await?;
    let watched = Watched { tally: &tally, end, lists: lists::write(args, &tally)? };
    tell(&watched, console.format, console.output)?;
    Ok(if tally.has_failures() || end == End::Interrupted { Exit::Left } else { Exit::Done })
}

async fn follow(
    args: &WatchArgs,
    heard: impl Stream<Item = Heard>,
    stop: impl Future<Output = ()>,
    tally: &mut Tally,
    console: &mut Console<'_>,
) -> anyhow::Result<End> {
    let (mut heard, mut stop) = (pin!(heard), pin!(stop));
    let mut screen = Screen::new(console.interactive);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_caught_up = false;
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return Ok(End::Interrupted),
            _ = look.tick() => {
                match console.format {
                    Format::Text => screen.show(tally, is_caught_up, console.output)?,
                    Format::Json => screen.show(tally, is_caught_up, &mut stderr())?,
                }
                // Order: only what was told up to now, all of it, says that nobody waits.
                if is_caught_up && tally.is_done() {
                    return Ok(End::Done);
                }
                if is_caught_up && args.no_wait {
                    return Ok(End::SoFar);
                }
            }
            next = heard.next() => match next {
                Some(Heard::Record(payload)) => {
                    if let Some(told) = told::read(&payload) {
                        tally.hear(told);
                    }
                }
                Some(Heard::CaughtUp) => is_caught_up = true,
                None => return Ok(End::Interrupted),
            },
        }
    }
}
