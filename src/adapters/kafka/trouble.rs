//! Errors of the consumer that pass or that a person must mend: told once per change, never the end of the thread.

use std::sync::Mutex;

use rdkafka::types::RDKafkaErrorCode;

use super::contact::Contact;
use super::locked;
use super::refusal::Refusal;

/// What kind of trouble an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No broker answers; Kafka's own retries go on for ever.
    Unreachable,
    /// The two do not come to terms: certificates, the login, a token.
    Refused,
    /// The rights on a topic or the group.
    Unauthorized,
    /// A topic is gone: `check --create-topics`.
    TopicMissing,
    Other,
}

impl Trouble {
    /// Seen in `facts/kafka.md` 8.2: an outage is about twenty errors in 25 s, of the first kind.
    ///
    /// | error | trouble |
    /// | --- | --- |
    /// | transport, all brokers down, resolve, time, network | unreachable |
    /// | authentication, TLS | refused |
    /// | authorization | unauthorized |
    /// | unknown topic or partition, unknown topic, unknown topic id | topic missing |
    /// | all others | other |
    fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as Code;
        match code {
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException => Self::Unreachable,
            Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => Self::Refused,
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                Self::Unauthorized
            }
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => Self::TopicMissing,
            _ => Self::Other,
        }
    }

    pub const ALL: [Self; 5] = [Self::Unreachable, Self::Refused, Self::Unauthorized, Self::TopicMissing, Self::Other];

    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::TopicMissing => "topic_missing",
            Self::Other => "other",
        }
    }
}

/// The present trouble of the consumer.
#[derive(Debug, Default)]
pub struct Troubles {
    now: Mutex<Option<Trouble>>,
    /// librdkafka tells why in words, right before it tells the code.
    refusal: Mutex<Option<Refusal>>,
    pub(super) contact: Contact,
}

impl Troubles {
    /// A client that has forgotten every broker tells no error any more.
    pub fn now(&self) -> Option<Trouble> {
        locked(&self.now).or_else(|| self.contact.is_lost().then_some(Trouble::Unreachable))
    }

    /// The consumer's.
    pub fn contact(&self) -> Contact {
        self.contact.clone()
    }

    /// What is said beside the code that is noted next.
    pub(super) fn hear(&self, refusal: Refusal) {
        *locked(&self.refusal) = Some(refusal);
    }

    pub(super) fn note(&self, code: RDKafkaErrorCode) {
        let trouble = Trouble::of(code);
        let refusal = locked(&self.refusal).take();
        let is_news = match locked(&self.now).as_mut() {
            // Every broker is away that refuses: the reason stays the trouble, not its consequence.
            Some(Trouble::Refused) if trouble == Trouble::Unreachable => false,
            Some(now) => std::mem::replace(now, trouble) != trouble,
            None => true,
        };
        locked(&self.now).get_or_insert(trouble);
        match trouble {
            _ if !is_news => {}
            Trouble::Unreachable => tracing::warn!(error = %code, "kafka does not answer, waiting for it"),
            Trouble::Refused => {
                let problem = refusal.map(|refusal| refusal.to_string());
                tracing::error!(error = %code, problem, "kafka refuses the consumer: a person must mend it, its work waits");
            }
            Trouble::Unauthorized => tracing::error!(error = %code, "kafka refuses the consumer: see kafka.properties"),
            Trouble::TopicMissing => tracing::error!(error = %code, "a topic is gone: `check --create-topics`"),
            Trouble::Other => tracing::warn!(error = %code, "kafka consumer error"),
        }
    }

    /// The group has given an assignment: whatever it was, it is over, or will be told again.
    pub(super) fn clear(&self) {
        if let Some(trouble) = locked(&self.now).take() {
            tracing::info!(trouble = trouble.label(), "kafka answers again");
        }
    }

    /// Records came, or a connection stands: says nothing of the rights on other topics, or whether they are there.
    pub(super) fn reached(&self) {
        match self.now() {
            Some(Trouble::Unreachable | Trouble::Refused | Trouble::Other) => self.clear(),
            Some(Trouble::Unauthorized | Trouble::TopicMissing) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_ends_with_what_disproves_it() {
        use RDKafkaErrorCode as Code;
        let troubles = Troubles::default();
        for (code, trouble) in [
            (Code::AllBrokersDown, Trouble::Unreachable),
            (Code::BrokerTransportFailure, Trouble::Unreachable),
            (Code::Authentication, Trouble::Refused),
            (Code::SSL, Trouble::Refused),
            (Code::TopicAuthorizationFailed, Trouble::Unauthorized),
            (Code::UnknownTopicOrPartition, Trouble::TopicMissing),
            (Code::PollExceeded, Trouble::Other),
        ] {
            troubles.note(code);
            assert_eq!(troubles.now(), Some(trouble), "{code}");
            troubles.reached();
            let is_over = matches!(trouble, Trouble::Unreachable | Trouble::Refused | Trouble::Other);
            assert_eq!(troubles.now().is_none(), is_over, "{code}");
            troubles.note(code);
            troubles.clear();
            assert_eq!(troubles.now(), None, "{code}");
        }
    }

    #[test]
    fn a_broker_that_refuses_is_not_told_as_one_that_is_away() {
        let troubles = Troubles::default();
        troubles.note(RDKafkaErrorCode::SSL);
        troubles.note(RDKafkaErrorCode::AllBrokersDown);
        assert_eq!(troubles.now(), Some(Trouble::Refused));
    }
}
