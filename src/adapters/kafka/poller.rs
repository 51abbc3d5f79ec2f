//! The intake thread: polls, decodes, hands over, answers rebalances; waits for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::sync::oneshot;

use super::consumer::{Decode, IntakeError};
use super::group_offsets;
use super::handover::{Handover, Progress};
use super::lane::{Lane, delivery};
use super::offsets::Committer;
use super::outbox::Outbox;
use super::position::Position;
use super::rebalance::{Change, IntakeContext, give_up, take_on};
use super::reseek::Reseek;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::metadata::Metadata;
use crate::ports::log::{Arrival, Assignment, Delivery, Gate};
use crate::ports::pulse::Pulse;

/// A queue of one partition wakes nobody, so the thread looks again after so long: what an event waits at most.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What the thread is given.
pub(super) struct Parts {
    pub consumer: Arc<BaseConsumer<IntakeContext>>,
    pub committer: Committer,
    pub committing: JoinHandle<()>,
    pub pulse: Arc<Pulse>,
    pub outbox: Outbox,
    /// How many records of a partition may wait unopened.
    pub room: usize,
    pub decode: Decode,
    /// How long the pipeline may drain.
    pub drain_timeout: Duration,
}

/// The thread's own.
pub(super) struct Poller {
    pub(super) parts: Parts,
    pub(super) lanes: Vec<Lane>,
    /// Whose turn it is: a pipeline that is always full must not starve the last ones.
    pub(super) turn: usize,
    pub(super) handover: Option<Handover>,
    pub(super) reseek: Option<Reseek>,
}

