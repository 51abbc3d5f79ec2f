//! `replay apply`: commits a plan's offsets for a group whose workers are all stopped.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::super::{BadInput, Exit};
use super::plan::{Move, Plan};
use super::{group, named, waiting};
use crate::adapters::kafka::Topics;
use crate::adapters::kafka::worker_group::{NotSet, Place, WorkerGroup};
use crate::cli::ApplyArgs;
use crate::commands::answer::Teller;
use crate::commands::world;
use crate::domain::ids::{InputTopic, Partition};
use crate::domain::metadata::Metadata;
use crate::domain::replay::{ReplayId, ReplayMark};
use crate::settings::Settings;

pub(super) async fn apply(settings: &Settings, args: &ApplyArgs, teller: &mut Teller<'_>) -> anyhow::Result<Exit> {
    let plan = Plan::read(&args.plan)?;
    if plan.group != settings.group() {
        let (theirs, ours) = (&plan.group, settings.group());
        return Err(BadInput(format!("the plan is for the group {theirs}, these settings say {ours}")).into());
    }
    let refused = if plan.skipped() > 0 && !args.allow_skips {
        vec![format!("{} offsets would be skipped, their events never done (--allow-skips)", plan.skipped())]
    } else {
        let (id, topics, group) = (plan.replay_id()?, world::topics(settings)?, group(settings, &plan.group)?);
        let moves: Vec<Move> = plan.moving().cloned().collect();
        if moves.is_empty() { Vec::new() } else { waiting(move || set(&group, &topics, (&id, &moves))).await? }
    };
    let exit = if refused.is_empty() { Exit::Done } else { Exit::Held };
    teller.tell(&Applied { plan: &plan, refused })?;
    Ok(exit)
}

struct Applied<'a> {
    plan: &'a Plan,
    /// What speaks against it: then nothing is changed.
    refused: Vec<String>,
}

impl fmt::Display for Applied<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, refused } = self;
        if !refused.is_empty() {
            return refused.iter().try_for_each(|it| writeln!(formatter, "refused, nothing is changed: {it}"));
        }
        if plan.moving().next().is_none() {
            return writeln!(formatter, "the plan moves nothing");
        }
        for it in plan.moving() {
            writeln!(formatter, "{}: {} -> {}", it.name(), it.old.unwrap_or_default(), it.new)?;
        }
        writeln!(formatter, "replay {}: about {} events are done again when workers start", plan.id, plan.again())
    }
}

impl Serialize for Applied<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { plan, refused } = self;
        let is_done = refused.is_empty();
        let moved = plan.moving().filter(|_| is_done);
        let moved =
            moved.map(|it| json!({ "topic": it.topic, "partition": it.partition, "old": it.old, "new": it.new }));
        json!({
            "id": plan.id,
            "group": plan.group,
            "refused": refused,
            "moved": moved.collect::<Vec<_>>(),
            "again": if is_done { plan.again() } else { 0 },
        })
        .serialize(serializer)
    }
}

/// What speaks against it, or nothing, and then it is done.
fn set(group: &WorkerGroup, topics: &Topics, (id, moves): (&ReplayId, &[Move])) -> anyhow::Result<Vec<String>> {
    let members = group.members()?;
    if !members.is_empty() {
        return Ok(vec![active(&named(&members))]);
    }
    let partitions = moves.iter().map(|it| it.place(topics)).collect::<anyhow::Result<Vec<Partition>>>()?;
    let mut named: Vec<InputTopic> = partitions.iter().map(|partition| partition.topic).collect();
    named.dedup();
    let places = group.places(&named)?;
    let place_of = |partition: &Partition| places.iter().find(|place| place.partition == *partition);
    let problems: Vec<String> =
        moves.iter().zip(&partitions).filter_map(|(it, at)| objection(it, place_of(at))).collect();
    if !problems.is_empty() {
        return Ok(problems);
    }
    let said = |it: &Move| {
        let replay = ReplayMark::of(id.clone(), it.new, it.until);
        Metadata { settled: None, replay }.encode(it.new)
    };
    let targets: Vec<_> = moves.iter().zip(partitions).map(|(it, at)| (at, it.new, said(it))).collect();
    match group.set(&targets) {
        Ok(()) => Ok(Vec::new()),
        // A worker came in between, or the broker does not say who is in the group.
        Err(error @ NotSet::Members(_)) => Ok(vec![active(&error.to_string())]),
        Err(error @ NotSet::Kafka(_)) => Err(error.into()),
    }
}

fn active(who: &str) -> String {
    format!("workers are running ({who}): stop them all, or ask them with replay live")
}

fn objection(it: &Move, place: Option<&Place>) -> Option<String> {
    let name = it.name();
    let Some(place) = place else { return Some(format!("{name} is not there any more")) };
    let offset = |offset: Option<i64>| offset.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string());
    if place.committed != it.old {
        let (planned, now) = (offset(it.old), offset(place.committed));
        return Some(format!("{name}: the plan is stale, it saw {planned} committed and now it is {now}: plan again"));
    }
    if it.new < place.low {
        return Some(format!("{name}: {} is below the log's start, {}: plan again", it.new, place.low));
    }
    (it.new > place.high).then(|| format!("{name}: {} is beyond the log's end, {}", it.new, place.high))
}
