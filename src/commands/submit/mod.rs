//! `submit`: users become events on the request topic. A plan by default; publishing again is harmless.

mod envelope;
mod publish;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Exit;
use super::id_file::{self, IdFile};
use crate::cli::SubmitArgs;
use crate::domain::event::Action;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::record::OutputRecord;
use crate::domain::report::Writer;
use crate::domain::report::summary::{Submission as Submitted, submission_record};
use crate::ports::Publisher;
use crate::settings::{CallRate, Settings};
use envelope::{Stamp, Submission};

/// Users of one event: one page, so that a worker takes it at once.
const USERS_PER_EVENT: usize = 250;

/// Whom `submit` talks to.
pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
    /// Somebody is there who can be asked.
    pub interactive: bool,
}

/// Prints the plan and, with `--execute`, publishes it. `connect` is called only then.
///
/// # Errors
/// When a file cannot be read, the console fails, or `connect` does. What is wrong with the ids is told on the console.
pub async fn submit(
    settings: &Settings,
    args: &SubmitArgs,
    console: &mut Console<'_>,
    connect: impl FnOnce() -> anyhow::Result<Arc<dyn Publisher>>,
) -> anyhow::Result<Exit> {
    let list = gather(args, console)?;
    if let Some(problem) = objection(settings, args, &list) {
        writeln!(console.output, "nothing is published: {problem}")?;
        return Ok(Exit::Usage);
    }
    let plan = Plan {
        env: &settings.env,
        submission: Submission {
            action: args.action.into(),
            object_type: ObjectType::new(&args.object_type),
            request_id: args.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        },
        ids: list.ids,
        rate: args.rate,
    };
    write!(console.output, "{}", plan.shown_for(settings))?;
    if !args.execute {
        writeln!(console.output, "this is a plan: --execute publishes it")?;
        return Ok(Exit::Done);
    }
    if !may_go_on(&plan, args, console)? {
        return Ok(Exit::Usage);
    }
    publish::publish(&plan, connect()?.as_ref(), console).await
}

/// What is to be published.
struct Plan<'a> {
    env: &'a str,
    submission: Submission,
    ids: Vec<UserId>,
    /// Of users.
    rate: Option<CallRate>,
}

impl Plan<'_> {
    fn events(&self) -> usize {
        self.ids.len().div_ceil(USERS_PER_EVENT)
    }

    /// Tells the status topic how much was asked for, once all of it is published.
    fn told(&self, stamp: Stamp) -> OutputRecord {
        let writer = Writer { env: self.env, now: stamp.ets, dry_run: false, replay_id: None };
        let Submission { action, object_type, request_id } = &self.submission;
        let (events, users) = (self.events() as u64, Some(self.ids.len() as u64));
        submission_record(&writer, &Submitted { request_id, action: *action, object_type, events, users })
    }

    /// How long `users` take at the rate that was asked for.
    fn time_for(&self, users: usize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(rate.per.as_secs_f64() * users as f64 / f64::from(rate.calls))
        })
    }

    fn shown_for<'a>(&'a self, settings: &'a Settings) -> Shown<'a> {
        Shown { plan: self, settings }
    }
}

struct Shown<'a> {
    plan: &'a Plan<'a>,
    settings: &'a Settings,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let Self { plan, settings } = self;
        let Submission { action, object_type, request_id } = &plan.submission;
        let first: Vec<&str> = plan.ids.iter().take(SHOWN).map(UserId::as_str).collect();
        let more = if plan.ids.len() > SHOWN { ", …" } else { "" };
        writeln!(formatter, "action      {}, object type {}", action.name(), object_type.as_str())?;
        writeln!(formatter, "users       {}, in {} events", plan.ids.len(), plan.events())?;
        writeln!(formatter, "first ids   {}{more}", first.join(", "))?;
        writeln!(formatter, "topic       {} at {}", settings.topics.request, settings.kafka.brokers)?;
        if plan.rate.is_some() {
            let takes = plan.time_for(plan.ids.len());
            writeln!(formatter, "takes       {} s at the rate asked for", takes.as_secs())?;
        }
        writeln!(formatter, "request id  {request_id}")
    }
}

/// The users asked for, from wherever they come; a file tells what was found in it.
fn gather(args: &SubmitArgs, console: &mut Console<'_>) -> anyhow::Result<IdFile> {
    let list = id_file::of_person(args.file.as_deref(), &args.ids, &mut *console.input)?;
    let Some(path) = &args.file else { return Ok(list) };
    let header = if list.header { ", a header" } else { "" };
    writeln!(
        console.output,
        "{}: {} lines: {} users, {} repeats, {} blank, {} invalid{header}",
        path.display(),
        list.lines,
        list.ids.len(),
        list.repeats,
        list.blank,
        list.invalid
    )?;
    Ok(list)
}

/// Why these users cannot be submitted.
fn objection(settings: &Settings, args: &SubmitArgs, list: &IdFile) -> Option<String> {
    if list.invalid > 0 {
        let place = if args.file.is_some() { "line" } else { "id" };
        return Some(format!("{} invalid{}", list.invalid, list.told_invalid(place)));
    }
    if list.ids.is_empty() {
        return Some("no ids; give some, or a file of them with --file".to_owned());
    }
    if args.object_type != "user" && Action::from(args.action) != Action::ResyncUser {
        return Some("--object-type other than user goes with resync-user only".to_owned());
    }
    if !settings.cassandra.tables.contains_key(&args.object_type) {
        let known: Vec<&str> = settings.cassandra.tables.keys().map(String::as_str).collect();
        return Some(format!("--object-type has no table in cassandra.tables; there are {}", known.join(", ")));
    }
    None
}

/// A whole file of deletions is asked about once: the ids of a command line were typed, those of a file were not read.
fn may_go_on(plan: &Plan, args: &SubmitArgs, console: &mut Console<'_>) -> io::Result<bool> {
    let Some(path) = args.file.as_ref().filter(|_| plan.submission.action != Action::ResyncUser && !args.yes) else {
        return Ok(true);
    };
    if !console.interactive || path == Path::new("-") {
        writeln!(console.output, "nothing is published: nobody can be asked; --yes goes on without")?;
        return Ok(false);
    }
    write!(console.output, "{} for {} users: go on? [y/N] ", plan.submission.action.name(), plan.ids.len())?;
    console.output.flush()?;
    let mut answer = String::new();
    console.input.read_line(&mut answer)?;
    let agreed = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !agreed {
        writeln!(console.output, "nothing is published")?;
    }
    Ok(agreed)
}
