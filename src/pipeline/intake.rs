//! From records to events: partitions with their ledgers, and what waits in them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, Note, Now};
use super::item::EventKey;
use super::rebalance::Revocation;
use super::rejects::Rejects;
use crate::domain::event::{Decoded, Event, Rejection};
use crate::domain::ids::{Class, Epoch, InputTopic, Partition};
use crate::domain::ledger::{Delivered, Ledger};
use crate::domain::metadata::Metadata;
use crate::domain::outcome::Status;
use crate::domain::page::Pages;
use crate::domain::replay::{ReplayId, ReplayMark};
use crate::ports::log::{Arrival, Assignment, CommitPoint, Delivery, Gate};

#[derive(Debug)]
pub struct PartitionState {
    pub epoch: Epoch,
    pub ledger: Ledger,
    /// What is told again on purpose, up to the position that had been reached before.
    pub(super) replay: Option<ReplayMark>,
    pub(super) gate: Arc<Gate>,
    /// Delivered, waiting until they are due: only the delay topic's wait.
    pub(super) pending: VecDeque<EventKey>,
    pub(super) rejects: Rejects<RejectedRecord>,
    /// Open events with an item that waits in a line.
    pub(super) parked: usize,
    pub(super) revocation: Option<Revocation>,
    /// The settlements of the ledger when a point was taken last.
    committed: Option<u64>,
}

#[derive(Debug)]
pub struct RejectedRecord {
    pub partition: Partition,
    pub epoch: Epoch,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub rejection: Rejection,
}

#[derive(Debug)]
pub struct OpenEvent {
    pub partition: Partition,
    pub epoch: Epoch,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub timestamp: Option<i64>,
    /// The replay that it belongs to.
    pub replay: Option<ReplayId>,
    pub event: Arc<Event>,
    pub pages: Pages,
    pub(super) due: Instant,
    pub(super) received: Instant,
    pub(super) sync_not_before: Instant,
    /// It holds its own unit.
    pub(super) opened: bool,
    /// Its epoch has ended.
    pub abandoned: bool,
    /// Items whose records are not acknowledged yet.
    pub in_work: usize,
    pub in_line: usize,
    pub(super) reading: bool,
    /// How many of its users ended how, for the summary of a token range.
    pub(super) tally: BTreeMap<Status, u64>,
}

impl PartitionState {
    fn new(assignment: Assignment, reject_limit: usize) -> Self {
        Self {
            epoch: assignment.epoch,
            ledger: Ledger::after(assignment.settled),
            replay: assignment.replay,
            gate: assignment.gate,
            pending: VecDeque::new(),
            rejects: Rejects::new(reject_limit),
            parked: 0,
            revocation: None,
            committed: None,
        }
    }

    pub(super) fn wake(&self, events: &HashMap<EventKey, OpenEvent>) -> Option<Instant> {
        let due = self.pending.front().and_then(|event| events.get(event)).map(|event| event.due);
        let deadline = self.revocation.as_ref().map(|revocation| revocation.deadline);
        [due, deadline, self.rejects.wake()].into_iter().flatten().min()
    }

    pub fn is_held(&self) -> bool {
        self.rejects.is_held()
    }

    /// What may be committed now, with the map of what is settled above it.
    pub(super) fn commit_point(&self, partition: Partition) -> Option<CommitPoint> {
        let (offset, settled) = self.ledger.commit()?;
        let metadata = Metadata { settled, replay: self.replay.clone() }.encode(offset);
        Some(CommitPoint { partition, epoch: self.epoch, offset, metadata })
    }
}

impl Engine {
    pub fn arrive(&mut self, arrival: Arrival, now: Now) {
        match arrival {
            Arrival::Assigned(assignments) => {
                for assignment in assignments {
                    let state = PartitionState::new(assignment.clone(), self.rules.reject_limit);
                    self.partitions.insert(assignment.partition, state);
                }
            }
            Arrival::Records { partition, epoch, records } => {
                for record in records {
                    self.deliver(partition, epoch, record, now);
                }
                self.mind_gate(partition);
            }
            Arrival::Revoking { partitions, answer } => self.revoke(&partitions, answer, now),
            Arrival::Lost { partitions } => {
                for (partition, epoch) in partitions {
                    self.end_epoch(partition, epoch, now);
                }
            }
        }
    }

