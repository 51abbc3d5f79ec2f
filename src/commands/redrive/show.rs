//! `redrive show`: the failed records, a block each. Ids and reasons only.

use std::io::{self, Write};

use super::list::place_of;
use super::walk::{Step, Walk};
use super::{Stop, filter};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::{Found, TopicReader};
use crate::cli::ShowArgs;
use crate::commands::calendar::written;
use crate::commands::{Exit, world};
use crate::domain::event::{Event, Subjects};
use crate::domain::failed::What;
use crate::domain::ids::UserId;
use crate::domain::report::range_name;
use crate::settings::Settings;

/// Ids of one record that are shown.
const IDS: usize = 5;

pub(super) async fn show(settings: &Settings, args: &ShowArgs, output: &mut (dyn Write + Send)) -> Result<Exit, Stop> {
    let topics = world::topics(settings)?;
    let (reader, wanted) = (TopicReader::try_new(&settings.kafka)?, filter(&args.filter));
    let mut walk = Walk::start(&reader, topics.name(Topic::Failed)).await?;
    let (mut shown, mut more) = (0, 0_u64);
    while let Some(step) = walk.next().await? {
        let is_asked_for = args.all || step.decision.is_none();
        if !is_asked_for || !wanted.wants(&step.failed, step.found.at) {
            continue;
        }
        if shown < args.limit {
            shown += 1;
            block(&step, output)?;
        } else {
            more += 1;
        }
    }
    match (shown, more) {
        (0, _) => writeln!(output, "there is none")?,
        (_, 0) => {}
        (_, more) => writeln!(output, "and {more} more: --limit shows them")?,
    }
    Ok(Exit::Done)
}

fn block(Step { found, failed, decision }: &Step, output: &mut (dyn Write + Send)) -> io::Result<()> {
    let state = decision.map_or("open", |decision| decision.name());
    writeln!(output, "{}:{}  {}  {state}", found.partition, found.offset, written(found.at))?;
    match &failed.what {
        What::Event(event) => {
            writeln!(output, "  what     {}", told(event))?;
            writeln!(output, "  why      {}, in {}, after {} attempts", failed.error, failed.stage, failed.attempts)?;
            let origin = &event.origin;
            if let Some(id) = &origin.request_id {
                writeln!(output, "  request  {id}")?;
            }
            if origin.redriven > 0 {
                writeln!(output, "  before   redriven {} times", origin.redriven)?;
            }
            if let Some(place) = source(found) {
                writeln!(output, "  source   {place}")?;
            }
        }
        What::Undecodable(place) => {
            writeln!(output, "  what     a record of {} bytes, sha-256 {}", place.size, place.sha256)?;
            writeln!(output, "  why      {}", failed.error)?;
            writeln!(output, "  source   {}", place_of(place))?;
        }
    }
    writeln!(output)
}

fn told(event: &Event) -> String {
    let (action, kind) = (event.action.name(), event.object_type.as_str());
    match &event.subjects {
        Subjects::Range(range) => format!("{action}, {kind}, token range {}", range_name(*range)),
        Subjects::Users(users) => {
            let ids: Vec<&str> = users.iter().take(IDS).map(UserId::as_str).collect();
            let more = users.len().saturating_sub(IDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{action}, {kind} {}{more}", ids.join(", "))
        }
    }
}

/// In the headers of what was an event.
fn source(found: &Found) -> Option<String> {
    let header = |name: &str| found.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (topic, partition, offset) = (header("source_topic")?, header("source_partition")?, header("source_offset")?);
    Some(format!("{topic} {partition}:{offset}"))
}
