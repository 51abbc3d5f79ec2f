//! How far the topics reach: from librdkafka's own statistics, so that no thread of ours ever asks and waits.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rdkafka::Statistics;

use super::topics::Topics;
use crate::domain::ids::{InputTopic, Partition};

/// What is known of a partition that is ours; the lag is `high` less the own frontier, or less `committed` while
/// nothing has been delivered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The offset after the last record of the partition.
    pub high: i64,
    /// What the group has committed, where librdkafka knows it.
    pub committed: Option<i64>,
}

/// Offsets between what was read last, or committed, and what came next.
#[derive(Debug, Clone, Copy)]
struct Jump {
    from: i64,
    to: i64,
    /// Statistics may have been on their way already.
    looked_at: bool,
}

/// The latest statistics, at most 5 s old while Kafka answers (`statistics.interval.ms`).
#[derive(Debug, Default)]
pub struct Watermarks {
    reaches: Mutex<BTreeMap<Partition, Reach>>,
    /// The first of each partition since the last statistics, which tell a removal from what is no loss: transaction
    /// markers, aborted records and compaction leave gaps too.
    jumps: Mutex<BTreeMap<Partition, Jump>>,
    missed: Mutex<BTreeMap<InputTopic, u64>>,
}

impl Watermarks {
    pub(super) fn update(&self, statistics: &Statistics, topics: &Topics) {
        let mut reaches = BTreeMap::new();
        for (name, topic) in &statistics.topics {
            let Some(input) = topics.input_named(name) else { continue };
            for partition in topic.partitions.values() {
                // -1001 stands for unknown; partition -1 is librdkafka's own.
                if partition.partition >= 0 && partition.hi_offset >= 0 {
                    let committed = Some(partition.committed_offset).filter(|offset| *offset >= 0);
                    let reach = Reach { high: partition.hi_offset, committed };
                    let place = Partition { topic: input, number: partition.partition };
                    reaches.insert(place, reach);
                    self.explain_jump(place, partition.lo_offset);
                }
            }
        }
        *super::locked(&self.reaches) = reaches;
    }

    /// What came next of a partition is not what was expected.
    pub(super) fn jumped(&self, partition: Partition, from: i64, to: i64) {
        super::locked(&self.jumps).entry(partition).or_insert(Jump { from, to, looked_at: false });
    }

    /// Whatever lay below the first offset that is left was removed.
    fn explain_jump(&self, partition: Partition, low: i64) {
        let mut jumps = super::locked(&self.jumps);
        let Some(jump) = jumps.get_mut(&partition) else { return };
        let removed = u64::try_from(jump.to.min(low) - jump.from).unwrap_or_default();
        if removed > 0 {
            let (topic, number, from) = (partition.topic.label(), partition.number, jump.from);
            tracing::error!(topic, partition = number, from, removed, "records were removed before they were read");
            *super::locked(&self.missed).entry(partition.topic).or_default() += removed;
        }
        if removed > 0 || std::mem::replace(&mut jump.looked_at, true) {
            jumps.remove(&partition);
        }
    }

    /// Records that were removed before they were read.
    pub fn missed(&self) -> BTreeMap<InputTopic, u64> {
        super::locked(&self.missed).clone()
    }

    /// `None` before the first statistics of this partition. Partitions of others may be among those that are known.
    pub fn reach(&self, partition: Partition) -> Option<Reach> {
        super::locked(&self.reaches).get(&partition).copied()
    }
}
