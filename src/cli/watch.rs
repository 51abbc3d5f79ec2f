//! What `watch` can be asked.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
The request id is what submit prints. Memory: about 200 bytes a user.

Examples:
  user-purge-sync watch ticket-7                  to its end
  user-purge-sync watch ticket-7 --success ok.csv --failure failed.csv
  user-purge-sync watch ticket-7 --no-wait        how far is it?
  user-purge-sync watch                           everything, from now on
  user-purge-sync watch --since 24h --no-wait     how did everybody of the last day end?")]
pub struct WatchArgs {
    /// The submission to follow; without it everything.
    #[arg(value_name = "REQUEST_ID")]
    pub request_id: Option<String>,

    /// How far back to begin, such as 24h; 7d for a submission, otherwise now.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,

    /// End when all that was told so far is heard, whoever still waits.
    #[arg(long)]
    pub no_wait: bool,

    /// Follow what a dry run says it would do, instead of what was done.
    #[arg(long)]
    pub dry_run: bool,

    /// Write those who ended SUCCESS or SKIPPED: user id, outcome, reason, stage, attempts, time.
    #[arg(long, value_name = "FILE")]
    pub success: Option<PathBuf>,

    /// Write those who ended PARTIAL or FAILED, in the same form.
    #[arg(long, value_name = "FILE")]
    pub failure: Option<PathBuf>,
}
