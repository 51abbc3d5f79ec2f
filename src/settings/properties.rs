//! librdkafka's properties that are not the operator's to set: the promises rest on them.

/// Names, aliases of librdkafka included, and what to do instead or why not.
pub const RESERVED_PROPERTIES: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("group.id", "set kafka.group"),
    ("session.timeout.ms", "set kafka.session_timeout"),
    ("heartbeat.interval.ms", "it follows kafka.session_timeout"),
    ("auto.commit.interval.ms", "set kafka.commit_interval"),
    ("enable.auto.commit", "an offset is committed when its event is settled, never before"),
    ("enable.auto.offset.store", "an offset is committed when its event is settled, never before"),
    ("auto.offset.reset", "the first start reads from the earliest offset, so that no deletion is missed"),
    ("partition.assignment.strategy", "the drain at a revocation needs cooperative-sticky in every member"),
    ("isolation.level", "records of aborted transactions are not work"),
    ("enable.partition.eof", "the intake reads no ends of partitions"),
    ("allow.auto.create.topics", "a missing topic is an error that an operator mends"),
    ("enable.idempotence", "a retried record must not be written twice"),
    ("acks", "a status counts when all replicas have it"),
    ("request.required.acks", "a status counts when all replicas have it"),
    ("transactional.id", "the worker writes without transactions"),
    ("delivery.report.only.error", "the worker waits for each acknowledgement"),
];

/// Why this property cannot be set in `kafka.properties`; `None` when it can.
pub fn reserved_property(name: &str) -> Option<&'static str> {
    RESERVED_PROPERTIES.iter().find(|(reserved, _)| *reserved == name).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    fn load(env: &[(&str, &str)]) -> Result<Settings, String> {
        let env = env.iter().map(|(key, value)| (format!("USER_PURGE_SYNC__KAFKA__{key}"), (*value).to_owned()));
        Settings::load(None, env).map_err(|error| error.to_string())
    }

    #[test]
    fn names_in_both_maps_get_their_dots_back() {
        let env = [("PROPERTIES__SASL_USERNAME", "purger"), ("PROPERTY_FILES__SASL_PASSWORD", "/secrets/password")];
        let kafka = load(&env).unwrap().kafka;
        assert_eq!(kafka.properties["sasl.username"], "purger");
        assert_eq!(kafka.property_files["sasl.password"], "/secrets/password");
    }

    #[test]
    fn a_property_is_in_one_place_and_a_promise_in_none() {
        let twice = load(&[("PROPERTIES__SASL_PASSWORD", "hunter2"), ("PROPERTY_FILES__SASL_PASSWORD", "/p")]);
        let twice = twice.unwrap_err();
        assert!(twice.contains("kafka.property_files.sasl.password: is in kafka.properties too"), "{twice}");
        assert!(!twice.contains("hunter2"), "{twice}");
        let reserved = load(&[("PROPERTY_FILES__ACKS", "/p")]).unwrap_err();
        assert!(reserved.contains("kafka.property_files.acks: cannot be set here"), "{reserved}");
    }
}
