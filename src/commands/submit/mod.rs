//! `submit`: users become events on the request topic. A plan by default; publishing again is harmless.

mod asked;
mod end;
mod envelope;
mod feed;
mod listed;
mod measured;
mod plan;
mod publish;
mod start;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;

use self::asked::Scope;
use self::end::{End, Submitted};
use self::envelope::Submission;
use self::feed::{Feed, RANGES};
use self::plan::{Plan, Users};
use super::ring::Walk;
use crate::cli::SubmitArgs;
use crate::domain::event::Action;
use crate::ports::scan::UserScan;
use crate::ports::{Failure, Publisher};
use crate::settings::Settings;

pub use self::start::connect_and_submit;

/// Whom `submit` talks to before its end.
pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
    /// Somebody is there who can be asked.
    pub interactive: bool,
}

/// What it needs of the world, contacted only when it is needed.
pub struct World<'a> {
    /// A [`Failure`] says that it does not answer.
    pub publisher: BoxFuture<'a, anyhow::Result<Arc<dyn Publisher>>>,
    /// The same.
    pub table: BoxFuture<'a, anyhow::Result<Arc<dyn UserScan>>>,
    /// Users a second, as last measured; or why that is not known.
    pub pace: BoxFuture<'a, Result<f64, String>>,
}

/// Makes the plan and, with `--execute`, shows and publishes it.
///
/// # Errors
/// When a file cannot be read, the console fails, or a setting cannot be used. What is wrong with the ids, and that a dependency
/// does not answer, is its end.
pub async fn submit<'a>(
    settings: &'a Settings,
    args: &SubmitArgs,
    console: &mut Console<'_>,
    world: World<'_>,
) -> anyhow::Result<Submitted<'a>> {
    let object_type = match asked::object_type(settings, args) {
        Ok(object_type) => object_type,
        Err(problem) => return Ok(Submitted::without_plan(None, End::Refused(problem))),
    };
    let (scope, file) = asked::scope(args, console.input)?;
    if let Some(file) = &file {
        write!(console.output, "{file}")?;
    }
    let scope = match scope {
        Ok(scope) => scope,
        Err(problem) => return Ok(Submitted::without_plan(file, End::Refused(problem))),
    };
    let submission = Submission {
        action: args.action.into(),
        object_type,
        request_id: args.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
    };
    let (plan, feed) = match failed(prepare(settings, args, submission, scope, world.table).await)? {
        Ok(prepared) => prepared,
        Err(failure) => return Ok(Submitted::without_plan(file, End::Unreachable("cassandra", failure))),
    };
    let plan = Plan { pace: world.pace.await, ..plan };
    let end = if args.execute { execute(&plan, feed, (args, world.publisher), console).await? } else { End::Planned };
    Ok(Submitted { file, plan: Some(plan), end })
}

async fn execute(
    plan: &Plan<'_>,
    feed: Feed,
    (args, publisher): (&SubmitArgs, BoxFuture<'_, anyhow::Result<Arc<dyn Publisher>>>),
    console: &mut Console<'_>,
) -> anyhow::Result<End> {
    write!(console.output, "{plan}")?;
    if let Err(problem) = may_go_on(plan, args, console)? {
        return Ok(End::Refused(problem));
    }
    match failed(publisher.await)? {
        Ok(publisher) => publish::publish(plan, feed, publisher.as_ref(), console).await,
        Err(failure) => Ok(End::Unreachable("kafka", failure)),
    }
}

/// What a dependency says apart from what is wrong here.
fn failed<T>(answer: anyhow::Result<T>) -> anyhow::Result<Result<T, Failure>> {
    match answer.map_err(anyhow::Error::downcast::<Failure>) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Ok(failure)) => Ok(Err(failure)),
        Err(Err(error)) => Err(error),
    }
}

/// Counts, as far as a plan needs it, and says where the portions will come from.
async fn prepare<'a>(
    settings: &'a Settings,
    args: &SubmitArgs,
    submission: Submission,
    scope: Scope,
    table: BoxFuture<'_, anyhow::Result<Arc<dyn UserScan>>>,
) -> anyhow::Result<(Plan<'a>, Feed)> {
    let (mut status, object_type) = (None, submission.object_type.clone());
    let (users, first, feed) = match scope {
        Scope::Listed(listed) => {
            if submission.action == Action::DeleteUser && args.file.is_some() {
                status = Some(measured::status_of(table, &listed.head).await);
            }
            (Users::Listed(listed.users), listed.head.clone(), Feed::Listed(listed))
        }
        Scope::Table => {
            let table = table.await?;
            let (guess, first) = measured::whole(table.as_ref(), &object_type).await?;
            let walk = Walk::expecting(RANGES, guess.rows);
            (Users::Table(guess), first, Feed::Ranges { walk, table, object_type })
        }
        Scope::Deleted => {
            let table = table.await?;
            let (guess, first) = measured::deleted(table.as_ref()).await?;
            let walk = Walk::expecting(RANGES, guess.rows);
            (Users::Deleted(guess), first, Feed::Deleted { walk, table, waiting: Vec::new() })
        }
    };
    let pace = Err(String::new());
    Ok((Plan { settings, submission, users, first, status, rate: args.rate, pace }, feed))
}

/// Deletions that nobody has typed one by one are asked about once. An error is why they are not published.
fn may_go_on(plan: &Plan, args: &SubmitArgs, console: &mut Console<'_>) -> io::Result<Result<(), String>> {
    let was_typed = matches!(plan.users, Users::Listed(_)) && args.file.is_none();
    if was_typed || plan.submission.action == Action::ResyncUser || args.yes {
        return Ok(Ok(()));
    }
    let reads_input = args.file.as_deref() == Some(Path::new("-"));
    if !console.interactive || reads_input {
        return Ok(Err("nobody can be asked; --yes goes on without".to_owned()));
    }
    let about = if matches!(plan.users, Users::Listed(_)) { "" } else { "about " };
    write!(console.output, "{} for {about}{} users: go on? [y/N] ", plan.submission.action.name(), plan.users.count())?;
    console.output.flush()?;
    let mut answer = String::new();
    console.input.read_line(&mut answer)?;
    let agreed = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    Ok(if agreed { Ok(()) } else { Err("the answer was no".to_owned()) })
}
