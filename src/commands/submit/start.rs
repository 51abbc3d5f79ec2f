//! `submit` as a command: with the world as it is configured, and `watch` behind it.

use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::time::Duration;

use tokio::time::Instant;

use super::{Console, World, asked, measured, submit};
use crate::cli::{Format, SubmitArgs, WatchArgs};
use crate::commands::{BadInput, Exit, watch, world};
use crate::settings::{BatchJob, Settings};

/// Clocks of brokers and of this machine differ by less.
const CLOCKS: Duration = Duration::from_mins(10);

/// `format`: of what `--watch` finds in the end. `env`: with what `--context_param` says.
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
    let exit = {
        let interactive = stdin().is_terminal() && stderr().is_terminal();
        let (mut input, mut output) = (stdin().lock(), stdout().lock());
        let mut console = Console { input: &mut input, output: &mut output, interactive };
        let parts = World {
            publisher: &|| world::publisher(settings),
            table: &|| world::scan(settings),
            pace: Box::pin(measured::pace(settings)),
        };
        submit(settings, &args, &mut console, parts).await?
    };
    if exit != Exit::Done || !args.watch || !args.execute {
        return Ok(exit);
    }
    let args = WatchArgs {
        request_id: Some(request_id),
        since: Some(begun.elapsed() + CLOCKS),
        no_wait: false,
        dry_run: false,
        success: args.success,
        failure: args.failure,
    };
    let console = watch::Console { output: &mut stdout(), interactive: stderr().is_terminal(), format };
    watch::connect_and_watch(settings, &args, console).await
}
