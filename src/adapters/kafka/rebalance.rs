//! What librdkafka calls on the intake thread, inside a poll: rebalances and statistics.
//!
//! The callback only writes down what the thread does right after that poll: splitting queues needs the consumer's
//! `Arc`, and a revocation waits for the pipeline. Two cases are answered here and now: a lost assignment, which nobody
//! can save, and a closing consumer, whose drop would wait for ever (`facts/kafka.md` 8.4).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};
use tokio::sync::oneshot;

use super::lag::Watermarks;
use super::ownership::Ownership;
use super::refusal::Refusal;
use super::reseek::{Asked, ReseekRequest, Reseeked};
use super::topics::Topics;
use super::trouble::Troubles;
use super::{client, locked};
use crate::domain::ids::{Epoch, Partition};

/// What a rebalance asks the thread to do.
#[derive(Debug)]
pub(super) enum Change {
    /// Not assigned yet.
    Assign(TopicPartitionList),
    /// Not given up yet.
    Revoke(TopicPartitionList),
    /// Gone, and given up.
    Lost(Vec<(Partition, Epoch)>),
}

/// What the callbacks, the thread and the handle share.
#[derive(Debug)]
pub(super) struct IntakeContext {
    pub topics: Arc<Topics>,
    pub ownership: Arc<Ownership>,
    pub watermarks: Arc<Watermarks>,
    pub troubles: Arc<Troubles>,
    pub closing: AtomicBool,
    changes: Mutex<VecDeque<Change>>,
    asked: Mutex<VecDeque<Asked>>,
}

impl IntakeContext {
    pub(super) fn new(topics: Arc<Topics>) -> Self {
        Self {
            topics,
            ownership: Arc::default(),
            watermarks: Arc::default(),
            troubles: Arc::default(),
            closing: AtomicBool::new(false),
            changes: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        locked(&self.changes).pop_front()
    }

    pub(super) fn ask(&self, request: ReseekRequest, answer: oneshot::Sender<Reseeked>) {
        // Without a thread nobody would ever answer.
        if !self.closing.load(Ordering::Acquire) {
            locked(&self.asked).push_back((request, answer));
        }
    }

    pub(super) fn next_asked(&self) -> Option<Asked> {
        locked(&self.asked).pop_front()
    }

    /// The partitions of a list, in our words.
    pub(super) fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let named = |name: &str, number| self.topics.input_named(name).map(|topic| Partition { topic, number });
        list.elements().iter().filter_map(|element| named(element.topic(), element.partition())).collect()
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let is_lost = consumer.assignment_lost();
        if !is_lost && !self.closing.load(Ordering::Acquire) {
            locked(&self.changes).push_back(Change::Revoke(list.clone()));
            return Ok(());
        }
        // Order: the epochs end before the group can learn that the partitions are free.
        let gone = self.ownership.end(self.partitions(list));
        self.ownership.count_change();
        if is_lost {
            locked(&self.changes).push_back(Change::Lost(gone));
        }
        give_up(consumer, list)
    }
}

/// Takes the partitions of an ASSIGN, in the words of the protocol that is spoken.
pub(super) fn take_on(consumer: &BaseConsumer<IntakeContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    }
}

/// Answers a REVOKE: the partitions are free for others.
pub(super) fn give_up(consumer: &BaseConsumer<IntakeContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        // 8.4: seen at close.
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

impl ConsumerContext for IntakeContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let answered = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if self.closing.load(Ordering::Acquire) => {
                take_on(consumer, list)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                locked(&self.changes).push_back(Change::Assign(list.clone()));
                Ok(())
            }
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "rebalance answered too late");
        }
    }
}

impl ClientContext for IntakeContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    /// Comes by the poll as well, and is told there.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if let Some(refusal) = error.rdkafka_error_code().and_then(|code| Refusal::of(code, reason)) {
            self.troubles.hear(refusal);
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.watermarks.update(&statistics, &self.topics);
        self.troubles.contact.update(&statistics);
        // The brokers of the configuration stand there too, as -1: only the others carry the traffic.
        if statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP") {
            self.troubles.reached();
        }
    }
}
