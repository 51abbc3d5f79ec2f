//! Settling: an outcome is told, and only when Kafka has acknowledged everything told do units and offsets move.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Effect, Engine, Note, Now};
use super::intake::RejectedRecord;
use super::item::{EventKey, ItemKey, Phase};
use crate::domain::event::Why;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::outcome::Ending;
use crate::domain::record::OutputRecord;
use crate::ports::Unpublished;

/// What is told in this turn, and not published yet.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(super) receipts: Vec<Receipt>,
    records: Vec<OutputRecord>,
}

/// Records that are published together, and what their acknowledgement settles.
#[derive(Debug)]
pub struct Parcel {
    pub(super) receipts: Vec<Receipt>,
    /// Shared with the call under way: they may have to be published again.
    records: Arc<[OutputRecord]>,
}

#[derive(Debug)]
pub enum Receipt {
    Item(ItemKey),
    /// An event that ended as a whole, before it had items.
    Event(EventKey),
    Rejected(Partition, Epoch, i64),
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
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
            topic: event.partition.topic,
            ending,
            rows: item.reports.purge.rows.clone(),
            residue,
            event_ms: event.timestamp,
            protection: item.protection,
        });
        self.notes.extend(follow_ups.iter().map(|why| Note::FollowUp(*why)));
        self.outbox.receipts.push(Receipt::Item(key));
        self.outbox.records.extend(records);
    }

    pub(super) fn tell_rejected(&mut self, rejected: Vec<RejectedRecord>) {
        for record in rejected {
            self.notes.push(Note::Rejected {
                partition: record.partition,
                offset: record.offset,
                error: record.rejection.to_string(),
            });
            let told = self.rejection_records(&record);
            self.outbox.records.extend(told);
            self.outbox.receipts.push(Receipt::Rejected(record.partition, record.epoch, record.offset));
        }
    }

    /// A token range is told as a whole, after its users or instead of them.
    pub(super) fn tell_range(&mut self, key: EventKey, ending: Option<Ending>, now: Now) {
        let Some(event) = self.events.get(&key) else { return };
        let records = self.range_records(event, ending, now);
        self.outbox.records.extend(records);
        self.outbox.receipts.push(Receipt::Event(key));
    }

    pub(super) fn send_outbox(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let Outbox { receipts, records } = std::mem::take(&mut self.outbox);
        let (id, records) = (self.key(), Arc::from(records));
        self.effects.push(Effect::Publish(id, Arc::clone(&records)));
        self.parcels.insert(id, Parcel { receipts, records });
    }

    /// Until all are acknowledged nothing is settled: those that are not are published again, under the same ids. Not
    /// the others: while one topic refuses, those of another topic would be written again and again.
    pub(super) fn published(&mut self, id: u64, answer: Result<(), Unpublished>, now: Now) {
        if let Err(Unpublished { failure, left }) = answer {
            let Some(parcel) = self.parcels.get_mut(&id) else { return };
            parcel.records = left.iter().filter_map(|place| parcel.records.get(*place)).cloned().collect();
            let mut records = BTreeMap::new();
            for record in parcel.records.iter() {
                *records.entry(record.topic).or_default() += 1;
            }
            self.notes.push(Note::PublishFailed { error: failure.reason.to_string(), records });
            self.effects.push(Effect::Publish(id, Arc::clone(&parcel.records)));
            return;
        }
        self.notes.push(Note::Published);
        let Some(parcel) = self.parcels.remove(&id) else { return };
        self.last_progress = now.at;
        for receipt in parcel.receipts {
            match receipt {
                Receipt::Item(key) => self.give_back(key, now),
                Receipt::Event(key) => self.close_event(key),
                Receipt::Rejected(partition, epoch, offset) => self.settle_offset(partition, epoch, offset),
            }
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
