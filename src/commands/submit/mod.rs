//! `submit`: users become events on the request topic. A plan by default; publishing again is harmless.

mod asked;
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
use self::envelope::Submission;
use self::feed::{Feed, RANGES};
use self::plan::{Plan, Users};
use super::Exit;
use super::ring::Walk;
use crate::cli::SubmitArgs;
use crate::domain::event::Action;
use crate::ports::scan::UserScan;
use crate::ports::{Failure, Publisher};
use crate::settings::Settings;

pub use self::start::connect_and_submit;

/// Whom `submit` talks to.
pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
    /// Somebody is there who can be asked.
    pub interactive: bool,
}

/// What it needs of the world, contacted only when it is needed.
pub struct World<'a> {
    pub publisher: &'a dyn Fn() -> anyhow::Result<Arc<dyn Publisher>>,
    pub table: &'a dyn Fn() -> anyhow::Result<Arc<dyn UserScan>>,
    /// Users a second, as last measured; or why that is not known.
    pub pace: BoxFuture<'a, Result<f64, String>>,
}

/// Prints the plan and, with `--execute`, publishes it.
///
/// # Errors
/// When a file cannot be read, the console fails, or a setting cannot be used. What is wrong with the ids, and that a dependency
/// does not answer, is told on the console.
pub async fn submit(
    settings: &Settings,
    args: &SubmitArgs,
    console: &mut Console<'_>,
    world: World<'_>,
) -> anyhow::Result<Exit> {
    let object_type = match asked::object_type(settings, args) {
        Ok(object_type) => object_type,
        Err(problem) => return refuse(console, &problem),
    };
    let scope = match asked::scope(args, console)? {
        Ok(scope) => scope,
        Err(problem) => return refuse(console, &problem),
    };
    let submission = Submission {
        action: args.action.into(),
        object_type,
        request_id: args.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
    };
    let (plan, feed) = match prepare(settings, args, submission, scope, world.table).await? {
        Ok(prepared) => prepared,
        Err(failure) => {
            writeln!(console.output, "nothing is published: cassandra: {}", failure.story())?;
            return Ok(Exit::from(&failure));
        }
    };
    let plan = Plan { pace: world.pace.await, ..plan };
    write!(console.output, "{plan}")?;
    if !args.execute {
        writeln!(console.output, "this is a plan: --execute publishes it")?;
        return Ok(Exit::Done);
    }
    if !may_go_on(&plan, args, console)? {
        return Ok(Exit::Usage);
    }
    publish::publish(&plan, feed, (world.publisher)()?.as_ref(), console).await
}

fn refuse(console: &mut Console<'_>, problem: &str) -> anyhow::Result<Exit> {
    writeln!(console.output, "nothing is published: {problem}")?;
    Ok(Exit::Usage)
}

/// Counts, as far as a plan needs it, and says where the portions will come from.
async fn prepare<'a>(
    settings: &'a Settings,
    args: &SubmitArgs,
    submission: Submission,
    scope: Scope,
    table: &dyn Fn() -> anyhow::Result<Arc<dyn UserScan>>,
) -> anyhow::Result<Result<(Plan<'a>, Feed), Failure>> {
    let (mut status, object_type) = (None, submission.object_type.clone());
    let (users, first, feed) = match scope {
        Scope::Listed(listed) => {
            if submission.action == Action::DeleteUser && args.file.is_some() {
                status = Some(measured::status_of(table(), &listed.head, listed.users).await);
            }
            (Users::Listed(listed.users), listed.head.clone(), Feed::Listed(listed))
        }
        Scope::Table => {
            let table = table()?;
            let (guess, first) = match measured::whole(table.as_ref(), &object_type).await {
                Ok(counted) => counted,
                Err(failure) => return Ok(Err(failure)),
            };
            let walk = Walk::expecting(RANGES, guess.rows);
            (Users::Table(guess), first, Feed::Ranges { walk, table, object_type })
        }
        Scope::Deleted => {
            let table = table()?;
            let (guess, first) = match measured::deleted(table.as_ref()).await {
                Ok(counted) => counted,
                Err(failure) => return Ok(Err(failure)),
            };
            let walk = Walk::expecting(RANGES, guess.rows);
            (Users::Deleted(guess), first, Feed::Deleted { walk, table, waiting: Vec::new() })
        }
    };
    let pace = Err(String::new());
    Ok(Ok((Plan { settings, submission, users, first, status, rate: args.rate, pace }, feed)))
}

/// Deletions that nobody has typed one by one are asked about once.
fn may_go_on(plan: &Plan, args: &SubmitArgs, console: &mut Console<'_>) -> io::Result<bool> {
    let was_typed = matches!(plan.users, Users::Listed(_)) && args.file.is_none();
    if was_typed || plan.submission.action == Action::ResyncUser || args.yes {
        return Ok(true);
    }
    let reads_input = args.file.as_deref() == Some(Path::new("-"));
    if !console.interactive || reads_input {
        writeln!(console.output, "nothing is published: nobody can be asked; --yes goes on without")?;
        return Ok(false);
    }
    let about = if matches!(plan.users, Users::Listed(_)) { "" } else { "about " };
    write!(console.output, "{} for {about}{} users: go on? [y/N] ", plan.submission.action.name(), plan.users.count())?;
    console.output.flush()?;
    let mut answer = String::new();
    console.input.read_line(&mut answer)?;
    let agreed = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !agreed {
        writeln!(console.output, "nothing is published")?;
    }
    Ok(agreed)
}
