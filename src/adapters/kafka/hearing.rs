//! What a client hears beside its answers: librdkafka's log lines, and why a broker refuses it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, Statistics};

use super::contact::Contact;
use super::refusal::{Cause, Refusal};
use super::topic_admin::TopicError;
use super::{certificate, client, locked};

/// Of one question.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// librdkafka waits out its time although it was refused at once: it is asked for as long in slices.
const SLICE: Duration = Duration::from_secs(1);
/// What is heard may be a step behind what failed.
const LISTENING: Duration = Duration::from_millis(200);
const MOMENT: Duration = Duration::from_millis(20);

/// The context of every client but the intake's.
#[derive(Debug, Clone)]
pub(super) struct Hearing {
    brokers: String,
    authorities: Option<PathBuf>,
    speaks_tls: bool,
    refusal: Arc<Mutex<Option<Refusal>>>,
    /// Of a client that is configured to tell statistics.
    contact: Contact,
}

impl Hearing {
    pub(super) fn of(config: &ClientConfig) -> Self {
        Self {
            brokers: config.get("bootstrap.servers").unwrap_or_default().to_owned(),
            authorities: config.get("ssl.ca.location").map(PathBuf::from),
            speaks_tls: config.get("security.protocol").is_some_and(|name| name.to_ascii_uppercase().contains("SSL")),
            refusal: Arc::default(),
            contact: Contact::default(),
        }
    }

    pub(super) fn contact(&self) -> Contact {
        self.contact.clone()
    }

    /// A broker that waits for a handshake hangs up without a word, as one does that is about to stop: it is asked.
    /// Blocks.
    fn unspoken(&self) -> Option<Refusal> {
        let broker = (!self.speaks_tls).then(|| certificate::speaks_tls(&self.brokers)).flatten()?;
        Some(Refusal { cause: Cause::Protocol, said: format!("{broker} speaks TLS, and the client does not") })
    }

    /// Why it is refused, in librdkafka's words; `None` where it is not, or Kafka is only away.
    pub(super) fn said(&self) -> Option<Refusal> {
        locked(&self.refusal).clone()
    }

    /// The same more exactly; asks the brokers for their certificates, and blocks meanwhile.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let mut refusal = self.said()?;
        if refusal.cause == Cause::BrokerCertificate
            && let Some(problem) = certificate::problem(&self.brokers, self.authorities.as_deref())
        {
            refusal.said = problem;
        }
        Some(refusal)
    }

    /// It has an answer, so whatever it was is over.
    pub(super) fn forget(&self) {
        *locked(&self.refusal) = None;
    }
}

impl ClientContext for Hearing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let refusal = error.rdkafka_error_code().and_then(|code| Refusal::of(code, reason));
        if refusal.is_some() {
            *locked(&self.refusal) = refusal;
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.contact.update(&statistics);
    }
}

impl ConsumerContext for Hearing {}

/// A client whose errors are heard when it is told to listen.
pub(super) trait Listen: Consumer<Hearing> {
    /// Takes what is to be heard now, and waits a moment.
    fn listen(&self);
}

impl Listen for BaseConsumer<Hearing> {
    fn listen(&self) {
        drop(self.poll(MOMENT));
    }
}

impl Listen for StreamConsumer<Hearing> {
    #[expect(clippy::disallowed_methods, reason = "whoever asks blocks anyway, on a thread that is there for it")]
    fn listen(&self) {
        drop(self.recv().now_or_never());
        std::thread::sleep(MOMENT);
    }
}

/// What Kafka says of a topic, or of all; blocks. For consumers that read nothing yet: a record would be passed over.
///
/// # Errors
/// When Kafka does not answer within [`LIMIT`], or refuses the client.
pub(super) fn metadata(consumer: &impl Listen, topic: Option<&str>) -> Result<Metadata, TopicError> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let error = match consumer.fetch_metadata(topic, SLICE) {
            Ok(metadata) => {
                consumer.context().forget();
                return Ok(metadata);
            }
            Err(error) => error,
        };
        if let Some(refusal) = heard(consumer) {
            return Err(TopicError::Terms(refusal));
        }
        if Instant::now() > deadline {
            let unspoken = consumer.context().unspoken();
            return Err(unspoken.map_or(TopicError::Unreachable(error), TopicError::Terms));
        }
    }
}

fn heard(consumer: &impl Listen) -> Option<Refusal> {
    let deadline = Instant::now() + LISTENING;
    while Instant::now() < deadline && locked(&consumer.context().refusal).is_none() {
        consumer.listen();
    }
    consumer.context().refusal()
}
