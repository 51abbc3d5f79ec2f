//! The Kafka adapter against a real broker.

mod groups;
pub mod harness;
pub mod member;
mod reading;
mod reseek;
mod writing;
