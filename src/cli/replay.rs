//! What `replay` can be asked.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};

use super::submit::SubmitAction;

use crate::domain::ids::InputTopic;
use crate::domain::replay::ReplayId;
use crate::settings::CallRate;

#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = "\
Doing anything again is harmless: every effect is a function of what Cassandra says at the time. Statuses of a replay \
carry its id (edata.replayId), until the position that had been reached before.

Examples:
  user-purge-sync replay plan --last 10m          what would be done again; changes nothing
  user-purge-sync replay plan --shift -500 --topic request --partitions 0,2 --output plan.json
  user-purge-sync replay apply plan.json          with all workers stopped
  user-purge-sync replay live --last 10m          in the running workers
  user-purge-sync replay side --last 7d --user 02c4e0dc-3e25-4f7d-b811-242c73e24a01
                                                  beside them, this user's events alone"
)]
pub struct ReplayArgs {
    #[command(subcommand)]
    pub command: Option<ReplayCommand>,

    /// Without a word it is a plan.
    #[command(flatten)]
    pub plan: PlanArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ReplayCommand {
    /// Where the group would go, partition by partition, and what that costs. Changes nothing.
    Plan(PlanArgs),
    /// Commits a plan's offsets for a group whose workers are all stopped.
    ///
    /// Refused, with the reason: workers in the group, offsets that moved since the plan was made, records that are gone.
    Apply(ApplyArgs),
    /// Asks the running workers: whoever owns a partition lets go of it, commits, and reads it again.
    ///
    /// Other partitions go on. What was begun is finished first, or given up after the configured time to drain. Each owner answers; a
    /// rebalance in between cancels, and nothing is changed then.
    Live(LiveArgs),
    /// Does a stretch again beside the workers, with a pipeline of its own, and ends when all of it is settled.
    ///
    /// The workers' group is not touched. Needs purge.mode, as run does, and works as it says. Follow-ups go to the delay
    /// topic and are the workers'. Cut off, it is run again from the beginning. Exit code 1: somebody is PARTIAL or FAILED.
    Side(SideArgs),
}

#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub to: Target,

    #[command(flatten)]
    pub scope: Scope,

    /// Write the plan to a file, for apply and live.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Where to go.
#[derive(Clone, Debug, Default, Args)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// To the first record that is left.
    #[arg(long)]
    pub earliest: bool,

    /// To the end: what is not done by now is skipped.
    #[arg(long)]
    pub latest: bool,

    /// To this offset.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: Option<i64>,

    /// To the first record of this time or later, such as 2026-11-28T14:00:00Z. Skips nothing.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub timestamp: Option<i64>,

    /// To the first record of so long ago or later, such as 10m. Skips nothing.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub last: Option<Duration>,

    /// So many offsets back (-500) or on (+500).
    #[arg(long, value_name = "±N", allow_hyphen_values = true, value_parser = shift)]
    pub shift: Option<i64>,

    /// To the offsets of a plan, or of a csv file: topic,partition,offset, as kafka-consumer-groups --export writes it.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// What of it.
#[derive(Clone, Debug, Default, Args)]
pub struct Scope {
    /// Only this topic; may be repeated. Without it delete and request: what is done again writes its follow-ups anew.
    #[arg(long, value_enum, value_name = "TOPIC")]
    pub topic: Vec<ReplayTopic>,

    /// Only these partitions, such as 0,2.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub partitions: Vec<i32>,

    /// The replay's name in statuses; made up when absent.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub replay_id: Option<ReplayId>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct ApplyArgs {
    /// A file that plan --output wrote.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,

    /// Go on although events that are not done yet will never be.
    #[arg(long)]
    pub allow_skips: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LiveArgs {
    #[command(flatten)]
    pub to: Target,

    #[command(flatten)]
    pub scope: Scope,

    /// How long to wait for the workers' answers; after that nobody acts any more.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// Go on although events that are not done yet will never be.
    #[arg(long)]
    pub allow_skips: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub struct SideArgs {
    #[command(flatten)]
    pub to: Target,

    #[command(flatten)]
    pub scope: Scope,

    /// End before this offset; without a bound where the workers stand.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "until_timestamp")]
    pub until_offset: Option<i64>,

    /// End before the first record of this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until_timestamp: Option<i64>,

    /// Only this user; may be repeated.
    #[arg(long, value_name = "ID")]
    pub user: Vec<String>,

    /// Only this action; may be repeated.
    #[arg(long, value_enum, value_name = "ACTION")]
    pub action: Vec<SubmitAction>,

    /// Events per second, minute or hour, such as 100/s; otherwise as fast as it goes.
    #[arg(long, value_name = "N/UNIT", value_parser = super::submit::rate)]
    pub rate: Option<CallRate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReplayTopic {
    /// What the deletion API published.
    Delete,
    /// What submit and others asked for.
    Request,
    /// The workers' own follow-ups.
    Delay,
}

impl From<ReplayTopic> for InputTopic {
    fn from(topic: ReplayTopic) -> Self {
        match topic {
            ReplayTopic::Delete => Self::Delete,
            ReplayTopic::Request => Self::Request,
            ReplayTopic::Delay => Self::Delay,
        }
    }
}

/// Milliseconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let time: SystemTime = humantime::parse_rfc3339_weak(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| "is before 1970".to_owned())?;
    i64::try_from(since.as_millis()).map_err(|error| error.to_string())
}

fn shift(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "must be a number of offsets, such as -500".to_owned())
}

fn id(text: &str) -> Result<ReplayId, String> {
    ReplayId::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shifts_are_what_people_write() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(time("1970-01-01 00:00:01"), Ok(1000));
        assert!(time("yesterday").is_err());
        assert_eq!((shift("-5"), shift("+5"), shift("5")), (Ok(-5), Ok(5), Ok(5)));
    }
}
