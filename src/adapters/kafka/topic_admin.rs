//! Whether the topics are there and as they should be; making those that are not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::client::{ClientError, admin_config};
use super::hearing::{self, Hearing, LIMIT};
use super::refusal::Refusal;
use super::topics::{Topic, Topics};
use crate::settings::KafkaSettings;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Why a question about topics has no answer, or a wrong one.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("kafka client cannot be made")]
    Client(#[from] ClientError),
    #[error("kafka does not answer")]
    Unreachable(#[source] KafkaError),
    #[error(transparent)]
    Terms(Refusal),
    #[error("missing topics: {}: create them with `user-purge-sync check --create-topics{}`", .names.join(", "), .option)]
    Missing { names: Vec<String>, option: &'static str },
    #[error("topic {topic}: {code}")]
    Refused { topic: String, code: RDKafkaErrorCode },
}

/// How missing topics are made.
#[derive(Debug, Clone, Copy)]
pub struct CreateOptions {
    /// Of the topics that carry work and statuses; failed records and commands need one.
    pub partitions: i32,
    /// `{env}.delete.user` belongs to Sunbird: made, with the cluster's defaults, only when an operator asks for it.
    pub include_delete_topic: bool,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { partitions: 4, include_delete_topic: false }
    }
}

/// A topic that exists but will not keep what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicWarning {
    pub topic: String,
    pub property: &'static str,
    pub found: String,
    pub wanted: String,
}

impl fmt::Display for TopicWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, property, found, wanted } = self;
        write!(formatter, "topic {topic}: {property} is {found}, should be {wanted}")
    }
}

/// Asks and creates. Nothing here creates a topic by merely asking for it.
pub struct TopicAdmin {
    topics: Arc<Topics>,
    admin: AdminClient<Hearing>,
    /// Asks for metadata: a producer's question would create the topic where the broker allows that, a consumer's does not.
    asker: Arc<BaseConsumer<Hearing>>,
}

impl TopicAdmin {
    pub fn try_new(settings: &KafkaSettings, topics: Arc<Topics>) -> Result<Self, ClientError> {
        let config = admin_config(settings)?;
        let admin = config.create_with_context(Hearing::of(&config))?;
        let asker = Arc::new(config.create_with_context(Hearing::of(&config))?);
        Ok(Self { topics, admin, asker })
    }

    /// Fails with the names of those that are missing and the command that makes them.
    pub async fn require(&self, wanted: &[Topic]) -> Result<(), TopicError> {
        let missing = self.missing(wanted).await?;
        if missing.is_empty() {
            return Ok(());
        }
        // The command does not make Sunbird's own topic unasked.
        let option = if missing.contains(&Topic::Delete) { " --with-delete-topic" } else { "" };
        let names = missing.into_iter().map(|topic| self.topics.name(topic).to_owned()).collect();
        Err(TopicError::Missing { names, option })
    }

    /// Those of `wanted` that do not exist.
    pub async fn missing(&self, wanted: &[Topic]) -> Result<Vec<Topic>, TopicError> {
        let mut missing = Vec::new();
        for topic in wanted {
            match self.ask(Some(self.topics.name(*topic).to_owned())).await?.1 {
                None => {}
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => missing.push(*topic),
                Some(code) => return Err(TopicError::Refused { topic: self.topics.name(*topic).to_owned(), code }),
            }
        }
        Ok(missing)
    }

    /// Makes those that are missing; answers which. An existing topic is never altered.
    pub async fn create(&self, options: CreateOptions) -> Result<Vec<Topic>, TopicError> {
        let ours = |topic: &Topic| options.include_delete_topic || *topic != Topic::Delete;
        let wanted: Vec<_> = Topic::ALL.into_iter().filter(ours).collect();
        let missing = self.missing(&wanted).await?;
        let brokers = self.ask(None).await?.0;
        let replicas = i32::try_from(brokers.clamp(1, 3)).unwrap_or(3);
        let mut created = Vec::new();
        for topic in missing {
            let properties = properties(topic);
            let mut new = NewTopic::new(
                self.topics.name(topic),
                partitions(topic, options.partitions),
                TopicReplication::Fixed(replicas),
            );
            for (property, value) in &properties {
                new = new.set(property, value);
            }
            for outcome in self.admin.create_topics([&new], &limit()).await.map_err(TopicError::Unreachable)? {
                match outcome {
                    Ok(_) => created.push(topic),
                    // Somebody was quicker.
                    Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((name, code)) => return Err(TopicError::Refused { topic: name, code }),
                }
            }
        }
        self.await_visible(&created).await?;
        Ok(created)
    }

    /// Brokers hear of a new topic a moment after it is made; whoever asks in between would find it missing.
    async fn await_visible(&self, created: &[Topic]) -> Result<(), TopicError> {
        let deadline = Instant::now() + LIMIT;
        while !self.missing(created).await?.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What is wrong with those of our topics that exist. Sunbird's own is not judged.
    pub async fn warnings(&self) -> Result<Vec<TopicWarning>, TopicError> {
        let mut warnings = Vec::new();
        for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::Delete) {
            let name = self.topics.name(topic);
            let asked = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &limit()).await;
            for described in asked.map_err(TopicError::Unreachable)? {
                match described {
                    Ok(found) => warnings.extend(judge(topic, name, |property| value(&found, property))),
                    Err(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
                    Err(code) => return Err(TopicError::Refused { topic: name.to_owned(), code }),
                }
            }
        }
        Ok(warnings)
    }

