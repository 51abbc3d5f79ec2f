//! How far the worker's group has committed, and how far the logs go.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{Topics, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// Committed offset and log end of one partition; 0 when nothing was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub committed: i64,
    pub end: i64,
    /// Of the commit.
    pub metadata: String,
}

impl Topics {
    /// Of each partition of `topics`, by topic (without the environment's name) and number.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn progress(&self, topics: &[&str]) -> anyhow::Result<BTreeMap<(String, i32), Progress>> {
        self.progress_of(&self.group(), topics).await
    }

    /// The same of another group.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn progress_of(&self, group: &str, topics: &[&str]) -> anyhow::Result<BTreeMap<(String, i32), Progress>> {
        let names: Vec<_> = topics.iter().map(|topic| ((*topic).to_owned(), self.name(topic))).collect();
        let (brokers, group) = (self.brokers.clone(), group.to_owned());
        tokio::task::spawn_blocking(move || progress(&brokers, &group, &names)).await?
    }

    /// Waits until everything in `topics` is committed.
    ///
    /// # Errors
    /// After `patience`, with what is left.
    pub async fn until_committed(&self, topics: &[&str], patience: Duration) -> anyhow::Result<()> {
        self.until_committed_by(&self.group(), topics, patience).await
    }

    /// The same by another group.
    ///
    /// # Errors
    /// After `patience`, with what is left.
    pub async fn until_committed_by(&self, group: &str, topics: &[&str], patience: Duration) -> anyhow::Result<()> {
        let mut last = None;
        let done = eventually("committed = log end", patience, async || {
            let progress = self.progress_of(group, topics).await.ok()?;
            let is_done = progress.values().all(|place| place.committed == place.end);
            last = Some(progress);
            is_done.then_some(())
        });
        done.await.with_context(|| format!("{last:?}"))
    }
}

fn progress(
    brokers: &str,
    group: &str,
    topics: &[(String, String)],
) -> anyhow::Result<BTreeMap<(String, i32), Progress>> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", group).create()?;
    let mut places = BTreeMap::new();
    for (topic, name) in topics {
        let metadata = consumer.fetch_metadata(Some(name), PATIENCE)?;
        let partitions = metadata.topics().first().context("the topic that was asked for")?.partitions();
        // Of nothing everything would be committed.
        ensure!(!partitions.is_empty(), "{name} has no partitions");
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(name, partition.id());
        }
        for element in consumer.committed_offsets(list, PATIENCE)?.elements() {
            let committed = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let (_, end) = consumer.fetch_watermarks(name, element.partition(), PATIENCE)?;
            let metadata = element.metadata().to_owned();
            places.insert((topic.clone(), element.partition()), Progress { committed, end, metadata });
        }
    }
    Ok(places)
}
