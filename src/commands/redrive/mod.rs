//! `redrive`: the failed topic, worked off by a person. What was decided is written beside what it is about, so neither a
//! filter nor an interruption can lose anything.

mod act;
mod list;
mod park;
mod run;
mod show;
mod sources;
mod walk;

use std::io::Write;

use super::answer::{Problem, Teller};
use super::calendar::now;
use super::{Exit, world};
use crate::adapters::kafka::topic_admin::TopicError;
use crate::cli::{FilterArgs, Format, RedriveArgs, RedriveTask};
use crate::domain::event::Action;
use crate::domain::failed::Filter;
use crate::ports::Failure;
use crate::settings::Settings;

/// # Errors
/// When a setting cannot be used, or `output` cannot be written. That Kafka does not answer is told.
pub async fn redrive(
    settings: &Settings,
    args: &RedriveArgs,
    (format, output): (Format, &mut (dyn Write + Send)),
) -> anyhow::Result<Exit> {
    let mut teller = Teller { format, output };
    let done = match &args.task {
        RedriveTask::List(filter) => list::list(settings, filter, &mut teller).await,
        RedriveTask::Show(args) => show::show(settings, args, &mut teller).await,
        RedriveTask::Run(args) => run::run(settings, args, &mut teller).await,
        RedriveTask::Park(args) => park::park(settings, args, &mut teller).await,
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(Stop::Failure(failure)) => {
            teller.tell(&Problem::new("stopped", format!("{}; starting again does the rest", failure.story())))?;
            Ok(Exit::from(&failure))
        }
        Err(Stop::Other(error)) => Err(error),
    }
}

/// Why a task ended before its end.
#[derive(Debug)]
enum Stop {
    Failure(Failure),
    Other(anyhow::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<TopicError> for Stop {
    fn from(error: TopicError) -> Self {
        Self::Failure(world::failure_of_topics(error))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn filter(args: &FilterArgs) -> Filter {
    let now = now();
    Filter {
        reasons: args.reasons.clone(),
        stages: args.stages.clone(),
        actions: args.actions.iter().map(|action| Action::from(*action)).collect(),
        users: args.users.clone(),
        since: args.since.map(|when| when.millis(now)),
        until: args.until.map(|when| when.millis(now)),
    }
}

/// `1 record`, `2 records`.
fn some(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
