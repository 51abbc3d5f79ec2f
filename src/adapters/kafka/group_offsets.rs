//! The offsets of the group, as its coordinator keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::offsets::OffsetStore;
use super::rebalance::IntakeContext;
use crate::domain::ids::Partition;
use crate::ports::log::CommitPoint;

/// Reading has a timeout, unlike committing.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// Commits and reads through the consumer that is polled elsewhere: safe beside each other (`facts/kafka.md` 8.2).
pub(super) struct GroupOffsets(pub Arc<BaseConsumer<IntakeContext>>);

impl GroupOffsets {
    fn name(&self, partition: Partition) -> &str {
        self.0.context().topics.name(partition.topic)
    }
}

impl OffsetStore for GroupOffsets {
    fn commit(&self, points: &[CommitPoint]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(points.len());
        for point in points {
            let mut element = list.add_partition(self.name(point.partition), point.partition.number);
            element.set_offset(Offset::Offset(point.offset))?;
            // 8.1: once per element, a second call would leak the first buffer.
            if !point.metadata.is_empty() {
                element.set_metadata(&point.metadata);
            }
        }
        self.0.commit(&list, CommitMode::Sync)
    }

    fn committed(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(self.name(*partition), partition.number);
        }
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let list = self.0.committed_offsets(list, READ_LIMIT)?;
        let mut committed = BTreeMap::new();
        // Never `metadata()`: it panics on what others may have written (8.1).
        for element in list.elements() {
            element.error()?;
            if let (Some(topic), Offset::Offset(offset)) =
                (self.0.context().topics.input_named(element.topic()), element.offset())
            {
                committed.insert(Partition { topic, number: element.partition() }, offset);
            }
        }
        Ok(committed)
    }
}
