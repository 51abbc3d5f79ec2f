//! What everybody has in common who reads topics without being a member of a group.

use rdkafka::ClientConfig;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};

use super::client::{ClientError, admin_config};
use super::hearing::{self, Listen};
use super::topic_admin::TopicError;
use crate::settings::KafkaSettings;

/// A group's name is asked for even where there is no group: partitions are assigned here, and nothing is committed unasked.
///
/// # Errors
/// When a property is refused.
pub(super) fn outsider_config(settings: &KafkaSettings, group: &str) -> Result<ClientConfig, ClientError> {
    let mut config = admin_config(settings)?;
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true");
    Ok(config)
}

/// The partitions of a topic.
///
/// # Errors
/// When Kafka does not answer, or there is no such topic.
pub(super) fn partitions(consumer: &impl Listen, name: &str) -> Result<Vec<i32>, TopicError> {
    let metadata = hearing::metadata(consumer, Some(name))?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
    let numbers: Vec<_> = topic.into_iter().flat_map(MetadataTopic::partitions).map(MetadataPartition::id).collect();
    if numbers.is_empty() {
        return Err(TopicError::Missing { names: vec![name.to_owned()], option: "" });
    }
    Ok(numbers)
}
