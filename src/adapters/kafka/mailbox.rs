//! What the committer decides, without threads, clock or Kafka: which points are sent, and what a failure means.

use std::collections::BTreeMap;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::domain::ids::{Epoch, Partition};
use crate::domain::offset_map::MAX_METADATA;
use crate::ports::log::CommitPoint;

/// Why a commit failed.
#[derive(Debug)]
pub(super) enum CommitFailure {
    /// The group has moved on without us, or is moving: nothing is sent until it has told us who owns what.
    Fenced(KafkaError),
    /// The broker keeps less metadata than usual: the offsets matter more.
    MetadataTooLarge(KafkaError),
    /// May pass: the latest points are tried again.
    Passing(KafkaError),
}

impl CommitFailure {
    /// Seen in `facts/kafka.md` 8.2 and 8.5; the last two only with KIP-848 (8.6 saw that a stale epoch passes by itself).
    ///
    /// | error | failure |
    /// | --- | --- |
    /// | unknown member, illegal generation, fenced instance, fenced member epoch | fenced |
    /// | offset metadata too large | metadata |
    /// | all others: no coordinator, rebalance in progress, stale member epoch, transport, time | passing |
    pub(super) fn of(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::FencedMemberEpoch,
            ) => Self::Fenced(error),
            Some(RDKafkaErrorCode::OffsetMetadataTooLarge) => Self::MetadataTooLarge(error),
            _ => Self::Passing(error),
        }
    }
}

/// The latest point of each partition that is not committed yet, and what was committed last.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mailbox {
    pending: BTreeMap<Partition, CommitPoint>,
    done: BTreeMap<Partition, CommitPoint>,
    /// Set by a fencing failure: how many changes of ownership had been seen when the fenced commit was sent.
    fenced_at: Option<u64>,
    /// Whether that doubt still stands.
    doubt: bool,
    dropped: u64,
}

impl Mailbox {
    /// Latest wins, but within an epoch no offset goes back, and no point of an older epoch replaces a newer one.
    pub(super) fn put(&mut self, mut point: CommitPoint) {
        if point.metadata.len() > MAX_METADATA {
            let (partition, bytes) = (point.partition, point.metadata.len());
            tracing::error!(?partition, bytes, "offset map is too large to commit: the offset goes without it");
            point.metadata.clear();
        }
        let rank = |point: &CommitPoint| (point.epoch, point.offset);
        let newest = self.pending.get(&point.partition).or_else(|| self.done.get(&point.partition));
        let is_old = newest.is_some_and(|newest| rank(newest) > rank(&point));
        let is_known = !self.pending.contains_key(&point.partition) && newest == Some(&point);
        if !is_old && !is_known {
            self.pending.insert(point.partition, point);
        }
    }

    /// The points to send now: those whose epoch is the current one. The others will never be sent.
    ///
    /// `changes` counts the changes of ownership that have been seen. After a fencing failure nothing is sent until there
    /// was one since that commit was sent: only then do the epochs say again what the group thinks.
    pub(super) fn take(&mut self, changes: u64, current: impl Fn(Partition) -> Option<Epoch>) -> Vec<CommitPoint> {
        if self.is_in_doubt(changes) {
            return Vec::new();
        }
        let is_current = |point: &CommitPoint| current(point.partition) == Some(point.epoch);
        self.done.retain(|_, point| is_current(point));
        let pending = std::mem::take(&mut self.pending);
        let before = pending.len();
        let points: Vec<_> = pending.into_values().filter(is_current).collect();
        self.dropped += (before - points.len()) as u64;
        points
    }

    /// Forgets the points that another member has overtaken, going by what the broker says is committed.
    pub(super) fn drop_overtaken(&mut self, broker: &BTreeMap<Partition, i64>) -> usize {
        let before = self.pending.len();
        self.pending.retain(|partition, point| broker.get(partition).is_none_or(|offset| *offset <= point.offset));
        let overtaken = before - self.pending.len();
        self.dropped += overtaken as u64;
        overtaken
    }

    pub(super) fn succeeded(&mut self, points: Vec<CommitPoint>) {
        self.doubt = false;
        self.done.extend(points.into_iter().map(|point| (point.partition, point)));
    }

    /// Takes the points back, unless newer ones have come meanwhile. `changes`: as they were before the points were taken.
    pub(super) fn failed(&mut self, points: Vec<CommitPoint>, failure: &CommitFailure, changes: u64) {
        let mut keep_metadata = true;
        match failure {
            CommitFailure::Fenced(_) => {
                self.fenced_at = Some(changes);
                self.doubt = true;
            }
            CommitFailure::MetadataTooLarge(_) => keep_metadata = false,
            CommitFailure::Passing(_) => {}
        }
        for mut point in points {
            if !keep_metadata {
                point.metadata.clear();
            }
            self.pending.entry(point.partition).or_insert(point);
        }
    }

    /// Ends the doubt without an answer of the group: when none has come for so long that none will.
    pub(super) fn give_up_doubt(&mut self) {
        self.doubt = false;
    }

    pub(super) fn is_in_doubt(&self, changes: u64) -> bool {
        self.doubt && self.fenced_at.is_some_and(|fenced_at| changes <= fenced_at)
    }

    /// Whether a commit that was sent after so many changes of ownership was fenced.
    pub(super) fn was_fenced_since(&self, changes: u64) -> bool {
        self.fenced_at.is_some_and(|fenced_at| fenced_at >= changes)
    }

    /// Whether these points, or later ones of their epochs, are committed.
    pub(super) fn covers(&self, points: &[CommitPoint]) -> bool {
        points.iter().all(|point| {
            let done = self.done.get(&point.partition);
            done.is_some_and(|done| done.epoch == point.epoch && done.offset >= point.offset)
        })
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &CommitPoint> {
        self.pending.values()
    }

    /// The last committed offset of each partition in its present epoch.
    pub(super) fn committed(&self) -> BTreeMap<Partition, i64> {
        self.done.iter().map(|(partition, point)| (*partition, point.offset)).collect()
    }

    /// How many points were never sent because their partition had gone.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests;
