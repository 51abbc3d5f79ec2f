//! Apache Kafka: what is read, written and committed.
