//! The topics of one environment name: made, written.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::executor::block_on;
use futures::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use crate::events::Record;
use crate::{Stack, eventually};

pub const DELETE: &str = "delete.user";
pub const REQUEST: &str = "user.purge.request";
pub const DELAY: &str = "user.purge.delay";
pub const STATUS: &str = "user.purge.status";
pub const FAILED: &str = "user.purge.failed";
pub const CONTROL: &str = "user.purge.control";

/// The six topics under one environment name.
pub struct Topics {
    pub env: String,
    pub(crate) brokers: String,
    producer: FutureProducer,
}

impl Topics {
    /// # Errors
    /// When the client cannot be made.
    pub fn of(stack: &Stack, env: &str) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &stack.kafka)
            .set("linger.ms", "5")
            .set("enable.idempotence", "true")
            // Brokers take a little more than librdkafka does by default; a test wants to know the edge.
            .set("message.max.bytes", "1048588")
            .create()?;
        Ok(Self { env: env.to_owned(), brokers: stack.kafka.clone(), producer })
    }

    /// Makes them for an environment name that nobody else has.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn create_new(stack: &Stack, partitions: i32) -> anyhow::Result<Self> {
        let random = uuid::Uuid::new_v4().simple().to_string();
        let topics = Self::of(stack, &format!("t-{}", &random[..8]))?;
        topics.create(partitions).await?;
        Ok(topics)
    }

    async fn create(&self, partitions: i32) -> anyhow::Result<()> {
        let names = [DELETE, REQUEST, DELAY, STATUS, FAILED, CONTROL].map(|topic| self.name(topic));
        let new = |name| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            let is_delay = name.ends_with(DELAY);
            if is_delay { topic.set("message.timestamp.type", "LogAppendTime") } else { topic }
        };
        let new: Vec<NewTopic> = names.iter().map(|name| new(name)).collect();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        for result in self.admin()?.create_topics(&new, &options).await.context("kafka")? {
            result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        // The controller has made them; the broker that is asked for them may not have heard of it yet.
        eventually("the new topics have leaders", Duration::from_secs(20), async || {
            names.iter().all(|name| self.has_leaders(name)).then_some(())
        })
        .await
    }

    pub(crate) fn has_leaders(&self, name: &str) -> bool {
        let metadata = self.producer.client().fetch_metadata(Some(name), Duration::from_secs(10));
        metadata.is_ok_and(|metadata| {
            metadata.topics().iter().all(|topic| {
                let partitions = topic.partitions();
                !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0)
            })
        })
    }

    /// Deletes them; waits without a runtime, so that whoever made them can do it when dropped.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub fn remove(&self) -> anyhow::Result<()> {
        let names = [DELETE, REQUEST, DELAY, STATUS, FAILED, CONTROL].map(|topic| self.name(topic));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let results = block_on(self.admin()?.delete_topics(&names, &AdminOptions::new())).context("kafka")?;
        for result in results {
            result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        Ok(())
    }

    fn admin(&self) -> anyhow::Result<AdminClient<rdkafka::client::DefaultClientContext>> {
        Ok(ClientConfig::new().set("bootstrap.servers", &self.brokers).create()?)
    }

    /// `{env}.{topic}`.
    #[must_use]
    pub fn name(&self, topic: &str) -> String {
        format!("{}.{topic}", self.env)
    }

    /// The worker's consumer group.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}-user-purge-sync-group", self.env)
    }

    /// The group of a dry run.
    #[must_use]
    pub fn dry_run_group(&self) -> String {
        format!("{}-user-purge-sync-dry-run-group", self.env)
    }

    /// Publishes all and waits until each is acknowledged.
    ///
    /// # Errors
    /// When one is not.
    pub async fn publish(&self, topic: &str, records: &[Record]) -> anyhow::Result<()> {
        let name = self.name(topic);
        let sends = records.iter().map(|record| async {
            let mut message = FutureRecord::<str, [u8]>::to(&name);
            if let Some(payload) = &record.payload {
                message = message.payload(payload);
            }
            if let Some(key) = &record.key {
                message = message.key(key);
            }
            if let Some(partition) = record.partition {
                message = message.partition(partition);
            }
            if let Some(time) = record.time {
                message = message.timestamp(time);
            }
            match self.producer.send(message, Timeout::After(Duration::from_secs(30))).await {
                Ok(_) => Ok(()),
                Err((error, _)) => bail!("{name}: {error}"),
            }
        });
        try_join_all(sends).await?;
        Ok(())
    }
}