    fn deliver(&mut self, partition: Partition, epoch: Epoch, record: Delivery, now: Now) {
        let key = EventKey(self.key());
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        let leaving = state.revocation.is_some() || self.closing.is_some();
        // A held partition is not read on: what was handed over in the same breath is as if it had not been.
        let unwanted = state.epoch != epoch || leaving || state.rejects.is_held();
        if unwanted {
            return;
        }
        let delivered = state.ledger.deliver(record.offset, record.timestamp);
        if delivered == Delivered::Refused {
            return;
        }
        if delivered == Delivered::SettledBefore {
            state.gate.give(1);
            self.notes.push(Note::SettledBefore(partition));
            return;
        }
        let told = match record.decoded {
            Decoded::Rejected(rejection) => {
                let rejected = RejectedRecord { partition, epoch, offset: record.offset, key: record.key, rejection };
                state.gate.give(1);
                state.rejects.rejected(rejected, now.at);
                return;
            }
            Decoded::OtherAction => {
                state.gate.give(1);
                state.ledger.settle(record.offset);
                self.notes.push(Note::OtherAction(partition));
                state.rejects.decoded()
            }
            Decoded::Event(event) => {
                let told = state.rejects.decoded();
                self.notes.push(Note::Event { topic: partition.topic, action: event.action });
                let place = (partition, epoch, record.offset);
                let open = self.waiting_event(place, event, (record.key, record.timestamp, record.received), now);
                self.events.insert(key, open);
                if let Some(state) = self.partitions.get_mut(&partition) {
                    state.pending.push_back(key);
                }
                told
            }
        };
        self.tell_rejected(told);
    }

    fn waiting_event(
        &self,
        (partition, epoch, offset): (Partition, Epoch, i64),
        event: Event,
        (key, timestamp, received): (Option<Vec<u8>>, Option<i64>, i64),
        now: Now,
    ) -> OpenEvent {
        // Never longer than the wait from first sight: a clock that is ahead must not hold anybody back.
        let age = Duration::from_millis(timestamp.map_or(0, |at| received.saturating_sub(at).max(0)).unsigned_abs());
        let wait = |whole: Duration| now.at + whole.saturating_sub(age);
        let delay = if partition.topic == InputTopic::Delay { self.rules.delay_after } else { Duration::ZERO };
        let settle = match partition.topic.class() {
            Class::Fresh => self.rules.settle_delay,
            Class::Other => Duration::ZERO,
        };
        let mark = self.partitions.get(&partition).and_then(|state| state.replay.as_ref());
        OpenEvent {
            replay: mark.filter(|mark| mark.covers(offset)).map(|mark| mark.id.clone()),
            partition,
            epoch,
            offset,
            key,
            timestamp,
            pages: Pages::of(&event.subjects, self.rules.page),
            event: Arc::new(event),
            due: wait(delay),
            received: now.at,
            sync_not_before: wait(settle),
            opened: false,
            abandoned: false,
            in_work: 0,
            in_line: 0,
            reading: false,
            tally: BTreeMap::new(),
        }
    }

    pub(super) fn tell_quiet_rejects(&mut self, now: Now) {
        let quiet: Vec<_> = self.partitions.values_mut().flat_map(|state| state.rejects.quiet(now.at)).collect();
        self.tell_rejected(quiet);
    }

    /// Completions of an older epoch move nothing.
    pub(super) fn settle_offset(&mut self, partition: Partition, epoch: Epoch, offset: i64) {
        if let Some(state) = self.partitions.get_mut(&partition)
            && state.epoch == epoch
        {
            state.ledger.settle(offset);
        }
        self.mind_gate(partition);
    }

    /// The new points to commit since the last call.
    pub fn commit_points(&mut self) -> Vec<CommitPoint> {
        let moved = |(partition, state): (&Partition, &mut PartitionState)| {
            let settlements = state.ledger.settlements();
            if state.committed.replace(settlements) == Some(settlements) {
                return None;
            }
            state.commit_point(*partition)
        };
        self.partitions.iter_mut().filter_map(moved).collect()
    }
}
