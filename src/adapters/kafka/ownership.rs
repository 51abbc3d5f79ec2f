//! Who owns which partition since when: what makes a former owner harmless.
//!
//! Kafka accepts a commit from any member of the group, whoever owns the partition (`facts/kafka.md` 8.5), so the fence
//! is ours: an epoch begins with each assignment of a partition and ends before the partition is given up.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::domain::ids::{Epoch, Partition};

/// Written by the intake thread alone, read by everybody.
#[derive(Debug, Default)]
pub struct Ownership {
    epochs: RwLock<BTreeMap<Partition, Epoch>>,
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    epochs: u64,
    changes: u64,
}

impl Ownership {
    /// A new epoch for a partition that is ours from now on.
    pub(super) fn begin(&self, partition: Partition) -> Epoch {
        let mut counters = super::locked(&self.counters);
        counters.epochs += 1;
        let epoch = Epoch(counters.epochs);
        self.epochs.write().unwrap_or_else(PoisonError::into_inner).insert(partition, epoch);
        epoch
    }

    /// Ends the epochs of these partitions; answers those that were ours.
    pub(super) fn end(&self, partitions: impl IntoIterator<Item = Partition>) -> Vec<(Partition, Epoch)> {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        partitions.into_iter().filter_map(|partition| epochs.remove_entry(&partition)).collect()
    }

    /// Counts a rebalance event of the group.
    ///
    /// Order: after the epochs that it ends, or the committer could take an event for the end of a doubt while the
    /// epochs in doubt still stand.
    pub(super) fn count_change(&self) -> u64 {
        let mut counters = super::locked(&self.counters);
        counters.changes += 1;
        counters.changes
    }

    /// How many rebalance events there have been.
    pub fn changes(&self) -> u64 {
        super::locked(&self.counters).changes
    }

    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }

    /// The partitions that are ours.
    pub fn owned(&self) -> Vec<(Partition, Epoch)> {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        epochs.iter().map(|(partition, epoch)| (*partition, *epoch)).collect()
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
