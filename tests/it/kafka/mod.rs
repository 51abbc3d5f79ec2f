//! The Kafka adapter against a real broker: `USER_PURGE_SYNC_TEST_KAFKA`, or the local stack's: `KAFKA_BROKERS`
//! of `deploy/local/stack env`, or 127.0.0.1:29092.

mod groups;
mod harness;
mod outage;
mod reading;
mod writing;
