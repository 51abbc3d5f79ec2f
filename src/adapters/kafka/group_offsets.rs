//! The offsets of the group, as its coordinator keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::offsets::OffsetStore;
use super::rebalance::IntakeContext;
use crate::domain::ids::Partition;
use crate::domain::metadata::Metadata;
use crate::ports::log::CommitPoint;

/// Reading has a timeout, unlike committing.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// Commits and reads through the consumer that is polled elsewhere: safe beside each other (`facts/kafka.md` 8.2).
pub(super) struct GroupOffsets(pub Arc<BaseConsumer<IntakeContext>>);

impl OffsetStore for GroupOffsets {
    fn commit(&self, points: &[CommitPoint]) -> Result<(), KafkaError> {
        let topics = &self.0.context().topics;
        let mut list = TopicPartitionList::with_capacity(points.len());
        for point in points {
            let mut element = list.add_partition(topics.name(point.partition.topic), point.partition.number);
            element.set_offset(Offset::Offset(point.offset))?;
            // 8.1: once per element, a second call would leak the first buffer.
            if !point.metadata.is_empty() {
                element.set_metadata(&point.metadata);
            }
        }
        self.0.commit(&list, CommitMode::Sync)
    }

    fn committed(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        read(&self.0, partitions, |offset, _| Some(offset))
    }
}

/// The committed offsets of these partitions, and what the commits say beside them.
pub(super) fn progress(
    consumer: &BaseConsumer<IntakeContext>,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, (i64, Metadata)>, KafkaError> {
    read(consumer, partitions, |offset, element| Some((offset, Metadata::decode(element.metadata(), offset))))
}

fn read<T>(
    consumer: &BaseConsumer<IntakeContext>,
    partitions: &[Partition],
    of: impl Fn(i64, &TopicPartitionListElem<'_>) -> Option<T>,
) -> Result<BTreeMap<Partition, T>, KafkaError> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let topics = &consumer.context().topics;
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topics.name(partition.topic), partition.number);
    }
    let list = consumer.committed_offsets(list, READ_LIMIT)?;
    let mut found = BTreeMap::new();
    for element in list.elements() {
        element.error()?;
        if let (Some(topic), Offset::Offset(offset)) = (topics.input_named(element.topic()), element.offset())
            && let Some(value) = of(offset, &element)
        {
            found.insert(Partition { topic, number: element.partition() }, value);
        }
    }
    Ok(found)
}
