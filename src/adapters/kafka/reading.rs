//! Any topic, read from a place to its present end by somebody who commits nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::client::ClientError;
use super::hearing::{Hearing, LIMIT};
use super::outsider::{outsider_config, partitions};
use super::topic_admin::TopicError;
use crate::settings::KafkaSettings;

/// Without a record, and without an end, for so long: nobody answers.
const SILENCE: Duration = Duration::from_secs(30);

/// Where to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    Beginning,
    /// Milliseconds since 1970.
    Time(i64),
    /// By partition; others from their beginning.
    Offsets(BTreeMap<i32, i64>),
}

/// One record of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Found {
    fn of(message: &BorrowedMessage) -> Self {
        Self {
            partition: message.partition(),
            offset: message.offset(),
            at: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().map(Vec::from),
            payload: message.payload().map(Vec::from),
            headers: message.headers().map(texts).unwrap_or_default(),
        }
    }
}

/// A header that is no text is none of ours.
fn texts(headers: &impl Headers) -> Vec<(String, String)> {
    let text = |value: Option<&[u8]>| std::str::from_utf8(value?).ok().map(str::to_owned);
    headers.iter().filter_map(|header| Some((header.key.to_owned(), text(header.value)?))).collect()
}

/// A topic's partitions, each from its first record that is kept to the one after the last.
pub type Extent = BTreeMap<i32, (i64, i64)>;

/// Asks one topic after the other; each reading has a connection of its own.
#[derive(Clone)]
pub struct TopicReader {
    config: rdkafka::ClientConfig,
    asker: Arc<StreamConsumer<Hearing>>,
}

impl TopicReader {
    /// Kafka need not answer yet.
    ///
    /// # Errors
    /// When a property is refused.
    pub fn try_new(settings: &KafkaSettings) -> Result<Self, TopicError> {
        let config = outsider_config(settings, "user-purge-sync-reading")?;
        let asker = Arc::new(consumer(&config)?);
        Ok(Self { config, asker })
    }

    /// # Errors
    /// When Kafka does not answer, or there is no such topic.
    pub async fn extent(&self, topic: &str) -> Result<Extent, TopicError> {
        let (asker, name) = (Arc::clone(&self.asker), topic.to_owned());
        blocking(move || extent(&asker, &name)).await
    }

    /// From `start` to what is the end now.
    ///
    /// # Errors
    /// When Kafka does not answer, or there is no such topic.
    pub async fn read(&self, topic: &str, start: Start) -> Result<Reading, TopicError> {
        let consumer = Arc::new(consumer(&self.config)?);
        let (asker, name) = (Arc::clone(&consumer), topic.to_owned());
        let ends = blocking(move || assign(&asker, &name, &start)).await?;
        Ok(Reading { consumer, ends })
    }

    /// One record; `None` when it is not kept any more, or was never there.
    ///
    /// # Errors
    /// When Kafka does not answer, or there is no such topic.
    pub async fn at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<Found>, TopicError> {
        let Some((low, high)) = self.extent(topic).await?.get(&partition).copied() else { return Ok(None) };
        if !(low..high).contains(&offset) {
            return Ok(None);
        }
        let (asker, name) = (Arc::clone(&self.asker), topic.to_owned());
        blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&name, partition, Offset::Offset(offset))?;
            asker.assign(&list)
        })
        .await?;
        let mut one = Reading { consumer: Arc::clone(&self.asker), ends: [(partition, offset + 1)].into() };
        // A transaction's end has an offset and no record: what comes instead is a later one.
        Ok(one.next().await?.filter(|found| found.offset == offset))
    }

    /// The offset of the first record of a partition that is not older than `time`; `None` where all are.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn first_since(&self, topic: &str, partition: i32, time: i64) -> Result<Option<i64>, TopicError> {
        let (asker, name) = (Arc::clone(&self.asker), topic.to_owned());
        blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&name, partition, Offset::Offset(time))?;
            let found = asker.offsets_for_times(list, LIMIT)?;
            Ok::<_, KafkaError>(found.elements().first().and_then(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }))
        })
        .await
    }
}

/// A reading that is under way.
pub struct Reading {
    consumer: Arc<StreamConsumer<Hearing>>,
    /// Where it ends, of the partitions that are not read to their end yet.
    ends: BTreeMap<i32, i64>,
}

impl Reading {
    /// `None` at the end. Cancellable.
    ///
    /// # Errors
    /// When Kafka does not answer for half a minute.
    pub async fn next(&mut self) -> Result<Option<Found>, TopicError> {
        while !self.ends.is_empty() {
            let silent = |_| TopicError::Unreachable(KafkaError::Canceled);
            match tokio::time::timeout(SILENCE, self.consumer.recv()).await.map_err(silent)? {
                Ok(message) => {
                    let Some(end) = self.ends.get(&message.partition()).copied() else { continue };
                    if message.offset() + 1 >= end {
                        self.ends.remove(&message.partition());
                    }
                    // What has come since belongs to the next reading.
                    if message.offset() < end {
                        return Ok(Some(Found::of(&message)));
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => drop(self.ends.remove(&partition)),
                // The client connects again by itself.
                Err(error) => tracing::debug!(%error, "reading"),
            }
        }
        Ok(None)
    }
}

fn consumer(config: &rdkafka::ClientConfig) -> Result<StreamConsumer<Hearing>, ClientError> {
    Ok(config.create_with_context(Hearing::of(config))?)
}

fn assign(consumer: &StreamConsumer<Hearing>, name: &str, start: &Start) -> Result<BTreeMap<i32, i64>, TopicError> {
    let (mut list, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
    for (partition, (low, high)) in extent(consumer, name)? {
        let (offset, is_left) = match start {
            Start::Beginning => (low, low < high),
            Start::Time(time) => (*time, low < high),
            Start::Offsets(offsets) => {
                let from = offsets.get(&partition).copied().unwrap_or(low).max(low);
                (from, from < high)
            }
        };
        list.add_partition_offset(name, partition, Offset::Offset(offset)).map_err(TopicError::Unreachable)?;
        if is_left {
            ends.insert(partition, high);
        }
    }
    if let Start::Time(_) = start {
        // Where nothing is newer the answer is the end.
        list = consumer.offsets_for_times(list, LIMIT).map_err(TopicError::Unreachable)?;
    }
    consumer.assign(&list).map_err(TopicError::Unreachable)?;
    Ok(ends)
}

fn extent(consumer: &StreamConsumer<Hearing>, name: &str) -> Result<Extent, TopicError> {
    let of_one = |partition| {
        let marks = consumer.fetch_watermarks(name, partition, LIMIT).map_err(TopicError::Unreachable)?;
        Ok((partition, marks))
    };
    partitions(consumer, name)?.into_iter().map(of_one).collect()
}

async fn blocking<T: Send + 'static, E: Into<Trouble> + Send + 'static>(
    ask: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, TopicError> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(|error| error.into().0),
        Err(_) => Err(TopicError::Unreachable(KafkaError::Canceled)),
    }
}

/// Whatever a question fails with, as an error about topics.
struct Trouble(TopicError);

impl From<TopicError> for Trouble {
    fn from(error: TopicError) -> Self {
        Self(error)
    }
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        Self(TopicError::Unreachable(error))
    }
}
