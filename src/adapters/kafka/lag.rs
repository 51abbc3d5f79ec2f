//! How far the topics reach: from librdkafka's own statistics, so that no thread of ours ever asks and waits.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rdkafka::Statistics;

use super::position::Low;
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

/// The latest statistics, at most 5 s old while Kafka answers (`statistics.interval.ms`).
#[derive(Debug, Default)]
pub struct Watermarks {
    reaches: Mutex<BTreeMap<Partition, Reach>>,
    /// Empty when they have been looked at.
    lows: Mutex<BTreeMap<Partition, Low>>,
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
                    if partition.lo_offset >= 0 {
                        let low = Low { offset: partition.lo_offset, is_drained: partition.fetchq_cnt == 0 };
                        super::locked(&self.lows).insert(place, low);
                    }
                }
            }
        }
        *super::locked(&self.reaches) = reaches;
    }

    /// Where partitions begin, when there are new statistics.
    pub(super) fn take_lows(&self) -> BTreeMap<Partition, Low> {
        std::mem::take(&mut *super::locked(&self.lows))
    }

    pub(super) fn count_missed(&self, topic: InputTopic, records: u64) {
        *super::locked(&self.missed).entry(topic).or_default() += records;
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
