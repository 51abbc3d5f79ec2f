//! The publishing half of `submit`: event by event at the rate asked for, each acknowledged before it is counted.

use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Console;
use super::end::End;
use super::envelope::Stamp;
use super::feed::{EVENTS_PER_SEND, Feed, Portion, Stop};
use super::plan::Plan;
use crate::commands::calendar::now_millis;
use crate::commands::ring::PARTS;
use crate::ports::{Failure, Publisher, Unpublished};

/// Between two lines where nobody watches a bar.
const LINE: Duration = Duration::from_secs(10);

pub(super) async fn publish(
    plan: &Plan<'_>,
    mut feed: Feed,
    publisher: &dyn Publisher,
    console: &mut Console<'_>,
) -> anyhow::Result<End> {
    let mut sent = Sent::of(plan, console.interactive);
    let ended = sent.all(&mut feed, publisher, console).await;
    sent.bar.finish_and_clear();
    let Sent { users, events, .. } = sent;
    match ended {
        Err(Stop::Failure(failure)) => return Ok(End::Stopped { users, failure }),
        Err(Stop::Input(error)) => return Err(error.context(format!("stopped after {users} users"))),
        Ok(()) => {}
    }
    // Order: last, so that it never promises more than what was acknowledged.
    let told = publisher.publish(&[plan.told(events, users, stamp())]).await;
    let unrecorded = told.err().map(|Unpublished { failure, .. }| failure.to_string());
    Ok(End::Published { users, events, unrecorded })
}

/// What is acknowledged so far.
struct Sent<'a> {
    plan: &'a Plan<'a>,
    begun: Instant,
    users: u64,
    events: u64,
    bar: ProgressBar,
    line_at: Instant,
}

impl<'a> Sent<'a> {
    fn of(plan: &'a Plan<'a>, interactive: bool) -> Self {
        // indicatif draws nothing where standard error is no terminal.
        let target = if interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(plan.users.count()), target).with_style(
            // Cut at the terminal's edge: a line that runs over it would be drawn wrong.
            ProgressStyle::with_template("{wide_bar}\n{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let begun = Instant::now();
        Self { plan, begun, users: 0, events: 0, bar, line_at: begun + LINE }
    }

    async fn all(&mut self, feed: &mut Feed, publisher: &dyn Publisher, console: &mut Console<'_>) -> Result<(), Stop> {
        let events_per_send = if self.plan.rate.is_some() { 1 } else { EVENTS_PER_SEND };
        while let Some(portions) = feed.next().await? {
            for send in portions.chunks(events_per_send) {
                sleep_until(self.begun + self.plan.time_for(self.users)).await;
                self.send(send, publisher).await?;
                self.show(feed.place(), console).map_err(anyhow::Error::from)?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, portions: &[Portion], publisher: &dyn Publisher) -> Result<(), Failure> {
        let request = |portion: &Portion| self.plan.submission.request(&portion.subjects, stamp());
        let records: Vec<_> = portions.iter().map(request).collect();
        publisher.publish(&records).await.map_err(|unpublished| unpublished.failure)?;
        self.events += records.len() as u64;
        self.users += portions.iter().map(|portion| portion.users).sum::<u64>();
        Ok(())
    }

    fn show(&mut self, place: Option<u64>, console: &mut Console<'_>) -> std::io::Result<()> {
        let (total, told) = match place {
            Some(place) => {
                self.bar.set_length(PARTS);
                self.bar.set_position(place);
                (PARTS, format!("{} users, {} % of the table", self.users, place * 100 / PARTS))
            }
            None => {
                self.bar.set_position(self.users);
                (self.plan.users.count(), format!("{} of {} users", self.users, self.plan.users.count()))
            }
        };
        self.bar.set_message(format!("{told}, {:#} left", HumanDuration(self.bar.eta())));
        let now = Instant::now();
        if !console.interactive && now >= self.line_at && total > 0 {
            self.line_at = now + LINE;
            writeln!(console.output, "published {told}")?;
        }
        Ok(())
    }
}

fn stamp() -> Stamp {
    Stamp { ets: now_millis(), uuid: Uuid::new_v4() }
}
