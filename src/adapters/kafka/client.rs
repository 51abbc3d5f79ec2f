//! What the Kafka clients of the worker share: their properties, and where librdkafka's log lines go.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::contact::STATISTICS_MS;
use crate::adapters::secret;
use crate::settings::{KafkaSettings, reserved_property};

/// Replaces `{env}` in a configured name.
pub fn named_for(env: &str, template: &str) -> String {
    template.replace("{env}", env)
}

/// Why a client cannot be made: of what a person wrote, since nothing has been asked of Kafka yet.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It would break a promise of the worker.
    #[error("kafka.properties may not set `{property}`: {reason}")]
    Reserved { property: String, reason: &'static str },
    #[error("kafka.property_files.{property}: {path} cannot be read")]
    Unreadable { property: String, path: String, source: std::io::Error },
    /// Without the value that librdkafka repeats: behind a misspelt name that may be a password.
    #[error("kafka.properties.{property}: {problem}")]
    Refused { property: String, problem: String },
    /// Properties that do not go together, or name a file of certificates that is not there.
    #[error("kafka.properties")]
    Unusable(#[source] KafkaError),
}

impl ClientError {
    /// Rather than of a file, which may be there in a moment.
    pub fn is_of_properties(&self) -> bool {
        !matches!(self, Self::Unreadable { .. })
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, problem, property, _) => Self::Refused { property, problem },
            other => Self::Unusable(other),
        }
    }
}

/// The start of every client's configuration.
fn base(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", "user-purge-sync")
        // librdkafka's 10 s would be added to every outage.
        .set("reconnect.backoff.max.ms", "2000");
    config
}

/// The settings' own properties on top of ours, or the first one that may not be set.
fn with_properties(mut config: ClientConfig, settings: &KafkaSettings) -> Result<ClientConfig, ClientError> {
    for property in settings.properties.keys().chain(settings.property_files.keys()) {
        if let Some(reason) = reserved_property(property) {
            return Err(ClientError::Reserved { property: property.clone(), reason });
        }
    }
    for (property, value) in &settings.properties {
        config.set(property, value);
    }
    for (property, path) in &settings.property_files {
        config.set(
            property,
            secret::in_file(path.as_ref()).map_err(|source| ClientError::Unreadable {
                property: property.clone(),
                path: path.clone(),
                source,
            })?,
        );
    }
    Ok(config)
}

/// For reading topics as a member of `group`.
pub(super) fn consumer_config(settings: &KafkaSettings, group: &str) -> Result<ClientConfig, ClientError> {
    let mut config = base(settings);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("statistics.interval.ms", STATISTICS_MS)
        // 8.8: with librdkafka's 1000 ms a full queue costs six sevenths of the speed.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "4096")
        // 8.8: one fetch is under way per broker, and a partition that is caught up makes it wait; with a queue that is
        // refilled late and the default 500 ms the partition that has work would fall to 10,000 records a second.
        .set("queued.min.messages", "20000")
        .set("fetch.wait.max.ms", "100");
    // 8.6: with KIP-848 these belong to the broker, and the client refuses them.
    if settings.properties.get("group.protocol").map(String::as_str) != Some("consumer") {
        let session = settings.session_timeout.as_millis();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 10).clamp(300, 3000).to_string());
    }
    with_properties(config, settings)
}

/// For writing records.
pub(super) fn producer_config(settings: &KafkaSettings) -> Result<ClientConfig, ClientError> {
    let mut config = base(settings);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // As Java's producers do, so that a key's records meet in one partition whoever wrote them.
        .set("partitioner", "murmur2_random")
        // 8.10: faster than zstd at less CPU; built into librdkafka.
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("delivery.timeout.ms", "30000")
        .set("statistics.interval.ms", STATISTICS_MS)
        // A topic that is gone is told soon; start-up has seen it, so metadata cannot still be on its way.
        .set("topic.metadata.propagation.max.ms", "5000");
    with_properties(config, settings)
}

/// For asking about topics and creating them.
pub(super) fn admin_config(settings: &KafkaSettings) -> Result<ClientConfig, ClientError> {
    with_properties(base(settings), settings)
}

/// Sends librdkafka's lines to `tracing`, quietly: whatever a person must know arrives as an error too, and is told
/// once by whoever polls.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::trace!(target: "librdkafka", facility, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::settings::RESERVED_PROPERTIES;

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            brokers: "127.0.0.1:9092".to_owned(),
            group: "{env}-group".to_owned(),
            session_timeout: Duration::from_secs(45),
            commit_interval: Duration::from_secs(1),
            properties: properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            property_files: BTreeMap::new(),
        }
    }

    #[test]
    fn a_property_that_would_break_a_promise_is_refused_by_name() {
        for (property, _) in RESERVED_PROPERTIES {
            let settings = settings(&[(property, "x")]);
            for refused in [
                consumer_config(&settings, "group").err(),
                producer_config(&settings).err(),
                admin_config(&settings).err(),
            ] {
                assert!(refused.is_some_and(|refused| refused.to_string().contains(property)), "{property}");
            }
        }
    }

    #[test]
    fn every_client_is_accepted_by_librdkafka_with_properties_of_the_field() {
        let security = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-512"), ("linger.ms", "20")];
        let settings = settings(&security);
        let configs = [consumer_config(&settings, "group"), producer_config(&settings), admin_config(&settings)];
        for config in configs.map(Result::unwrap) {
            assert_eq!(config.get("security.protocol"), Some("SASL_SSL"));
            config.create_native_config().unwrap();
        }
        assert_eq!(producer_config(&settings).unwrap().get("linger.ms"), Some("20"), "an own property wins");
    }

    #[test]
    fn the_new_group_protocol_gets_no_settings_that_belong_to_the_broker() {
        let config = consumer_config(&settings(&[("group.protocol", "consumer")]), "group").unwrap();
        let set: BTreeMap<_, _> = config.config_map().clone().into_iter().collect();
        for property in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
            assert!(!set.contains_key(property), "{property}");
        }
    }

    #[test]
    fn a_misspelt_property_is_named_and_its_value_is_not_told() {
        let config = admin_config(&settings(&[("sasl.passwrd", "hunter2")])).unwrap();
        let error =
            config.create::<rdkafka::consumer::BaseConsumer>().map_err(ClientError::from).err().unwrap().to_string();
        assert!(error.contains("kafka.properties.sasl.passwrd") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn names_are_of_their_environment() {
        assert_eq!(named_for("dev", "{env}.delete.user"), "dev.delete.user");
        assert_eq!(named_for("dev", "fixed"), "fixed");
    }
}
