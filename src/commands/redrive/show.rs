//! `redrive show`: the failed records, a block each. Ids and reasons only.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::list::place_of;
use super::walk::{Step, Walk};
use super::{Stop, filter};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::{Found, TopicReader};
use crate::cli::ShowArgs;
use crate::commands::answer::Teller;
use crate::commands::calendar::written;
use crate::commands::{Exit, world};
use crate::domain::event::{Event, Subjects};
use crate::domain::failed::What;
use crate::domain::ids::UserId;
use crate::domain::report::range_name;
use crate::settings::Settings;

/// Ids of one record that are shown.
const IDS: usize = 5;

pub(super) async fn show(settings: &Settings, args: &ShowArgs, teller: &mut Teller<'_>) -> Result<Exit, Stop> {
    let topics = world::topics(settings)?;
    let (reader, wanted) = (TopicReader::try_new(&settings.kafka)?, filter(&args.filter));
    let mut walk = Walk::start(&reader, topics.name(Topic::Failed)).await?;
    let mut shown = Shown { steps: Vec::new(), more: 0 };
    while let Some(step) = walk.next().await? {
        let is_asked_for = args.all || step.decision.is_none();
        if !is_asked_for || !wanted.wants(&step.failed, step.found.at) {
            continue;
        }
        // Invariant: --limit bounds what is held.
        if shown.steps.len() < args.limit {
            shown.steps.push(step);
        } else {
            shown.more += 1;
        }
    }
    teller.tell(&shown)?;
    Ok(Exit::Done)
}

struct Shown {
    steps: Vec<Step>,
    /// Beyond the limit.
    more: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| block(step, formatter))?;
        match (self.steps.len(), self.more) {
            (0, 0) => writeln!(formatter, "there is none"),
            (_, 0) => Ok(()),
            (_, more) => writeln!(formatter, "and {more} more: --limit shows them"),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let records: Vec<Value> = self.steps.iter().map(document).collect();
        json!({ "records": records, "more": self.more }).serialize(serializer)
    }
}

/// Every field is there, whatever kind of record it is.
fn document(Step { found, failed, decision }: &Step) -> Value {
    let (event, lost) = match &failed.what {
        What::Event(event) => (Some(event), None),
        What::Undecodable(place) => (None, Some(place)),
    };
    let range = event.and_then(|event| match &event.subjects {
        Subjects::Range(range) => Some(range_name(*range)),
        Subjects::Users(_) => None,
    });
    let ids: Vec<&str> = failed.users().iter().map(UserId::as_str).collect();
    json!({
        "partition": found.partition,
        "offset": found.offset,
        "time": written(found.at),
        "state": decision.map_or("open", |decision| decision.name()),
        "stage": failed.stage,
        "reason": failed.error,
        "attempts": failed.attempts,
        "action": event.map(|event| event.action.name()),
        "objectType": event.map(|event| event.object_type.as_str()),
        "users": ids,
        "tokenRange": range,
        "requestId": event.and_then(|event| event.origin.request_id.as_deref()),
        "redriven": failed.redriven(),
        "source": source(found).or_else(|| lost.map(place_of)),
        "size": lost.map(|place| place.size),
        "sha256": lost.map(|place| &place.sha256),
    })
}

fn block(Step { found, failed, decision }: &Step, output: &mut fmt::Formatter<'_>) -> fmt::Result {
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
