//! What an operator does to topics and to the worker's group, on purpose or by mistake.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{Topics, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

/// Of offsets to commit for the group: topic (without the environment's name), partition, offset, metadata.
pub type Reset<'a> = (&'a str, i32, i64, &'a str);

impl Topics {
    fn operator(&self) -> anyhow::Result<AdminClient<DefaultClientContext>> {
        Ok(ClientConfig::new().set("bootstrap.servers", &self.brokers).create()?)
    }

    /// Sets one property of a topic; `None` for all as they were. Others that were set are forgotten.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn configure(&self, topic: &str, property: Option<(&str, &str)>) -> anyhow::Result<()> {
        let name = self.name(topic);
        let entries = property.into_iter().collect();
        let config = AlterConfig { specifier: ResourceSpecifier::Topic(&name), entries };
        for result in self.operator()?.alter_configs(&[config], &options()).await? {
            result.map_err(|(_, code)| anyhow::anyhow!("{name}: {code}"))?;
        }
        Ok(())
    }

    /// More partitions, in total so many.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn widen(&self, topic: &str, partitions: usize) -> anyhow::Result<()> {
        let name = self.name(topic);
        let wider = [NewPartitions::new(&name, partitions)];
        for result in self.operator()?.create_partitions(&wider, &options()).await? {
            result.map_err(|(_, code)| anyhow::anyhow!("{name}: {code}"))?;
        }
        Ok(())
    }

    /// Forgets the records before an offset of each partition, as retention does.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn forget_before(&self, topic: &str, offsets: &BTreeMap<i32, i64>) -> anyhow::Result<()> {
        let name = self.name(topic);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&name, *partition, Offset::Offset(*offset))?;
        }
        self.operator()?.delete_records(&list, &options()).await?;
        Ok(())
    }

    /// Deletes a topic; back when it is gone.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn drop_topic(&self, topic: &str) -> anyhow::Result<()> {
        let name = self.name(topic);
        for result in self.operator()?.delete_topics(&[&name], &options()).await? {
            result.map_err(|(_, code)| anyhow::anyhow!("{name}: {code}"))?;
        }
        Ok(())
    }

    /// Makes it again; waits while the old one is on its way out.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn make_topic(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let name = self.name(topic);
        let operator = self.operator()?;
        eventually("the topic is made", PATIENCE, async || {
            let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
            let results = operator.create_topics([&new], &options()).await.ok()?;
            let done = |result: &Result<String, (String, RDKafkaErrorCode)>| match result {
                Ok(_) => true,
                Err((_, code)) => *code == RDKafkaErrorCode::TopicAlreadyExists,
            };
            // Only one that is there for good has a leader.
            (results.iter().all(done) && self.has_leaders(&name)).then_some(())
        })
        .await
    }

    /// Commits for the worker's group from outside. Kafka lets nobody do it while the group has members.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn reset(&self, resets: &[Reset<'_>]) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset, metadata) in resets {
            let mut element = list.add_partition(&self.name(topic), *partition);
            element.set_offset(Offset::Offset(*offset))?;
            if !metadata.is_empty() {
                element.set_metadata(metadata);
            }
        }
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).set("group.id", self.group()).create()?;
        let commit = move || consumer.commit(&list, CommitMode::Sync);
        tokio::task::spawn_blocking(commit).await?.context("the group's offsets")
    }

    /// The first offset that is still there, and the one after the last, of each partition.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn ends(&self, topic: &str) -> anyhow::Result<BTreeMap<i32, (i64, i64)>> {
        let (brokers, name) = (self.brokers.clone(), self.name(topic));
        let ask = move || {
            let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &brokers).create()?;
            let metadata = consumer.fetch_metadata(Some(&name), PATIENCE)?;
            let partitions = metadata.topics().first().context("the topic that was asked for")?.partitions();
            ensure!(!partitions.is_empty(), "{name} has no partitions");
            let ends = partitions.iter().map(|partition| {
                let ends = consumer.fetch_watermarks(&name, partition.id(), PATIENCE)?;
                Ok((partition.id(), ends))
            });
            ends.collect()
        };
        tokio::task::spawn_blocking(ask).await?
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}
