//! The Kafka adapter against a real broker.

mod groups;
pub mod harness;
mod reading;
mod writing;
