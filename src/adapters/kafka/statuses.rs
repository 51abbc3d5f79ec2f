//! The status topic, and the control topic: read from a time on by somebody who commits nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, unfold};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::ClientError;
use super::contact::{Contact, STATISTICS_MS};
use super::hearing::{Hearing, LIMIT};
use super::outsider::{outsider_config, partitions};
use super::topic_admin::TopicError;
use super::topics::{Topic, Topics};
use crate::settings::KafkaSettings;

/// What is heard from the topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    Record(Vec<u8>),
    /// Everything that was there has been heard. Comes once.
    CaughtUp,
}

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Now,
    /// Milliseconds since 1970.
    Time(i64),
}

/// Reads on for as long as it is polled; a broker that is away is waited for.
///
/// # Errors
/// When a property is refused, Kafka does not answer, or there is no such topic.
pub async fn statuses(
    settings: &KafkaSettings,
    topics: &Topics,
    from: From,
) -> Result<BoxStream<'static, Heard>, TopicError> {
    let config = outsider_config(settings, "user-purge-sync-watch")?;
    records(&config, topics.name(Topic::Status), from).await.map(|(heard, _)| heard)
}

/// What is heard from now on, and whether there is still anybody to be heard.
pub type Listening = (BoxStream<'static, Heard>, Contact);

/// The control topic, from now on: what was asked before was asked of others.
///
/// # Errors
/// As [`statuses`].
pub async fn orders(settings: &KafkaSettings, topics: &Topics) -> Result<Listening, TopicError> {
    let mut config = outsider_config(settings, "user-purge-sync-watch")?;
    config.set("statistics.interval.ms", STATISTICS_MS);
    records(&config, topics.name(Topic::Control), From::Now).await
}

async fn records(config: &ClientConfig, name: &str, from: From) -> Result<Listening, TopicError> {
    let hearing = Hearing::of(config);
    let contact = hearing.contact();
    let consumer = config.create_with_context::<_, StreamConsumer<_>>(hearing);
    let consumer = Arc::new(consumer.map_err(ClientError::from)?);
    let (asker, name) = (Arc::clone(&consumer), name.to_owned());
    let assigned = tokio::task::spawn_blocking(move || assign(&asker, &name, from));
    let ahead = assigned.await.unwrap_or(Err(TopicError::Unreachable(KafkaError::Canceled)))?;
    Ok((unfold((consumer, ahead), next).boxed(), contact))
}

/// The partitions that are not heard to their end yet.
type Ahead = BTreeSet<i32>;
type Consuming = Arc<StreamConsumer<Hearing>>;

fn assign(consumer: &StreamConsumer<Hearing>, name: &str, from: From) -> Result<Ahead, TopicError> {
    let partitions: Ahead = partitions(consumer, name)?.into_iter().collect();
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        let start = match from {
            // Order: asked for now. The logical end would be looked up later, and what is said until then passed over.
            From::Now => consumer.fetch_watermarks(name, *partition, LIMIT).map_err(TopicError::Unreachable)?.1,
            From::Time(time) => time,
        };
        list.add_partition_offset(name, *partition, Offset::Offset(start)).map_err(TopicError::Unreachable)?;
    }
    if let From::Time(_) = from {
        // Where nothing is newer the answer is the end.
        list = consumer.offsets_for_times(list, LIMIT).map_err(TopicError::Unreachable)?;
    }
    consumer.assign(&list).map_err(TopicError::Unreachable)?;
    Ok(partitions)
}

async fn next((consumer, mut ahead): (Consuming, Ahead)) -> Option<(Heard, (Consuming, Ahead))> {
    loop {
        let heard = match consumer.recv().await {
            Ok(message) => Heard::Record(message.payload().unwrap_or_default().to_vec()),
            Err(KafkaError::PartitionEOF(partition)) => {
                if !ahead.remove(&partition) || !ahead.is_empty() {
                    continue;
                }
                Heard::CaughtUp
            }
            Err(error) => {
                // The client connects again by itself.
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
                    tracing::debug!(%error, "reading statuses");
                }
                continue;
            }
        };
        return Some((heard, (consumer, ahead)));
    }
}
