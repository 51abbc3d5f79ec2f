//! `submit` as a command: with the world as it is configured, and `watch` behind it.

use std::fmt;
use std::io::{IsTerminal as _, Write, stderr, stdin, stdout};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::end::Submitted;
use super::{Console, World, asked, measured, submit};
use crate::cli::{Format, SubmitArgs, WatchArgs};
use crate::commands::answer::tell;
use crate::commands::{BadInput, Exit, reachable, watch, world};
use crate::ports::scan::UserScan;
use crate::ports::{Blame, Disposition, Failure};
use crate::settings::{BatchJob, Settings};

/// Longer than any driver takes to say itself what is wrong.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// Clocks of brokers and of this machine differ by less.
const CLOCKS: Duration = Duration::from_mins(10);

/// `env`: with what `--context_param` says.
///
/// # Errors
/// As [`submit`]; and when an old parameter cannot be used.
pub async fn connect_and_submit(
    settings: &Settings,
    args: SubmitArgs,
    format: Format,
    env: &[(String, String)],
) -> anyhow::Result<Exit> {
    let job = BatchJob::read(env, settings.sync.block_size)?;
    if job.dry_run && args.execute {
        return Err(BadInput("dry_run=true and --execute disagree: leave one of them out".to_owned()).into());
    }
    let mut args = asked::with_old_parameters(args, job);
    let request_id = args.request_id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string()).clone();
    let begun = Instant::now();
    let submitted = ask_and_submit(settings, &args, format).await?;
    let is_watched = args.watch && args.execute && submitted.exit() == Exit::Done;
    if format == Format::Text || !is_watched {
        tell(&submitted, format, &mut stdout())?;
    }
    if !is_watched {
        return Ok(submitted.exit());
    }
    let args = WatchArgs {
        request_id: Some(request_id),
        since: Some(begun.elapsed() + CLOCKS),
        no_wait: false,
        dry_run: false,
        success: args.success,
        failure: args.failure,
    };
    let (mut output, mut document) = (stdout(), Vec::new());
    let written: &mut (dyn Write + Send) = if format == Format::Text { &mut output } else { &mut document };
    let console = watch::Console { output: written, interactive: stderr().is_terminal(), format };
    let exit = watch::connect_and_watch(settings, &args, console).await?;
    if format == Format::Json {
        tell(&Followed { submitted: &submitted, watched: serde_json::from_slice(&document)? }, format, &mut output)?;
    }
    Ok(exit)
}

async fn ask_and_submit<'a>(
    settings: &'a Settings,
    args: &SubmitArgs,
    format: Format,
) -> anyhow::Result<Submitted<'a>> {
    let interactive = stdin().is_terminal() && stderr().is_terminal();
    let (mut output, mut errors) = (stdout(), stderr());
    // What is told before the end: a document has standard output for itself.
    let output: &mut dyn Write = if format == Format::Text { &mut output } else { &mut errors };
    let mut console = Console { input: &mut stdin().lock(), output, interactive };
    let world = World {
        publisher: Box::pin(async {
            reachable::kafka(settings).await?;
            world::publisher(settings)
        }),
        table: Box::pin(table(settings)),
        pace: Box::pin(measured::pace(settings)),
    };
    submit(settings, args, &mut console, world).await
}

/// A plan is read by somebody who waits for it: one that is away is told at once, not after the patience of a long run.
async fn table(settings: &Settings) -> anyhow::Result<Arc<dyn UserScan>> {
    reachable::cassandra(settings).await?;
    let table = world::scan(settings)?;
    match timeout(FIRST_ANSWER, table.probe()).await {
        Ok(answer) => answer?,
        Err(_) => {
            let silent = format!("no answer within {} s; see cassandra.hosts, cassandra.port", FIRST_ANSWER.as_secs());
            return Err(Failure::new(Disposition::Retry(Blame::Server), "timeout").because(silent).into());
        }
    }
    Ok(table)
}

/// One document of both.
#[derive(Serialize)]
struct Followed<'a> {
    #[serde(flatten)]
    submitted: &'a Submitted<'a>,
    watched: serde_json::Value,
}

impl fmt::Display for Followed<'_> {
    /// Each has told its part in its time.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.submitted.fmt(formatter)
    }
}
