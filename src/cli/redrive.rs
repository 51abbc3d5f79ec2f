//! What `redrive` can be asked.

use clap::{Args, Subcommand};

use super::submit::{SubmitAction, rate};
use super::when::When;
use crate::domain::ids::UserId;
use crate::settings::CallRate;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync redrive list                    why, where, how many, since when
  user-purge-sync redrive show --stage sync       who
  user-purge-sync redrive run --reason sync_failed
                                                  a plan: what would be sent again
  user-purge-sync redrive run --reason sync_failed --rate 50/s --execute
  user-purge-sync redrive park --user 02c4e0dc-3e25-4f7d-b811-242c73e24a01 --why 'test account' --execute")]
pub struct RedriveArgs {
    #[command(subcommand)]
    pub task: RedriveTask,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RedriveTask {
    /// How many failed, by reason and stage, since when, and what was decided about them already. Changes nothing.
    List(FilterArgs),
    /// The failed records themselves: ids, reasons and where they come from. Changes nothing.
    Show(ShowArgs),
    /// Sends them to the request topic again. A plan by default, --execute acts.
    ///
    /// Each with its own action and request id, counted, and closed once Kafka has acknowledged it: when it is interrupted,
    /// starting again does the rest, and a repeat is harmless. What could not be decoded is read again where it stood and
    /// sent if it can be decoded now.
    Run(RunArgs),
    /// Closes them without doing anything: a person has decided. A plan by default, --execute acts.
    Park(ParkArgs),
}

/// Which failed records are meant: those that meet everything that is given; one of the values, where there are several.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArgs {
    /// A reason, such as `sync_failed` or undecodable, or all that was told: "`sync_failed`: `http_500`".
    #[arg(long = "reason", value_name = "REASON")]
    pub reasons: Vec<String>,

    /// lookup, sync, purge or decode.
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,

    /// What was to be done.
    #[arg(long = "action", value_enum, value_name = "ACTION")]
    pub actions: Vec<SubmitAction>,

    /// Of these users.
    #[arg(long = "user", value_name = "ID", value_parser = user)]
    pub users: Vec<UserId>,

    /// Failed since then: so long ago (24h), or a time (2026-11-28T14:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub since: Option<When>,

    /// Failed before then.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub until: Option<When>,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,

    /// Those that were redriven or parked as well.
    #[arg(long)]
    pub all: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Who was sent again so often and has failed each time is left, and named.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub limit: u32,

    /// Users sent per second, minute or hour, such as 100/s; otherwise as fast as Kafka takes them.
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate: Option<CallRate>,

    /// Who does it: stands beside what is sent.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator", value_parser = words)]
    pub by: String,

    /// Send. Without it only the plan is printed.
    #[arg(long)]
    pub execute: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ParkArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Everything that is open, where no filter is given.
    #[arg(long)]
    pub all: bool,

    /// Why nothing more is done; without names or addresses of users: it is kept as long as the failed records.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub why: String,

    /// Who decides it.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator", value_parser = words)]
    pub by: String,

    /// Close them. Without it only the plan is printed.
    #[arg(long)]
    pub execute: bool,
}

pub(super) fn user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|problem| problem.to_string())
}

/// What stands in a record.
fn words(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 200 && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 200 characters on one line".to_owned()) }
}
