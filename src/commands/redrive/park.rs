//! `redrive park`: a person has decided that nothing more is done.

use std::io::Write;

use super::act::Actor;
use super::walk::Walk;
use super::{Stop, filter, some};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::TopicReader;
use crate::cli::ParkArgs;
use crate::commands::{Exit, world};
use crate::domain::failed::Decision;
use crate::settings::Settings;

pub(super) async fn park(settings: &Settings, args: &ParkArgs, output: &mut (dyn Write + Send)) -> Result<Exit, Stop> {
    let wanted = filter(&args.filter);
    if wanted.is_everything() && !args.all {
        writeln!(output, "nothing is parked: say what, such as --user ID or --reason REASON, or --all")?;
        return Ok(Exit::Usage);
    }
    let topics = world::topics(settings)?;
    let reader = TopicReader::try_new(&settings.kafka)?;
    let mut walk = Walk::start(&reader, topics.name(Topic::Failed)).await?;
    let acting = || Actor::new(settings, Decision::Parked, (&args.by, Some(&args.why)));
    let mut actor = args.execute.then(acting).transpose()?;
    let (mut parked, mut users) = (0, 0);
    while let Some(step) = walk.next().await? {
        if step.decision.is_some() {
            continue;
        }
        let is_wanted = wanted.wants(&step.failed, step.found.at);
        if is_wanted {
            parked += 1;
            users += step.failed.users().len() as u64;
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
    let (verb, end) =
        if args.execute { ("parked", "") } else { ("to park", "\nthis is a plan: --execute closes them") };
    writeln!(output, "{verb}  {}, {}{end}", some(parked, "record"), some(users, "user"))?;
    Ok(Exit::Done)
}
