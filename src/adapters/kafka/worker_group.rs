//! The workers' group from outside: where it stands, who is in it, and setting it elsewhere while nobody is.
//!
//! Everything here blocks; whoever asks does so on a thread that may wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::groups::{GroupInfo, GroupMemberInfo};
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::ClientError;
use super::hearing::{Hearing, LIMIT};
use super::outsider::{outsider_config, partitions};
use super::topic_admin::TopicError;
use super::topics::{Topic, Topics};
use crate::domain::ids::{InputTopic, Partition};
use crate::domain::metadata::Metadata;
use crate::settings::KafkaSettings;

/// One record is read to know its time; a broker that is slow costs the plan a time, not an answer.
const RECORD_LIMIT: Duration = Duration::from_secs(5);

/// Where the group stands in a partition, and what the log still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub partition: Partition,
    /// `None` where nothing was ever committed.
    pub committed: Option<i64>,
    pub said: Metadata,
    /// The first offset that is left.
    pub low: i64,
    /// The offset after the last.
    pub high: i64,
}

/// A process in the group.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    pub client: String,
    pub host: String,
}

/// Why the group is not where it should be now.
#[derive(Debug, thiserror::Error)]
pub enum NotSet {
    #[error("the group has members: kafka lets nobody else commit for it")]
    Members(#[source] KafkaError),
    #[error("kafka does not commit")]
    Kafka(#[source] KafkaError),
}

/// Asks, and sets, without being a member.
pub struct WorkerGroup {
    consumer: BaseConsumer<Hearing>,
    topics: Arc<Topics>,
    name: String,
}

impl WorkerGroup {
    /// Kafka need not answer yet.
    pub fn try_new(settings: &KafkaSettings, topics: Arc<Topics>, group: &str) -> Result<Self, TopicError> {
        let mut config = outsider_config(settings, group)?;
        // 8.8: a fetch that waits for records at a partition's end keeps the next partition waiting, and single records are
        // asked for: with librdkafka's 500 ms a plan took five seconds.
        config.set("fetch.wait.max.ms", "10");
        let consumer = config.create_with_context(Hearing::of(&config)).map_err(ClientError::from)?;
        Ok(Self { consumer, topics, name: group.to_owned() })
    }

    /// Of each partition of these topics.
    pub fn places(&self, topics: &[InputTopic]) -> Result<Vec<Place>, TopicError> {
        let mut places = Vec::new();
        for topic in topics {
            let name = self.topics.name(*topic);
            let mut list = TopicPartitionList::new();
            for number in partitions(&self.consumer, name)? {
                list.add_partition(name, number);
            }
            let list = self.consumer.committed_offsets(list, LIMIT).map_err(TopicError::Unreachable)?;
            for element in list.elements() {
                element.error().map_err(TopicError::Unreachable)?;
                let committed = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                let said = committed.map(|at| Metadata::decode(element.metadata(), at)).unwrap_or_default();
                let partition = Partition { topic: *topic, number: element.partition() };
                let (low, high) = self.ends(name, partition.number)?;
                places.push(Place { partition, committed, said, low, high });
            }
        }
        Ok(places)
    }

    fn ends(&self, name: &str, number: i32) -> Result<(i64, i64), TopicError> {
        self.consumer.fetch_watermarks(name, number, LIMIT).map_err(TopicError::Unreachable)
    }

    /// The first offset of a time (milliseconds since 1970) or later; absent where there is none.
    pub fn at_time(&self, partitions: &[Partition], time: i64) -> Result<BTreeMap<Partition, i64>, TopicError> {
        let named = partitions.iter().map(|partition| (self.topics.name(partition.topic), partition.number));
        let found = self.first_since(named, time)?;
        let by_name = |((name, number), offset): ((String, i32), i64)| {
            Some((Partition { topic: self.topics.input_named(&name)?, number }, offset))
        };
        Ok(found.into_iter().filter_map(by_name).collect())
    }

    fn first_since<'a>(
        &self,
        partitions: impl Iterator<Item = (&'a str, i32)>,
        time: i64,
    ) -> Result<BTreeMap<(String, i32), i64>, TopicError> {
        let mut list = TopicPartitionList::new();
        for (name, number) in partitions {
            list.add_partition_offset(name, number, Offset::Offset(time)).map_err(TopicError::Unreachable)?;
        }
        let mut found = BTreeMap::new();
        if list.count() > 0 {
            let list = self.consumer.offsets_for_times(list, LIMIT).map_err(TopicError::Unreachable)?;
            for element in list.elements() {
                element.error().map_err(TopicError::Unreachable)?;
                if let Offset::Offset(offset) = element.offset() {
                    found.insert((element.topic().to_owned(), element.partition()), offset);
                }
            }
        }
        Ok(found)
    }

    /// The times of the first and the last record of `[from, until)`, milliseconds since 1970. `None` where there is no
    /// record, or it is not read in time.
    pub fn times(&self, partition: Partition, (from, until): (i64, i64)) -> [Option<i64>; 2] {
        let name = self.topics.name(partition.topic);
        if from >= until {
            return [None, None];
        }
        [from, until - 1].map(|offset| self.time_at(name, partition.number, offset).ok().flatten())
    }

    /// Of the record at an offset, or of the next one where it is gone.
    fn time_at(&self, name: &str, number: i32, offset: i64) -> Result<Option<i64>, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, number, Offset::Offset(offset))?;
        self.consumer.assign(&list)?;
        let deadline = Instant::now() + RECORD_LIMIT;
        let mut time = None;
        while Instant::now() < deadline {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    time = message.timestamp().to_millis();
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                // The client tries again by itself.
                Some(Err(_)) | None => {}
            }
        }
        self.consumer.unassign()?;
        Ok(time)
    }

    /// Statuses a second, over those told since `since` (milliseconds since 1970); `None` where there are too few.
    pub fn rate(&self, since: i64) -> Result<Option<f64>, TopicError> {
        let name = self.topics.name(Topic::Status);
        let numbers = partitions(&self.consumer, name)?;
        let first = self.first_since(numbers.iter().map(|number| (name, *number)), since)?;
        let (mut told, mut from, mut to) = (0, i64::MAX, i64::MIN);
        for ((_, number), first) in first {
            let high = self.ends(name, number)?.1;
            told += high - first;
            for time in [first, high - 1] {
                let time = self.time_at(name, number, time).map_err(TopicError::Unreachable)?;
                (from, to) = (from.min(time.unwrap_or(from)), to.max(time.unwrap_or(to)));
            }
        }
        let seconds = to.checked_sub(from).filter(|millis| *millis > 0).map(|millis| millis as f64 / 1000.0);
        Ok(seconds.filter(|_| told > 1).map(|seconds| told as f64 / seconds))
    }

    /// Who is in the group, as far as the broker says: not in a group of the newer protocol (KIP-848).
    pub fn members(&self) -> Result<Vec<Member>, TopicError> {
        let groups = self.consumer.fetch_group_list(Some(&self.name), LIMIT).map_err(TopicError::Unreachable)?;
        let members = groups.groups().iter().filter(|group| group.name() == self.name).flat_map(GroupInfo::members);
        let member = |member: &GroupMemberInfo| Member {
            client: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        };
        Ok(members.map(member).collect())
    }

    /// Commits for the group: the next offset of each partition, and what is said beside it.
    pub fn set(&self, places: &[(Partition, i64, String)]) -> Result<(), NotSet> {
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (partition, offset, said) in places {
            let mut element = list.add_partition(self.topics.name(partition.topic), partition.number);
            element.set_offset(Offset::Offset(*offset)).map_err(NotSet::Kafka)?;
            if !said.is_empty() {
                element.set_metadata(said);
            }
        }
        self.consumer.commit(&list, CommitMode::Sync).map_err(|error| match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress,
            ) => NotSet::Members(error),
            _ => NotSet::Kafka(error),
        })
    }
}
