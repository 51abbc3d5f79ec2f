//! One worker without its threads: the pipeline's ledger, the intake's epochs, the committer's mailbox.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::group::{Group, Offsets, bit, time};
use crate::adapters::kafka::mailbox::{CommitFailure, Mailbox};
use crate::adapters::kafka::ownership::Epochs;
use crate::domain::ids::{Epoch, InputTopic, Partition};
use crate::domain::ledger::{Delivered, Ledger};
use crate::ports::log::CommitPoint;

pub const PARTITION: Partition = Partition { topic: InputTopic::Delete, number: 0 };

/// A point, and what its owner knew to be settled when it made it.
pub type Known = (CommitPoint, Offsets);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// False while the process is stopped.
    pub running: bool,
    /// librdkafka's: what a commit is stamped with. `None` while it is in no group.
    pub generation: Option<u64>,
    pub epochs: Epochs,
    /// The pipeline's partition, be it of an epoch that has ended.
    pub held: Option<Held>,
    /// The one after it, which the pipeline has not heard of yet.
    pub arriving: Option<Held>,
    pub handing_over: Option<HandingOver>,
    pub mailbox: Mailbox,
    pub stood_still: bool,
    pub call: Option<Call>,
    put: Vec<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandingOver {
    Draining,
    Committing,
}

/// The pipeline's side of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub epoch: Epoch,
    pub ledger: Ledger,
    next: i64,
    /// Delivered to be done, by no owner before.
    in_work: Offsets,
    known: Offsets,
    ticked: Option<u64>,
    pub has_skipped: bool,
}

/// A commit under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub points: Vec<Known>,
    pub generation: Option<u64>,
    pub answer: Option<Answer>,
    changes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Accepted,
    Fenced,
    /// The broker or its answer did not come through.
    Lost,
}

impl Held {
    pub fn undelivered(&self, group: &Group) -> Option<i64> {
        group.log.iter().copied().find(|offset| *offset >= self.next)
    }

    pub fn in_work(&self) -> impl Iterator<Item = i64> {
        let in_work = self.in_work;
        (0..8).filter(move |offset| in_work & bit(*offset) != 0)
    }

    pub fn has_news(&self) -> bool {
        self.ledger.frontier().is_some() && self.ticked != Some(self.ledger.settlements())
    }

    pub fn deliver(&mut self, group: &mut Group) {
        let Some(offset) = self.undelivered(group) else { return };
        self.next = offset + 1;
        match self.ledger.deliver(offset, time(offset)) {
            Delivered::Anew => {
                group.broken.a_crash_redoes_little |= self.known & bit(offset) != 0;
                self.known &= !bit(offset);
                self.in_work |= bit(offset);
            }
            Delivered::SettledBefore => {
                group.broken.settled_before_committed |= group.settled & bit(offset) == 0;
                self.has_skipped = true;
            }
            Delivered::Refused => panic!("offsets ascend"),
        }
    }

    pub fn settle(&mut self, offset: i64, group: &mut Group) {
        assert!(self.ledger.settle(offset));
        self.in_work &= !bit(offset);
        self.known |= bit(offset);
        group.settled |= bit(offset);
    }

    fn point(&self) -> Option<Known> {
        let (offset, map) = self.ledger.commit()?;
        let metadata = map.map_or_else(String::new, |map| map.encode());
        Some((CommitPoint { partition: PARTITION, epoch: self.epoch, offset, metadata }, self.known))
    }
}

impl Worker {
    /// A process that has just been started.
    pub fn new(generation: Option<u64>) -> Self {
        Self {
            running: true,
            generation,
            epochs: Epochs::default(),
            held: None,
            arriving: None,
            handing_over: None,
            mailbox: Mailbox::default(),
            stood_still: false,
            call: None,
            put: Vec::new(),
        }
    }

    pub fn epoch(&self) -> Option<Epoch> {
        self.epochs.epoch(PARTITION)
    }

    /// The pipeline has the epoch that the intake has.
    pub fn is_of_one_mind(&self) -> bool {
        self.epoch().is_some() && self.held.as_ref().map(|held| held.epoch) == self.epoch()
    }

    pub fn assign(&mut self, group: &Group) {
        let epoch = self.epochs.begin(PARTITION);
        self.epochs.count_change();
        let held = Held {
            epoch,
            ledger: Ledger::after(group.map()),
            next: group.committed.0,
            in_work: 0,
            known: group.covered,
            ticked: None,
            has_skipped: false,
        };
        *if self.held.is_none() { &mut self.held } else { &mut self.arriving } = Some(held);
    }

    /// Once a second, whether or not the epoch still stands.
    pub fn tick(&mut self) {
        let Some(held) = &mut self.held else { return };
        held.ticked = Some(held.ledger.settlements());
        let point = held.point();
        self.put(point);
    }

    /// The pipeline has drained, or its time is up: its last point, and the epoch ends there.
    pub fn answer(&mut self) {
        self.handing_over = Some(HandingOver::Committing);
        let point = self.held.take().and_then(|held| held.point());
        self.put(point);
    }

    fn put(&mut self, point: Option<Known>) {
        let Some((point, known)) = point else { return };
        self.mailbox.put(point.clone());
        self.put.retain(|(before, _)| *before != point);
        self.put.push((point, known));
        let pending: Vec<_> = self.mailbox.pending().cloned().collect();
        self.put.retain(|(point, _)| pending.contains(point));
    }

    /// The committer's turn.
    pub fn take(&mut self, group: &Group) {
        if std::mem::take(&mut self.stood_still) {
            self.mailbox.drop_overtaken(&[(PARTITION, group.committed.0)].into());
        }
        let changes = self.epochs.changes;
        let points = self.mailbox.take(changes, |partition| self.epochs.epoch(partition));
        let known = |point: CommitPoint| self.put.iter().find(|(put, _)| *put == point).cloned();
        let points: Vec<_> = points.into_iter().map(|point| known(point).expect("it was put")).collect();
        self.put.clear();
        if !points.is_empty() {
            self.call = Some(Call { points, generation: self.generation, answer: None, changes });
        }
    }

    /// The committer hears what became of its call.
    pub fn hear(&mut self) {
        let Some(Call { points, answer: Some(answer), changes, .. }) = self.call.take() else { return };
        let sent = points.iter().map(|(point, _)| point.clone()).collect();
        let failed = |code| CommitFailure::of(KafkaError::ConsumerCommit(code));
        match answer {
            Answer::Accepted => self.mailbox.succeeded(sent),
            Answer::Fenced => self.mailbox.failed(sent, &failed(RDKafkaErrorCode::IllegalGeneration), changes),
            Answer::Lost => self.mailbox.failed(sent, &failed(RDKafkaErrorCode::OperationTimedOut), changes),
        }
        let pending: Vec<_> = self.mailbox.pending().cloned().collect();
        self.put.extend(points.into_iter().filter(|(point, _)| pending.contains(point)));
    }

    /// The intake gives the partition up, or hears that it is gone.
    pub fn end_epoch(&mut self) {
        self.epochs.end([PARTITION]);
        self.handing_over = None;
    }
}
