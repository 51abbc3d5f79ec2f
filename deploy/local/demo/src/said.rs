//! Everything that the workers of one environment name have said, as it is: for who looks for what must not be in it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::worker::logs;
use crate::{Topics, Worker};

const PATIENCE: Duration = Duration::from_secs(30);

/// A text, and where it was said: a file, or a topic with partition and offset.
pub type Said = (String, String);

impl Topics {
    /// Every record that is in a topic now: key, headers and payload.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn said(&self, topic: &str) -> anyhow::Result<Vec<Said>> {
        let (brokers, name) = (self.brokers.clone(), self.name(topic));
        tokio::task::spawn_blocking(move || read(&brokers, &name)).await?
    }

    /// The logs of all workers that ever ran, and the metrics of those that do.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub async fn said_by(&self, workers: &[Worker]) -> anyhow::Result<Vec<Said>> {
        let mut said = logs(&self.env)?;
        for worker in workers {
            said.push((format!("metrics of {}", worker.pid()), worker.metrics().await?));
        }
        Ok(said)
    }
}

fn read(brokers: &str, name: &str) -> anyhow::Result<Vec<Said>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("{name}-reader"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(name), PATIENCE)?;
    let partitions = metadata.topics().first().context("the topic that was asked for")?.partitions();
    ensure!(!partitions.is_empty(), "{name} has no partitions");
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(name, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut said, mut ended, since) = (Vec::new(), BTreeSet::new(), Instant::now());
    while ended.len() < partitions.len() {
        ensure!(since.elapsed() < PATIENCE, "{name} has no end after {} records", said.len());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => said.push(text(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            // Errors of a broker that is away: the client reads on by itself.
            Some(Err(_)) | None => {}
        }
    }
    Ok(said)
}

fn text(message: &BorrowedMessage) -> Said {
    let mut text = String::new();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.flat_map(|header| [Some(header.key.as_bytes()), header.value]);
    for part in [message.key(), message.payload()].into_iter().chain(headers).flatten() {
        text.push_str(&String::from_utf8_lossy(part));
        text.push('\n');
    }
    (format!("{} {} {}", message.topic(), message.partition(), message.offset()), text)
}
