//! `redrive park`: a person has decided that nothing more is done.

use std::fmt;

use serde::Serialize;

use super::act::Actor;
use super::walk::Walk;
use super::{Stop, filter, some};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::TopicReader;
use crate::cli::ParkArgs;
use crate::commands::answer::{Problem, Teller};
use crate::commands::{Exit, world};
use crate::domain::failed::Decision;
use crate::settings::Settings;

pub(super) async fn park(settings: &Settings, args: &ParkArgs, teller: &mut Teller<'_>) -> Result<Exit, Stop> {
    let wanted = filter(&args.filter);
    if wanted.is_everything() && !args.all {
        teller.tell(&Problem::new("nothing is parked", "say what, such as --user ID or --reason REASON, or --all"))?;
        return Ok(Exit::Usage);
    }
    let topics = world::topics(settings)?;
    let reader = TopicReader::try_new(&settings.kafka)?;
    let mut walk = Walk::start(&reader, topics.name(Topic::Failed)).await?;
    let acting = || Actor::new(settings, Decision::Parked, (&args.by, Some(&args.why)));
    let mut actor = args.execute.then(acting).transpose()?;
    let mut parked = Parked { executed: args.execute, records: 0, users: 0 };
    while let Some(step) = walk.next().await? {
        if step.decision.is_some() {
            continue;
        }
        let is_wanted = wanted.wants(&step.failed, step.found.at);
        if is_wanted {
            parked.records += 1;
            parked.users += step.failed.users().len() as u64;
        }
        match &mut actor {
            Some(actor) if is_wanted => actor.act(&step.found, Vec::new(), &walk).await?,
            Some(actor) => actor.leave(&step.found),
            None => {}
        }
    }
    if let Some(mut actor) = actor {
        actor.flush(&walk).await?;
    }
    teller.tell(&parked)?;
    Ok(Exit::Done)
}

/// What is closed, or would be.
#[derive(Serialize)]
struct Parked {
    executed: bool,
    records: u64,
    users: u64,
}

impl fmt::Display for Parked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executed, records, users } = *self;
        let (verb, end) =
            if executed { ("parked", "") } else { ("to park", "\nthis is a plan: --execute closes them") };
        writeln!(formatter, "{verb}  {}, {}{end}", some(records, "record"), some(users, "user"))
    }
}
