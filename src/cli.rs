//! The command line: what a person can ask for, and the help from which it can be learned.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::event::Action;
use crate::settings::CallRate;

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
  1   audit: of a deleted user something is left; watch: somebody is PARTIAL or FAILED
  64  wrong usage or configuration
  69  a dependency is unreachable (check, submit, audit, watch)
  70  held: a person must mend something first";

/// Purges and re-indexes deleted Sunbird users, driven by Kafka.
#[derive(Debug, Parser)]
#[command(name = "user-purge-sync", version, long_about = ABOUT, after_long_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// A TOML file with the keys that differ from the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
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
}

#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync check
  user-purge-sync check keycloak                  every table that is purged, by what, in which order, and why
  user-purge-sync check --create-topics --partitions 8")]
pub struct CheckArgs {
    /// Look closer at one dependency.
    #[arg(value_enum, conflicts_with = "create_topics")]
    pub subject: Option<CheckSubject>,

    /// Create the topics that are missing: status kept 400 days, failed 30, request and delay 7, control 1.
    #[arg(long)]
    pub create_topics: bool,

    /// Partitions of the topics that are created.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "create_topics", value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: i32,

    /// Create the topic of the deletion API as well. It belongs to Sunbird.
    #[arg(long, requires = "create_topics")]
    pub with_delete_topic: bool,
}

/// What `check` can say more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckSubject {
    /// The tables of Keycloak's database that know a user, against the live one: nothing is changed.
    Keycloak,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
The ids come from the command line, from a csv file, or from standard input (--file -). A file has one id a line; blank \
lines, spaces around ids, quotes, CRLF, a BOM, repeats and a header are taken as meant and counted. Lines that cannot \
be meant are named, and then nothing is published. With several columns, a header must name the one with the ids: \
userId, user_id or id.

A delete never touches a user who is not deleted in Cassandra: the workers look, at the time they do it.

Examples:
  user-purge-sync submit delete-user 02c4e0dc-3e25-4f7d-b811-242c73e24a01
                                                  a plan: what would be published, and where
  user-purge-sync submit delete-user 02c4e0dc-3e25-4f7d-b811-242c73e24a01 --execute
  user-purge-sync submit delete-user --file deleted.csv --execute --yes
  user-purge-sync submit resync-user --file users.csv --rate 100/s --execute
  cut -f1 users.tsv | user-purge-sync submit resync-user --file - --execute
  user-purge-sync submit resync-user 0130…27 --object-type organisation --execute")]
pub struct SubmitArgs {
    /// What is to be done with the users.
    #[arg(value_enum)]
    pub action: SubmitAction,

    /// Ids of users.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// A csv file of ids; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub file: Option<PathBuf>,

    /// What the ids are ids of; other than user only with resync-user.
    #[arg(long, value_name = "TYPE", default_value = "user")]
    pub object_type: String,

    /// Stands in every status that comes of it, to find them by; made up when absent.
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,

    /// Users published per second, minute or hour, such as 100/s; otherwise as fast as Kafka takes them.
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate: Option<CallRate>,

    /// Publish. Without it only the plan is printed.
    #[arg(long)]
    pub execute: bool,

    /// Do not ask before users from a file are deleted.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync audit                           the whole table
  user-purge-sync audit --output ids.csv --protected kept.csv
  user-purge-sync submit delete-user --file ids.csv
  user-purge-sync audit --file purged.csv         was all of them purged?")]
pub struct AuditArgs {
    /// Ids of users; without them, and without a file, all users of the table.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// A csv file of ids; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub file: Option<PathBuf>,

    /// Write the ids of those of whom something is left, for submit --file.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write the ids of those who are protected, and what protects them.
    #[arg(long, value_name = "FILE")]
    pub protected: Option<PathBuf>,
}

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

    /// Write those who ended SUCCESS or SKIPPED: user id, outcome, reason, stage, attempts, time.
    #[arg(long, value_name = "FILE")]
    pub success: Option<PathBuf>,

    /// Write those who ended PARTIAL or FAILED, in the same form.
    #[arg(long, value_name = "FILE")]
    pub failure: Option<PathBuf>,
}

/// The actions by the names they have in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SubmitAction {
    /// Index deleted users again and purge them from Keycloak.
    DeleteUser,
    /// Index users again.
    ResyncUser,
    /// Index users again and remove what Keycloak keeps of them from before user federation.
    RetireLocalUser,
}

impl From<SubmitAction> for Action {
    fn from(action: SubmitAction) -> Self {
        match action {
            SubmitAction::DeleteUser => Self::DeleteUser,
            SubmitAction::ResyncUser => Self::ResyncUser,
            SubmitAction::RetireLocalUser => Self::RetireLocalUser,
        }
    }
}

fn rate(text: &str) -> Result<CallRate, String> {
    CallRate::parse(text).ok_or_else(|| "must be a number per s, min or h, such as 100/s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn actions_have_the_names_of_the_events() {
        for action in SubmitAction::value_variants() {
            let name = action.to_possible_value().unwrap().get_name().to_owned();
            assert_eq!(name, Action::from(*action).name());
        }
        assert_eq!(SubmitAction::value_variants().len(), Action::ALL.len());
    }
}
