//! One partition as the intake thread reads it: its queue, and the gate that holds it back.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::Message;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

use super::consumer::Decode;
use super::position::Position;
use super::rebalance::IntakeContext;
use crate::domain::ids::{Epoch, Partition};
use crate::ports::log::{Delivery, Gate};

/// Records of one partition handed over at once (`facts/kafka.md` 8.9: from 256 on the hand-over costs next to nothing).
const BATCH: usize = 256;

/// One partition that is ours. Not reading its queue holds it back; pausing would throw away what is prefetched (8.8).
pub(super) struct Lane {
    pub partition: Partition,
    pub epoch: Epoch,
    pub gate: Arc<Gate>,
    pub queue: PartitionQueue<IntakeContext>,
    pub position: Position,
}

impl Lane {
    /// What is there, up to a batch and the gate's room; and the error that came after it.
    pub(super) fn read(&mut self, decode: Decode) -> (Vec<Delivery>, Option<KafkaError>) {
        let room = self.gate.room().min(BATCH);
        let (mut records, mut failure) = (Vec::new(), None);
        while records.len() < room {
            match self.queue.poll(Duration::ZERO).transpose() {
                Ok(Some(message)) => {
                    self.position.read(message.offset());
                    records.push(delivery(&message, self.partition, decode));
                }
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        // What was read is taken, even when the gate has been closed meanwhile: the pipeline gives it back.
        self.gate.take(records.len());
        (records, failure)
    }
}

/// Decoded here, so that no payload travels further.
#[expect(clippy::disallowed_methods, reason = "the edge where the calendar comes in")]
pub(super) fn delivery(message: &BorrowedMessage<'_>, partition: Partition, decode: Decode) -> Delivery {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Delivery {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        received: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        key: Delivery::key_of(message.key()),
        decoded: decode(partition.topic, message.payload()),
    }
}
