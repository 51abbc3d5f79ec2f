//! What the world answers to a call of the engine.

use std::time::Duration;

use user_purge_sync::domain::ids::{InputTopic, Partition, UserId};
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::record::{OutputRecord, OutputTopic};
use user_purge_sync::domain::verdict::{PurgeKind, UserRow};
use user_purge_sync::pipeline::engine::{Completion, Effect};
use user_purge_sync::ports::{Blame, Disposition, Failure, PurgeOrder, Purged, Synced, Unpublished};

use super::Play;
use super::setup::{AMBIGUITY, named, user_id};
use crate::script::{Fault, USERS};

impl Play {
    pub(super) fn answer(&mut self, call: Effect, fault: Fault) {
        let failure = |fault| match fault {
            Fault::None => None,
            Fault::Away => Some(Failure::new(Disposition::Retry(Blame::Server), "away")),
            Fault::Whole => Some(Failure::new(Disposition::Retry(Blame::Call), "whole")),
            Fault::Throttled => {
                Some(Failure::new(Disposition::Retry(Blame::Throttle(Duration::from_secs(5))), "throttled"))
            }
            Fault::Held => Some(Failure::new(Disposition::Hold, "held")),
        };
        let fails = failure(fault);
        self.index.call_ends(&call, fails.as_ref(), self.now.at + AMBIGUITY);
        let completion = match call {
            Effect::Lookup(id, _, users) => {
                let rows = fails.map_or_else(|| Ok(users.iter().map(|user| Ok(Some(self.row(user)))).collect()), Err);
                Completion::Lookup(id, rows)
            }
            Effect::Sync(id, _, users) => Completion::Sync(id, fails.map_or_else(|| Ok(indexed(&users)), Err)),
            Effect::ProbeSync(users) => {
                let answer = fails.map_or_else(|| Ok(indexed(&users)), Err);
                Completion::ProbeSync(users, answer)
            }
            Effect::Purge(id, orders) => Completion::Purge(id, fails.map_or_else(|| Ok(self.purge(&orders)), Err)),
            Effect::Clear(id) => {
                let cleared = self.clearing.remove(&id).unwrap_or_default();
                if fails.is_none() {
                    self.uncleared.retain(|user| !cleared.contains(user));
                }
                Completion::Clear(id, fails.map_or(Ok(()), Err))
            }
            Effect::Probe(stage) => Completion::Probe(stage, fails.map_or(Ok(()), Err)),
            Effect::Draw => Completion::Drawn(Ok((0..USERS).map(user_id).collect())),
            Effect::ReadRange(event, _, _) => {
                Completion::Range(event, fails.map_or_else(|| Ok((0..USERS).map(user_id).collect()), Err))
            }
            Effect::Publish(id, records) => {
                let is_lost =
                    |place: &usize| fault != Fault::None && (fault != Fault::Whole || place.is_multiple_of(2));
                let places: Vec<usize> = (0..records.len()).filter(is_lost).collect();
                let acknowledged = records.iter().enumerate().filter(|(place, _)| !places.contains(place));
                self.store(acknowledged.map(|(_, record)| record));
                let answer = fails.filter(|_| !places.is_empty()).map(|failure| Unpublished { places, failure });
                Completion::Published(id, answer.map_or(Ok(()), Err))
            }
        };
        self.engine.complete(completion, self.now);
        self.turn();
    }

    fn row(&mut self, user: &UserId) -> UserRow {
        let number: usize = user.as_str().trim_start_matches('u').parse().unwrap();
        if self.deleted[number] {
            self.read_deleted.insert(user.clone(), self.now.at);
        } else {
            self.read_deleted.remove(user);
        }
        UserRow { status: Some(if self.deleted[number] { 2 } else { 1 }), ..UserRow::default() }
    }

    fn purge(&mut self, orders: &[PurgeOrder]) -> Vec<Result<Purged, Failure>> {
        self.uncleared.extend(orders.iter().map(|order| order.user.clone()));
        for order in orders.iter().filter(|order| order.kind == PurgeKind::Full) {
            *self.purges.entry(order.user.clone()).or_default() += 1;
        }
        orders.iter().map(|_| Ok(Purged::Clean { rows: RowCounts::from([("credential", 1)]), residue: 0 })).collect()
    }

    /// Kafka acknowledges: what a status or a rejected record speaks of is told.
    fn store<'a>(&mut self, records: impl Iterator<Item = &'a OutputRecord>) {
        for record in records {
            if let Some(place) = source(record) {
                self.told.entry(place).or_default().insert(subject(record));
            }
            if record.topic == OutputTopic::Delay {
                // Who waits again is told by the next follow-up alone.
                self.append(Partition { topic: InputTopic::Delay, number: 0 }, record.payload.clone());
            }
            let value: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
            self.failed += usize::from(value["edata"]["status"] == "FAILED");
        }
    }
}

/// Whom it tells of; `None` of a range, and of what is no event.
fn subject(record: &OutputRecord) -> Option<UserId> {
    let key = std::str::from_utf8(record.key.as_ref()?).unwrap();
    UserId::parse(key).ok().filter(|_| key.starts_with('u'))
}

/// By a status's id.
fn by_id(record: &OutputRecord, pointer: &str) -> Option<(Partition, i64)> {
    let value: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
    let parts: Vec<&str> = value.pointer(pointer)?.as_str()?.split('-').collect();
    Some((named(parts[0], parts[1]), parts[2].parse().unwrap()))
}

/// The position that a record tells of.
pub(super) fn source(record: &OutputRecord) -> Option<(Partition, i64)> {
    match record.topic {
        OutputTopic::Status => by_id(record, "/mid"),
        OutputTopic::Failed => {
            let header = |name| record.headers.iter().find(|(key, _)| *key == name).unwrap().1.clone();
            let place = named(&header("source_topic"), &header("source_partition"));
            Some((place, header("source_offset").parse().unwrap()))
        }
        OutputTopic::Delay => by_id(record, "/edata/followUp/of"),
        OutputTopic::Request | OutputTopic::Control => panic!("the engine asks nobody for anything"),
    }
}

fn indexed(users: &[UserId]) -> Vec<Result<Synced, Failure>> {
    users.iter().map(|_| Ok(Synced::Indexed)).collect()
}