    /// How long the topic keeps a record; `None` for ever, or for as long as nobody tells.
    pub async fn retention(&self, topic: Topic) -> Result<Option<Duration>, TopicError> {
        // Order: asked first, since the admin client hears nothing of why it is refused.
        self.ask(None).await?;
        let name = self.topics.name(topic);
        let asked = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &limit()).await;
        let described = asked.map_err(TopicError::Unreachable)?.into_iter().next().and_then(Result::ok);
        let kept = described.as_ref().and_then(|found| value(found, "retention.ms")?.parse().ok());
        Ok(kept.map(Duration::from_millis))
    }

    /// How many brokers there are, and what they say against the topic.
    async fn ask(&self, topic: Option<String>) -> Result<(usize, Option<RDKafkaErrorCode>), TopicError> {
        let asker = Arc::clone(&self.asker);
        let answer = tokio::task::spawn_blocking(move || {
            let metadata = hearing::metadata(&*asker, topic.as_deref())?;
            let said = metadata.topics().iter().find(|found| Some(found.name()) == topic.as_deref());
            let error = said.and_then(rdkafka::metadata::MetadataTopic::error);
            Ok((metadata.brokers().len(), error.map(RDKafkaErrorCode::from)))
        });
        answer.await.unwrap_or(Err(TopicError::Unreachable(KafkaError::Canceled)))
    }
}

fn limit() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}

/// How long records must be kept, in days.
fn retention_days(topic: Topic) -> Option<i64> {
    match topic {
        Topic::Delete => None,
        Topic::Status => Some(400),
        Topic::Failed => Some(30),
        Topic::Request | Topic::Delay => Some(7),
        Topic::Control => Some(1),
    }
}

fn partitions(topic: Topic, wanted: i32) -> i32 {
    match topic {
        Topic::Delete | Topic::Request | Topic::Delay | Topic::Status => wanted,
        Topic::Failed | Topic::Control => 1,
    }
}

/// How a topic is made.
fn properties(topic: Topic) -> Vec<(&'static str, String)> {
    let Some(days) = retention_days(topic) else { return Vec::new() };
    let mut properties = vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", (days * DAY).to_string())];
    if topic == Topic::Delay {
        // A delay counts from when the broker had the record, by one clock.
        properties.push(("message.timestamp.type", "LogAppendTime".to_owned()));
    }
    properties
}

fn value<'a>(found: &'a ConfigResource, property: &str) -> Option<&'a str> {
    found.get(property)?.value.as_deref()
}

/// What is wrong with a topic that has these values. A value that is not told is not judged.
fn judge<'a>(topic: Topic, name: &str, found: impl Fn(&str) -> Option<&'a str>) -> Vec<TopicWarning> {
    let Some(days) = retention_days(topic) else { return Vec::new() };
    let is_short = |value: &str| value.parse().is_ok_and(|value: i64| (0..days * DAY).contains(&value));
    let is_limit = |value: &str| value.parse().is_ok_and(|value: i64| value >= 0);
    let warning = |property, is_wrong: &dyn Fn(&str) -> bool, wanted: &str| {
        let found = found(property).filter(|value| is_wrong(value))?.to_owned();
        Some(TopicWarning { topic: name.to_owned(), property, found, wanted: wanted.to_owned() })
    };
    let warnings = [
        warning("retention.ms", &is_short, &format!("{} ({days} days) or more", days * DAY)),
        warning("retention.bytes", &is_limit, "-1"),
        warning("cleanup.policy", &|value| value.contains("compact"), "delete"),
        warning("message.timestamp.type", &|value| topic == Topic::Delay && value != "LogAppendTime", "LogAppendTime"),
    ];
    warnings.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_as_we_make_it_gives_no_warning() {
        for topic in Topic::ALL {
            let made = properties(topic);
            let found = |asked: &str| made.iter().find(|(property, _)| *property == asked).map(|(_, value)| &**value);
            assert_eq!(judge(topic, "t", found), vec![], "{topic:?}");
        }
        let delay = properties(Topic::Delay);
        assert!(delay.contains(&("message.timestamp.type", "LogAppendTime".to_owned())));
        let forever = |asked: &str| (asked == "retention.ms").then_some("-1");
        assert_eq!(judge(Topic::Status, "t", forever), vec![]);
    }

    #[test]
    fn a_topic_that_forgets_gives_a_warning() {
        let cases = [
            (Topic::Status, "retention.ms", "604800000"),
            (Topic::Control, "retention.ms", "86399999"),
            (Topic::Failed, "retention.bytes", "1073741824"),
            (Topic::Status, "cleanup.policy", "compact,delete"),
            (Topic::Delay, "message.timestamp.type", "CreateTime"),
        ];
        for (topic, property, value) in cases {
            let warnings = judge(topic, "t", |asked| (asked == property).then_some(value));
            assert_eq!(warnings.len(), 1, "{topic:?} {property}");
            assert!(warnings[0].to_string().contains(property) && warnings[0].to_string().contains(value));
        }
        assert_eq!(
            judge(Topic::Request, "t", |asked| (asked == "message.timestamp.type").then_some("CreateTime")),
            vec![]
        );
        assert_eq!(judge(Topic::Delete, "t", |_| Some("compact")), vec![], "Sunbird's own");
    }
}
