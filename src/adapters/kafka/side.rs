//! Stretches of partitions, read beside the group: by nobody's membership, and nothing is ever committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::client::{ClientError, consumer_config};
use super::consumer::Decode;
use super::hearing::Hearing;
use super::lane::delivery;
use super::topic_admin::TopicError;
use super::topics::Topics;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::replay::{ReplayId, ReplayMark};
use crate::ports::log::{Arrival, Assignment, Delivery, Gate};
use crate::settings::KafkaSettings;

/// Looks for room so often: the pipeline wakes nobody when it gives some back.
const ROOM_PAUSE: Duration = Duration::from_millis(5);
/// There is one assignment for the whole time.
const EPOCH: Epoch = Epoch(1);

/// Of one partition: `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub partition: Partition,
    pub from: i64,
    pub until: i64,
}

/// What is read, and how.
pub struct SideOptions {
    pub id: ReplayId,
    pub stretches: Vec<Stretch>,
    /// How many records of a partition may wait unopened.
    pub room: usize,
    pub decode: Decode,
    /// Between two events.
    pub pace: Duration,
}

/// Reads the stretches into a pipeline.
pub struct SideIntake {
    topics: Arc<Topics>,
    consumer: StreamConsumer<Hearing>,
    options: SideOptions,
    pipeline: mpsc::Sender<Arrival>,
    gates: BTreeMap<Partition, (Arc<Gate>, i64)>,
}

impl SideIntake {
    /// # Errors
    /// When a property is refused.
    pub fn try_new(
        settings: &KafkaSettings,
        topics: Arc<Topics>,
        options: SideOptions,
        pipeline: mpsc::Sender<Arrival>,
    ) -> Result<Self, TopicError> {
        // A group's name is asked for though there is no member: partitions are assigned here.
        let mut config = consumer_config(settings, "user-purge-sync-side")?;
        config.set("enable.partition.eof", "true");
        let consumer = config.create_with_context(Hearing::of(&config)).map_err(ClientError::from)?;
        Ok(Self { topics, consumer, options, pipeline, gates: BTreeMap::new() })
    }

    /// Until all stretches are in the pipeline; `keep` says which records go there. Waits as long as Kafka is away.
    ///
    /// # Errors
    /// When the consumer does not take the partitions.
    pub async fn read(&mut self, mut keep: impl FnMut(&mut Delivery) -> bool) -> Result<(), TopicError> {
        self.assign().map_err(TopicError::Unreachable)?;
        self.tell_assigned().await;
        while !self.gates.is_empty() {
            let next = match self.consumer.recv().await {
                Ok(message) => self.take(&message),
                Err(KafkaError::PartitionEOF(number)) => {
                    // Transaction markers and compaction: the last offset that was wanted may not exist.
                    self.ended(number)?;
                    None
                }
                Err(error) => {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
                        tracing::debug!(%error, "reading a stretch");
                    }
                    None
                }
            };
            let Some((partition, mut record)) = next else { continue };
            let Some((gate, until)) = self.gates.get(&partition).cloned() else { continue };
            if record.offset >= until {
                self.finish(partition)?;
                continue;
            }
            let is_last = record.offset + 1 == until;
            if keep(&mut record) {
                self.hand_over(partition, &gate, record).await;
            }
            if is_last {
                self.finish(partition)?;
            }
        }
        // All of it is received when the channel is empty.
        drop(self.pipeline.reserve_many(self.pipeline.max_capacity()).await);
        Ok(())
    }

    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for Stretch { partition, from, .. } in &self.options.stretches {
            let name = self.topics.name(partition.topic);
            list.add_partition_offset(name, partition.number, Offset::Offset(*from))?;
        }
        self.consumer.assign(&list)
    }

    async fn tell_assigned(&mut self) {
        let mut assigned = Vec::new();
        for Stretch { partition, from, until } in self.options.stretches.iter().copied() {
            let gate = Arc::new(Gate::new(self.options.room));
            self.gates.insert(partition, (Arc::clone(&gate), until));
            let replay = ReplayMark::of(self.options.id.clone(), from, until);
            assigned.push(Assignment { partition, epoch: EPOCH, settled: None, replay, gate });
        }
        // A pipeline that is gone wants nothing more.
        self.pipeline.send(Arrival::Assigned(assigned)).await.ok();
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> Option<(Partition, Delivery)> {
        let topic = self.topics.input_named(message.topic())?;
        let partition = Partition { topic, number: message.partition() };
        Some((partition, delivery(message, partition, self.options.decode)))
    }

    async fn hand_over(&self, partition: Partition, gate: &Gate, record: Delivery) {
        while gate.room() == 0 && !self.pipeline.is_closed() {
            tokio::time::sleep(ROOM_PAUSE).await;
        }
        gate.take(1);
        let arrival = Arrival::Records { partition, epoch: EPOCH, records: vec![record] };
        // A pipeline that is gone wants nothing more.
        self.pipeline.send(arrival).await.ok();
        tokio::time::sleep(self.options.pace).await;
    }

    /// The log ends where one of these partitions does: librdkafka says only the number.
    fn ended(&mut self, number: i32) -> Result<(), TopicError> {
        let positions = self.consumer.position().map_err(TopicError::Unreachable)?;
        let reached = |partition: &Partition, until: i64| {
            let name = self.topics.name(partition.topic);
            let found = positions.find_partition(name, partition.number).map(|element| element.offset());
            matches!(found, Some(Offset::Offset(at)) if at >= until)
        };
        let of_number = self.gates.iter().filter(|(partition, _)| partition.number == number);
        let done: Vec<_> =
            of_number.filter(|(at, (_, until))| reached(at, *until)).map(|(partition, _)| *partition).collect();
        done.into_iter().try_for_each(|partition| self.finish(partition))
    }

    /// What comes after it is not fetched.
    fn finish(&mut self, partition: Partition) -> Result<(), TopicError> {
        self.gates.remove(&partition);
        let mut list = TopicPartitionList::new();
        list.add_partition(self.topics.name(partition.topic), partition.number);
        self.consumer.incremental_unassign(&list).map_err(TopicError::Unreachable)
    }
}
