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
