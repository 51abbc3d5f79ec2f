//! The names of the six topics, and which of them is which.

use crate::adapters::kafka::named_for;
use crate::domain::ids::InputTopic;
use crate::domain::record::OutputTopic;
use crate::settings::TopicSettings;

/// The topics that the worker knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// Sunbird's own: never altered, never written to.
    Delete,
    Request,
    Delay,
    Status,
    Failed,
    Control,
}

impl Topic {
    pub const ALL: [Self; 6] = [Self::Delete, Self::Request, Self::Delay, Self::Status, Self::Failed, Self::Control];

    /// What the configuration calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Request => "request",
            Self::Delay => "delay",
            Self::Status => "status",
            Self::Failed => "failed",
            Self::Control => "control",
        }
    }
}

impl From<InputTopic> for Topic {
    fn from(topic: InputTopic) -> Self {
        match topic {
            InputTopic::Delete => Self::Delete,
            InputTopic::Request => Self::Request,
            InputTopic::Delay => Self::Delay,
        }
    }
}

impl From<OutputTopic> for Topic {
    fn from(topic: OutputTopic) -> Self {
        match topic {
            OutputTopic::Status => Self::Status,
            OutputTopic::Failed => Self::Failed,
            OutputTopic::Delay => Self::Delay,
            OutputTopic::Request => Self::Request,
            OutputTopic::Control => Self::Control,
        }
    }
}

/// Why the configured names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopics {
    #[error("topics.{0} is empty")]
    Empty(&'static str),
    /// Otherwise the worker could write into the topic of deletions that other systems act on.
    #[error("topics.{0} and topics.{1} are the same topic `{2}`")]
    Same(&'static str, &'static str, String),
}

/// The names, of one environment: all different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    names: [String; 6],
}

impl Topics {
    pub fn try_new(env: &str, settings: &TopicSettings) -> Result<Self, InvalidTopics> {
        let names = Topic::ALL.map(|topic| {
            let template = match topic {
                Topic::Delete => &settings.delete,
                Topic::Request => &settings.request,
                Topic::Delay => &settings.delay,
                Topic::Status => &settings.status,
                Topic::Failed => &settings.failed,
                Topic::Control => &settings.control,
            };
            named_for(env, template)
        });
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(InvalidTopics::Empty(Topic::ALL[index].label()));
            }
            if let Some(earlier) = names[..index].iter().position(|other| other == name) {
                return Err(InvalidTopics::Same(Topic::ALL[earlier].label(), Topic::ALL[index].label(), name.clone()));
            }
        }
        Ok(Self { names })
    }

    pub fn name(&self, topic: impl Into<Topic>) -> &str {
        // Invariant: `Topic::ALL` and `names` have the order of the enum.
        &self.names[topic.into() as usize]
    }

    pub fn input_named(&self, name: &str) -> Option<InputTopic> {
        InputTopic::ALL.into_iter().find(|topic| self.name(*topic) == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TopicSettings {
        TopicSettings {
            delete: "{env}.delete.user".to_owned(),
            request: "{env}.user.purge.request".to_owned(),
            delay: "{env}.user.purge.delay".to_owned(),
            status: "{env}.user.purge.status".to_owned(),
            failed: "{env}.user.purge.failed".to_owned(),
            control: "{env}.user.purge.control".to_owned(),
        }
    }

    #[test]
    fn names_go_both_ways() {
        let topics = Topics::try_new("dev", &settings()).unwrap();
        for topic in Topic::ALL {
            assert!(topics.name(topic).ends_with(topic.label()) || topic == Topic::Delete, "{topic:?}");
        }
        for topic in InputTopic::ALL {
            assert_eq!(topics.input_named(topics.name(topic)), Some(topic));
        }
        assert_eq!(topics.name(OutputTopic::Failed), "dev.user.purge.failed");
        assert_eq!(topics.input_named("dev.user.purge.status"), None);
        assert_eq!(topics.input_named("other.delete.user"), None);
    }

    #[test]
    fn nothing_can_be_written_to_the_topic_of_deletions() {
        let same = TopicSettings { failed: "{env}.delete.user".to_owned(), ..settings() };
        assert_eq!(
            Topics::try_new("dev", &same),
            Err(InvalidTopics::Same("delete", "failed", "dev.delete.user".to_owned()))
        );
        let empty = TopicSettings { control: String::new(), ..settings() };
        assert_eq!(Topics::try_new("dev", &empty), Err(InvalidTopics::Empty("control")));
    }
}