impl Poller {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, lanes: Vec::new(), turn: 0, handover: None, reseek: None }
    }

    /// Until it is told to close, or until a fatal error.
    pub(super) fn run(&mut self) -> Result<(), IntakeError> {
        let mut wait = Duration::ZERO;
        while !self.context().closing.load(Ordering::Acquire) {
            self.poll_consumer(wait)?;
            while let Some(change) = self.context().next_change() {
                self.apply(change)?;
            }
            self.advance_handover()?;
            self.advance_reseek()?;
            let has_read = self.read_lanes()?;
            self.tell_removed();
            wait = if has_read { Duration::ZERO } else { (wait * 2).clamp(SHORTEST_WAIT, LONGEST_WAIT) };
        }
        Ok(())
    }

    /// Answers what is unanswered, ends the committer and leaves the group.
    ///
    /// Order: the committer holds the consumer too, so it ends first; then the last handle is dropped here, which leaves
    /// the group and takes up to 5 s behind a join of others (8.11).
    pub(super) fn leave(mut self) {
        self.context().closing.store(true, Ordering::Release);
        let unanswered = self.handover.take().map(|handover| handover.list);
        if let Some(list) = unanswered {
            self.release(&list);
        }
        while let Some(change) = self.context().next_change() {
            match change {
                Change::Assign(list) => told(take_on(&self.parts.consumer, &list)),
                Change::Revoke(list) => self.release(&list),
                Change::Lost(_) => {}
            }
        }
        self.lanes.clear();
        self.reseek = None;
        self.parts.committer.stop();
        if self.parts.committing.join().is_err() {
            tracing::error!("the committer has panicked");
        }
    }

    pub(super) fn context(&self) -> &IntakeContext {
        self.parts.consumer.client().context()
    }

    /// Serves rebalances, errors and statistics. Waits here, where a rebalance wakes it.
    fn poll_consumer(&mut self, wait: Duration) -> Result<(), IntakeError> {
        let stray = match self.parts.consumer.poll(wait) {
            None => None,
            Some(Err(error)) => return self.note(error),
            Some(Ok(message)) => {
                let number = message.partition();
                let topic = self.context().topics.input_named(message.topic());
                topic.map(|topic| {
                    (Partition { topic, number }, delivery(&message, Partition { topic, number }, self.parts.decode))
                })
            }
        };
        self.parts.pulse.beat();
        // Never seen: all records come by the queues of their partitions (8.8). But one that did come must not be lost.
        if let Some((partition, record)) = stray {
            self.deliver_stray(partition, record);
        }
        Ok(())
    }

    fn deliver_stray(&mut self, partition: Partition, record: Delivery) {
        if let Some(lane) = self.lanes.iter().find(|lane| lane.partition == partition) {
            // At most what there is: a record too many must not wrap the room round.
            lane.gate.take(lane.gate.room().min(1));
            self.parts.outbox.push(Arrival::Records { partition, epoch: lane.epoch, records: vec![record] });
        }
    }

    /// Reads one batch of each partition whose gate has room, while the pipeline takes them.
    fn read_lanes(&mut self) -> Result<bool, IntakeError> {
        let mut has_read = false;
        for _ in 0..self.lanes.len() {
            if !self.parts.outbox.hand_over() {
                return Ok(has_read);
            }
            self.turn = (self.turn + 1) % self.lanes.len();
            let lane = &mut self.lanes[self.turn];
            let (records, error) = lane.read(self.parts.decode);
            if !records.is_empty() {
                has_read = true;
                self.parts.outbox.push(Arrival::Records { partition: lane.partition, epoch: lane.epoch, records });
            }
            error.map_or(Ok(()), |error| self.note(error))?;
        }
        if has_read {
            self.context().troubles.reached();
        }
        self.parts.outbox.hand_over();
        Ok(has_read)
    }

    /// Nobody will ever do what retention took: a person must know.
    fn tell_removed(&mut self) {
        let watermarks = Arc::clone(&self.context().watermarks);
        for (partition, low) in watermarks.take_lows() {
            let lane = self.lanes.iter_mut().find(|lane| lane.partition == partition);
            if let Some((from, removed)) = lane.and_then(|lane| lane.position.removed(low)) {
                let (topic, number) = (partition.topic.label(), partition.number);
                tracing::error!(topic, partition = number, from, removed, "records were removed before they were read");
                watermarks.count_missed(partition.topic, removed);
            }
        }
    }

    /// An error that passes is told once; a fatal one ends the thread.
    fn note(&self, error: KafkaError) -> Result<(), IntakeError> {
        self.parts.pulse.beat();
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(IntakeError::Fatal(error));
        }
        // Every error of consuming has a code.
        error.rdkafka_error_code().into_iter().for_each(|code| self.context().troubles.note(code));
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<(), IntakeError> {
        match change {
            Change::Assign(list) => self.assign(&list),
            Change::Revoke(list) => self.revoke(list),
            Change::Lost(gone) => {
                self.forget(&gone);
                tracing::warn!(partitions = gone.len(), "partitions lost: the group has moved on without this member");
                self.parts.outbox.push(Arrival::Lost { partitions: gone });
                Ok(())
            }
        }
    }

    fn assign(&mut self, list: &TopicPartitionList) -> Result<(), IntakeError> {
        let mut assigned = Vec::new();
        let partitions = self.context().partitions(list);
        // Without them the work is done again, which harms nobody: less than a start that waits for a coordinator.
        let mut progress = group_offsets::progress(&self.parts.consumer, &partitions).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read what is settled above the committed offsets: it is done again");
            BTreeMap::new()
        });
        for partition in partitions {
            // Order: split before assigned. A queue that the application has split stays so (librdkafka
            // `RD_KAFKA_Q_F_FWD_APP`), so no record can come by the main queue, where no gate holds it.
            let name = self.context().topics.name(partition.topic);
            let queue = self.parts.consumer.split_partition_queue(name, partition.number);
            let queue = queue.ok_or(IntakeError::Queue(partition))?;
            let epoch = self.context().ownership.begin(partition);
            let gate = Arc::new(Gate::new(self.parts.room));
            let (committed, Metadata { settled, replay }) =
                progress.remove(&partition).map_or_else(Default::default, |(at, said)| (Some(at), said));
            let position = Position::committed(committed);
            assigned.push(Assignment { partition, epoch, settled, replay, gate: Arc::clone(&gate) });
            self.lanes.push(Lane { partition, epoch, gate, queue, position });
        }
        take_on(&self.parts.consumer, list).map_err(IntakeError::Rebalance)?;
        self.context().ownership.count_change();
        self.parts.pulse.set_joined();
        self.context().troubles.clear();
        if !assigned.is_empty() {
            tracing::info!(partitions = assigned.len(), "partitions assigned");
            self.parts.outbox.push(Arrival::Assigned(assigned));
        }
        Ok(())
    }

    fn revoke(&mut self, list: TopicPartitionList) -> Result<(), IntakeError> {
        let since = self.context().ownership.count_change();
        let owned = |partition| self.context().ownership.epoch(partition).map(|epoch| (partition, epoch));
        let partitions: Vec<_> = self.context().partitions(&list).into_iter().filter_map(owned).collect();
        if partitions.is_empty() {
            return give_up(&self.parts.consumer, &list).map_err(IntakeError::Rebalance);
        }
        tracing::info!(partitions = partitions.len(), "partitions go to another member: draining");
        self.forget(&partitions);
        let (answer, answered) = oneshot::channel();
        self.parts.outbox.push(Arrival::Revoking { partitions: partitions.clone(), answer });
        self.handover = Some(Handover::new(list, partitions, answered, since, self.parts.drain_timeout));
        Ok(())
    }

    fn advance_handover(&mut self) -> Result<(), IntakeError> {
        let Some(mut handover) = self.handover.take() else { return Ok(()) };
        let progress = handover.advance(&self.parts.committer);
        if progress == Progress::Waiting {
            self.handover = Some(handover);
            return Ok(());
        }
        // Order: the epochs end before the group can learn that the partitions are free.
        self.context().ownership.end(handover.partitions.iter().map(|(partition, _)| *partition));
        if progress == Progress::Lost {
            self.parts.outbox.push(Arrival::Lost { partitions: handover.partitions });
        }
        give_up(&self.parts.consumer, &handover.list).map_err(IntakeError::Rebalance)
    }

    /// Reads these no more, and takes back what was not handed over.
    fn forget(&mut self, gone: &[(Partition, Epoch)]) {
        self.cancel_reseek(gone);
        self.lanes.retain(|lane| !gone.contains(&(lane.partition, lane.epoch)));
        self.parts.outbox.forget(gone);
        self.turn = 0;
    }

    fn release(&self, list: &TopicPartitionList) {
        self.context().ownership.end(self.context().partitions(list));
        told(give_up(&self.parts.consumer, list));
    }
}

/// While leaving, an answer that is not wanted any more harms nobody.
fn told(answered: Result<(), KafkaError>) {
    if let Err(error) = answered {
        tracing::debug!(%error, "rebalance answered while leaving");
    }
}
