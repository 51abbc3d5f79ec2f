//! Settling: an outcome is told, and only when Kafka has acknowledged everything told do units and offsets move.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Effect, Engine, Note, Now};
use super::intake::RejectedRecord;
use super::item::{EventKey, FailedUser, ItemKey, Phase};
use crate::domain::event::Why;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::outcome::Ending;
use crate::domain::record::{OutputRecord, OutputTopic};
use crate::domain::tally::is_failure;
use crate::ports::Unpublished;

/// What is told in this turn, and not published yet.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: Vec<Entry>,
    records: Vec<OutputRecord>,
}

/// Records that are published together.
#[derive(Debug)]
pub struct Parcel {
    entries: Vec<Entry>,
    /// Shared with the call under way: they may have to be published again.
    records: Arc<[OutputRecord]>,
}

/// So many records in a row, and what their acknowledgement settles.
#[derive(Debug)]
struct Entry {
    receipt: Receipt,
    records: usize,
    has_status: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Receipt {
    Item(ItemKey),
    /// An event that ended as a whole, before it had items.
    Event(EventKey),
    Rejected(Partition, Epoch, i64),
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, receipt: Receipt, records: Vec<OutputRecord>) {
        let has_status = records.iter().any(|record| record.topic == OutputTopic::Status);
        self.entries.push(Entry { receipt, records: records.len(), has_status });
        self.records.extend(records);
    }
}

impl Engine {
    /// The item has its outcome: its status, and its failed record and follow-ups where they are due.
    pub(super) fn tell(&mut self, key: ItemKey, ending: Ending, follow_ups: &[Why], now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        item.phase = Phase::Publishing;
        if let Some(event) = self.events.get_mut(&item.event) {
            *event.tally.entry(ending.status).or_default() += 1;
        }
        let Some(item) = self.items.get(&key) else { return };
        let Some(event) = self.events.get(&item.event) else { return };
        let records = self.item_records(item, event, (ending, follow_ups), now);
        let residue = match item.purge {
            super::item::Branch::Ended(crate::domain::join::PurgeEnd::Clean { residue, .. }) => residue,
            super::item::Branch::Ended(_) | super::item::Branch::Due => 0,
        };
        self.notes.push(Note::Ended {
            action: item.action,
            ending,
            rows: item.reports.purge.rows.clone(),
            swept: item.why() == Some(Why::Sweep),
            residue,
            protection: item.protection,
            failed: is_failure(ending.status).then(|| FailedUser::of(item)),
        });
        self.notes.extend(follow_ups.iter().map(|why| Note::FollowUp(*why)));
        self.outbox.put(Receipt::Item(key), records);
    }

    pub(super) fn tell_rejected(&mut self, rejected: Vec<RejectedRecord>) {
        for record in rejected {
            self.notes.push(Note::Rejected {
                partition: record.partition,
                offset: record.offset,
                error: record.rejection.to_string(),
            });
            let told = self.rejection_records(&record);
            self.outbox.put(Receipt::Rejected(record.partition, record.epoch, record.offset), told);
        }
    }

    /// A token range is told as a whole, after its users or instead of them.
    pub(super) fn tell_range(&mut self, key: EventKey, ending: Option<Ending>, now: Now) {
        let Some(event) = self.events.get(&key) else { return };
        let records = self.range_records(event, ending, now);
        self.outbox.put(Receipt::Event(key), records);
    }

    pub(super) fn send_outbox(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let Outbox { entries, records } = std::mem::take(&mut self.outbox);
        let id = self.key();
        self.send(id, entries, records);
    }

    fn send(&mut self, id: u64, entries: Vec<Entry>, records: Vec<OutputRecord>) {
        let records = Arc::from(records);
        self.effects.push(Effect::Publish(id, Arc::clone(&records)));
        self.parcels.insert(id, Parcel { entries, records });
    }

    /// What is on its way to Kafka, or will be after this turn.
    pub(super) fn receipts(&self) -> impl Iterator<Item = Receipt> {
        let parcels = self.parcels.values().flat_map(|parcel| &parcel.entries);
        parcels.chain(&self.outbox.entries).map(|entry| entry.receipt)
    }

    /// Without an acknowledgement nothing is settled: what has none is published again, under the same ids.
    pub(super) fn published(&mut self, id: u64, answer: Result<(), Unpublished>, now: Now) {
        let Some(parcel) = self.parcels.remove(&id) else { return };
        let lost = match answer {
            Ok(()) => {
                self.notes.push(Note::Published);
                Vec::new()
            }
            Err(unpublished) => {
                let mut records = BTreeMap::new();
                for place in &unpublished.places {
                    *records.entry(parcel.records[*place].topic).or_default() += 1;
                }
                self.notes.push(Note::PublishFailed { error: unpublished.failure.reason.to_string(), records });
                unpublished.places
            }
        };
        let (mut entries, mut end, mut places) = (Vec::new(), 0, lost.iter().peekable());
        for entry in parcel.entries {
            end += entry.records;
            let left = std::iter::from_fn(|| places.next_if(|place| **place < end)).count();
            if left > 0 {
                entries.push(Entry { records: left, ..entry });
            } else {
                self.last_progress = now.at;
                self.acknowledged(&entry, now);
            }
        }
        if !lost.is_empty() {
            self.send(id, entries, lost.iter().map(|place| parcel.records[*place].clone()).collect());
        }
    }

    fn acknowledged(&mut self, entry: &Entry, now: Now) {
        let event = match entry.receipt {
            Receipt::Item(key) => self.items.get(&key).map(|item| item.event),
            Receipt::Event(key) => Some(key),
            Receipt::Rejected(..) => None,
        };
        if let Some(event) = event.and_then(|key| self.events.get(&key)).filter(|_| entry.has_status) {
            self.notes.push(Note::StatusPublished { topic: event.partition.topic, event_ms: event.timestamp });
        }
        match entry.receipt {
            Receipt::Item(key) => self.give_back(key, now),
            Receipt::Event(key) => self.close_event(key),
            Receipt::Rejected(partition, epoch, offset) => self.settle_offset(partition, epoch, offset),
        }
    }

    /// The item's unit comes back; with the last one of a page the event goes on or is settled.
    pub(super) fn give_back(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.remove(&key) else { return };
        self.budget.give(item.class, 1);
        let Some(event) = self.events.get_mut(&item.event) else { return };
        event.in_work = event.in_work.saturating_sub(1);
        self.go_on_with_event(item.event, now);
    }
}
