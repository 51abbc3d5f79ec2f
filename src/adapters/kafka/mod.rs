//! Apache Kafka: what is read, written and committed.
//!
//! Two threads of our own serve the input side. The *intake* thread owns the consumer, never stops polling and never
//! waits for anybody; the *committer* thread makes synchronous commits, which have no timeout (`facts/kafka.md` 8.2).
//! Both end with [`Intake::close`]. What they share is [`ownership::Ownership`]: who owns which partition since when.
//!
//! Nothing here knows what an event means: records are decoded by a function that is given at construction.

mod certificate;
mod client;
mod committing;
pub mod consumer;
mod contact;
pub mod decided;
mod failure;
mod files;
mod group_offsets;
mod handover;
mod hearing;
pub mod lag;
mod lane;
mod mailbox;
pub mod offsets;
mod outbox;
mod outsider;
pub mod ownership;
mod poller;
mod position;
pub mod producer;
pub mod reading;
mod rebalance;
mod refusal;
pub mod reseek;
pub mod side;
pub mod statuses;
#[cfg(test)]
mod tests;
pub mod topic_admin;
pub mod topics;
mod trouble;
pub mod worker_group;

pub use client::{ClientError, named_for};
pub use consumer::{Decode, Intake, IntakeError, IntakeOptions};
pub use contact::Contact;
pub use files::{Fingerprint, SettingsFiles};
pub use offsets::{Committer, Flushed};
pub use producer::KafkaPublisher;
pub use refusal::Refusal;
pub use topic_admin::TopicAdmin;
pub use topics::{Topic, Topics};
pub use trouble::{Trouble, Troubles};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a panicking thread left is read on: the values behind our locks are whole after every statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
