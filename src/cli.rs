//! The command line: what a person can ask for, and the help from which it can be learned.

mod audit;
mod check;
mod format;
mod redrive;
mod replay;
mod shell;
mod status;
mod submit;
mod watch;
mod when;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use audit::AuditArgs;
pub use check::{CheckArgs, CheckSubject};
pub use format::Format;
pub use redrive::{FilterArgs, ParkArgs, RedriveArgs, RedriveTask, RunArgs, ShowArgs};
pub use replay::{ApplyArgs, LiveArgs, PlanArgs, ReplayArgs, ReplayCommand, ReplayTopic, Scope, SideArgs, Target};
pub use shell::{CompletionsArgs, ManArgs};
pub use status::StatusArgs;
pub use submit::{SubmitAction, SubmitArgs};
pub use watch::WatchArgs;
pub use when::When;

const ABOUT: &str = "\
When somebody deletes an account in Sunbird, the row in Cassandra is blanked, but the search index and Keycloak still \
know the person. This worker reads the deletions from Kafka, has the users indexed again, removes their rows from \
Keycloak's database, and tells for every user what was done.";

const AFTER_HELP: &str = "\
Start here:
  user-purge-sync config                          what is in effect, and where it comes from
  user-purge-sync check --create-topics           is everything there and reachable?
  user-purge-sync check keycloak                  what would be purged, table by table
  USER_PURGE_SYNC__PURGE__MODE=dry-run user-purge-sync run
                                                  tells what would be done, does nothing

Configuration, later ones win:
  the built-in defaults (config/default.toml explains every key)
  --config FILE
  Sunbird's own environment names (sunbird_cassandra_host, kafka_urls, …)
  USER_PURGE_SYNC__SECTION__KEY, for example USER_PURGE_SYNC__CASSANDRA__HOSTS=a,b

Exit codes:
  0   done
  1   audit: of a deleted user something is left; watch: somebody is PARTIAL or FAILED;
      redrive: a failed record is open; status: something is left or failed
  64  wrong usage or configuration
  69  a dependency is unreachable (not run, which waits for it)
  70  held: a person must mend something first";

/// Purges and re-indexes deleted Sunbird users, driven by Kafka.
#[derive(Debug, Parser)]
#[command(name = "user-purge-sync", version, long_about = ABOUT, after_long_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// A TOML file with the keys that differ from the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// In which form the command answers; json for every command that answers with more than a line; not run, completions and man.
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t)]
    pub format: Format,

    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// For completions and man pages.
    pub fn command_line() -> clap::Command {
        Self::command()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The worker: reads events and works on them until SIGTERM.
    ///
    /// Needs purge.mode (delete, dry-run or off), which has no default. A first SIGTERM or Ctrl-C lets what is under way
    /// finish, a second one ends at once; nothing is lost either way. Health and metrics are served at http.listen.
    Run,
    /// Looks at the configuration and every dependency, a line each.
    ///
    /// Says what is wrong and which key to change. Changes nothing without --create-topics.
    Check(CheckArgs),
    /// Prints the settings in effect, secrets redacted, with the place of each that is not a default.
    Config,
    /// Asks the workers for something: publishes users as events. A plan by default, --execute acts.
    Submit(SubmitArgs),
    /// Looks for deleted users of whom Keycloak still knows something. Changes nothing.
    ///
    /// Cassandra says who is deleted (status 2): every user of the table, or those that are named. What Keycloak's database
    /// holds of them is counted by table, as in a dry run. Exit code 0: nothing is left of anybody; 1: something is, of
    /// users who can be purged or who are protected.
    Audit(AuditArgs),
    /// Follows a submission to its end: how many users ended how, how fast, who failed. Changes nothing.
    ///
    /// Reads the status topic. Users are counted once, by the last final status that was told of them, so it may be started
    /// later, again, or twice. Exit code 0: nobody ended PARTIAL or FAILED; 1: somebody did, or it was interrupted.
    Watch(WatchArgs),
    /// Prints completions for a shell. Needs no configuration.
    Completions(CompletionsArgs),
    /// Prints the man page, or writes a page for every command into a folder. Needs no configuration.
    Man(ManArgs),
    /// What failed, and doing it again: lists, shows, sends again or closes the records of the failed topic.
    ///
    /// A failed record is open until it is redriven or parked; both are written beside it on the failed topic, so any
    /// filter and any interruption are safe. Exit code 0: nothing is open (list), everything asked for is done (run, park);
    /// 1: something is open, or is left for a person.
    Redrive(RedriveArgs),
    /// Where is a user: what was asked for and told, what Cassandra, Keycloak and the index say. Changes nothing.
    ///
    /// Ends in one sentence for whoever answers an auditor. Ids, counts and reasons only. A system that does not answer is
    /// told, and the others are asked all the same. Exit code 0: nothing is left, or nothing was to be done; 1: something
    /// is left, failed, or under way; 69: not known, since somebody does not answer.
    Status(StatusArgs),
    /// Has events done again: a plan by default, then on stopped workers or in running ones.
    Replay(Box<ReplayArgs>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
