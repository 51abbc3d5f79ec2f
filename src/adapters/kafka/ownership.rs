//! Who owns which partition since when: what makes a former owner harmless.
//!
//! Kafka accepts a commit from any member of the group, whoever owns the partition (`facts/kafka.md` 8.5), so the fence
//! is ours: an epoch begins with each assignment of a partition and ends before the partition is given up.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::ids::{Epoch, Partition};

/// Written by the intake thread alone, read by everybody.
#[derive(Debug, Default)]
pub struct Ownership(RwLock<Epochs>);

impl Ownership {
    /// A new epoch for a partition that is ours from now on.
    pub(super) fn begin(&self, partition: Partition) -> Epoch {
        self.write().begin(partition)
    }

    /// Ends the epochs of these partitions; answers those that were ours.
    pub(super) fn end(&self, partitions: impl IntoIterator<Item = Partition>) -> Vec<(Partition, Epoch)> {
        self.write().end(partitions)
    }

    /// Counts a rebalance event of the group.
    ///
    /// Order: after the epochs that it ends, or the committer could take an event for the end of a doubt while the
    /// epochs in doubt still stand.
    pub(super) fn count_change(&self) -> u64 {
        self.write().count_change()
    }

    /// How many rebalance events there have been.
    pub fn changes(&self) -> u64 {
        self.read().changes
    }

    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        self.read().epoch(partition)
    }

    /// The partitions that are ours.
    pub fn owned(&self) -> Vec<(Partition, Epoch)> {
        self.read().owned.iter().map(|(partition, epoch)| (*partition, *epoch)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Epochs> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Epochs> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same without threads.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Epochs {
    owned: BTreeMap<Partition, Epoch>,
    begun: u64,
    pub(super) changes: u64,
}

impl Epochs {
    pub(super) fn begin(&mut self, partition: Partition) -> Epoch {
        self.begun += 1;
        let epoch = Epoch(self.begun);
        self.owned.insert(partition, epoch);
        epoch
    }

    pub(super) fn end(&mut self, partitions: impl IntoIterator<Item = Partition>) -> Vec<(Partition, Epoch)> {
        partitions.into_iter().filter_map(|partition| self.owned.remove_entry(&partition)).collect()
    }

    pub(super) fn count_change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    pub(super) fn epoch(&self, partition: Partition) -> Option<Epoch> {
        self.owned.get(&partition).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::InputTopic;

    #[test]
    fn every_assignment_is_an_epoch_of_its_own() {
        let ownership = Ownership::default();
        let partition = Partition { topic: InputTopic::Delete, number: 0 };
        let other = Partition { topic: InputTopic::Delete, number: 1 };
        let first = ownership.begin(partition);
        assert_eq!(ownership.epoch(partition), Some(first));
        assert_eq!(ownership.end([partition, other]), vec![(partition, first)]);
        assert_eq!(ownership.epoch(partition), None);
        assert!(ownership.begin(partition) > first);
    }
}
