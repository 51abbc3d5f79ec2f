//! The failed topic as a person works it off: decisions beside what they are about, and how far everything is decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{ClientError, admin_config};
use super::failure::failure;
use super::hearing::Hearing;
use super::producer::KafkaPublisher;
use super::topics::{Topic, Topics};
use crate::domain::record::OutputRecord;
use crate::ports::{Disposition, Failure, Unpublished};
use crate::settings::KafkaSettings;

/// Writes decisions, and commits the frontier of a group that nobody is a member of: its lag in Kafka's own tools is what
/// is not decided yet. What is decided is told by the records alone, so a group that is lost or moved loses nothing.
pub struct FailedTopic {
    topics: Arc<Topics>,
    publisher: KafkaPublisher,
    group: Arc<BaseConsumer<Hearing>>,
}

impl FailedTopic {
    /// Kafka need not answer yet.
    ///
    /// # Errors
    /// When a property is refused.
    pub fn try_new(settings: &KafkaSettings, topics: Arc<Topics>, group: &str) -> Result<Self, ClientError> {
        let mut config = admin_config(settings)?;
        config.set("group.id", group).set("enable.auto.commit", "false");
        Ok(Self {
            publisher: KafkaPublisher::try_new(settings, Arc::clone(&topics))?,
            group: Arc::new(config.create_with_context(Hearing::of(&config))?),
            topics,
        })
    }

    /// Acknowledged when it returns. Each goes into the partition of what it is about.
    ///
    /// # Errors
    /// When one of them is not acknowledged; the others may be.
    pub async fn decide(&self, decisions: &[(i32, OutputRecord)]) -> Result<(), Failure> {
        self.publisher.publish_to(decisions).await.map_err(|Unpublished { failure, .. }| failure)
    }

    /// `frontier`: per partition the lowest offset that is not decided.
    ///
    /// # Errors
    /// When Kafka does not take it.
    pub async fn commit(&self, frontier: &BTreeMap<i32, i64>) -> Result<(), Failure> {
        if frontier.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        let name = self.topics.name(Topic::Failed);
        for (partition, offset) in frontier {
            list.add_partition_offset(name, *partition, Offset::Offset(*offset)).map_err(failure)?;
        }
        let group = Arc::clone(&self.group);
        let committed = tokio::task::spawn_blocking(move || group.commit(&list, CommitMode::Sync)).await;
        committed
            .unwrap_or(Err(KafkaError::Canceled))
            .map_err(|error| Failure::new(Disposition::Hold, "kafka_commit").because(error))
    }
}
