//! What `submit` can be asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::event::Action;
use crate::settings::CallRate;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
The ids come from the command line, from a csv file, or from standard input (--file -). A file has one id a line; blank \
lines, spaces around ids, quotes, CRLF, a BOM, repeats and a header are taken as meant and counted. Lines that cannot \
be meant are named, and then nothing is published. With several columns, a header must name the one with the ids: \
userId, user_id or id. A file is read twice, of any size; to know repeats it takes 20 to 40 bytes of memory an id. \
Standard input is kept in a temporary file meanwhile.

--all cuts the table into token ranges of about 1000 users, counted while they are published; the plan only reads a \
sample. --deleted reads the status of every user of the table.

A delete never touches a user who is not deleted in Cassandra: the workers look, at the time they do it.

The two batch jobs' parameters work as they were, from the environment or as --context_param: \
sunbird_sync_sleep_time (block size / pause becomes the rate), sunbird_sync_id_file, sunbird_cassandra_table, \
sunbird_sync_object_type, and where things are. Without an id file they mean the whole table, as they did.

Examples:
  user-purge-sync submit delete-user 02c4e0dc-3e25-4f7d-b811-242c73e24a01
                                                  a plan: what would be published, and where
  user-purge-sync submit delete-user 02c4e0dc-3e25-4f7d-b811-242c73e24a01 --execute
  user-purge-sync submit delete-user --file deleted.csv --execute --yes
  user-purge-sync submit delete-user --deleted --execute --watch
  user-purge-sync submit resync-user --all --rate 100/s --execute --watch --failure failed.csv
  cut -f1 users.tsv | user-purge-sync submit resync-user --file - --execute
  user-purge-sync submit resync-user 0130…27 --object-type organisation --execute
  user-purge-sync submit resync-user --context_param sunbird_cassandra_server=10.0.0.4 \\
      --context_param sunbird_user_sync_sleep_time=10000")]
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

    /// The whole table; not with delete-user.
    #[arg(long, conflicts_with_all = ["ids", "file", "deleted"])]
    pub all: bool,

    /// All users with status 2; not with retire-local-user.
    #[arg(long, conflicts_with_all = ["ids", "file"])]
    pub deleted: bool,

    /// What the ids are ids of, user by default; others only with resync-user.
    #[arg(long, value_name = "TYPE")]
    pub object_type: Option<String>,

    /// Instead of the object type: its table. The workers read the tables that cassandra.tables names, and no other.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,

    /// Stands in every status that comes of it, to find them by; made up when absent.
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,

    /// Users published per second, minute or hour, such as 100/s; otherwise as fast as Kafka takes them.
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate: Option<CallRate>,

    /// Publish. Without it only the plan is printed.
    #[arg(long)]
    pub execute: bool,

    /// Do not ask before users whom nobody has typed are deleted or retired.
    #[arg(long)]
    pub yes: bool,

    /// Then follow it to its end, as watch does; the exit code is that of watch.
    #[arg(long)]
    pub watch: bool,

    /// Write those who ended SUCCESS or SKIPPED: user id, outcome, reason, stage, attempts, time.
    #[arg(long, value_name = "FILE", requires = "watch")]
    pub success: Option<PathBuf>,

    /// Write those who ended PARTIAL or FAILED, in the same form.
    #[arg(long, value_name = "FILE", requires = "watch")]
    pub failure: Option<PathBuf>,

    /// A parameter of the old batch jobs, as their start scripts took it.
    #[arg(long = "context_param", value_name = "NAME=VALUE")]
    pub context_params: Vec<String>,
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

pub(super) fn rate(text: &str) -> Result<CallRate, String> {
    CallRate::parse(text).ok_or_else(|| "must be a number per s, min or h, such as 100/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_the_names_of_the_events() {
        for action in SubmitAction::value_variants() {
            let name = action.to_possible_value().unwrap().get_name().to_owned();
            assert_eq!(name, Action::from(*action).name());
        }
        assert_eq!(SubmitAction::value_variants().len(), Action::ALL.len());
    }
}
