//! The handle of the intake: starts its two threads, tells how they are, closes them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::sync::{mpsc, oneshot};

use super::client::{ClientError, consumer_config};
use super::group_offsets::GroupOffsets;
use super::lag::Watermarks;
use super::offsets::{Committer, Flushed, Pace};
use super::outbox::Outbox;
use super::ownership::Ownership;
use super::poller::{Parts, Poller};
use super::rebalance::IntakeContext;
use super::reseek::Reseeks;
use super::topics::Topics;
use super::trouble::Troubles;
use crate::domain::event::Decoded;
use crate::domain::ids::{InputTopic, Partition};
use crate::ports::log::{Arrival, CommitPoint};
use crate::ports::pulse::Pulse;
use crate::settings::KafkaSettings;

/// Turns a payload into an event, on the intake thread: pure, and quick.
pub type Decode = fn(InputTopic, Option<&[u8]>) -> Decoded;

/// Batches that wait between the intake and the pipeline.
const ARRIVALS: usize = 64;
/// The last commit takes a millisecond, or Kafka is away and a restart does again what was not committed.
const FINAL_COMMIT_LIMIT: Duration = Duration::from_secs(3);
/// 8.11: leaving takes 0.1 s, or 5 s behind a join of another member.
const LEAVE_LIMIT: Duration = Duration::from_secs(6);

/// What one run of the worker reads.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// The group's name, `{env}` replaced.
    pub group: String,
    pub inputs: Vec<InputTopic>,
    /// How many records of a partition may wait unopened.
    pub room: usize,
    pub decode: Decode,
    /// How long the pipeline may drain before it answers a revocation.
    pub drain_timeout: Duration,
    /// Where the thread shows that it lives.
    pub pulse: Arc<Pulse>,
}

/// Why the intake did not start, ended, or did not close well.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("kafka consumer cannot be made")]
    Client(#[from] ClientError),
    #[error("thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("kafka consumer has failed for good")]
    Fatal(#[source] KafkaError),
    #[error("rebalance cannot be answered")]
    Rebalance(#[source] KafkaError),
    #[error("partition cannot be read from another offset")]
    Seek(#[source] KafkaError),
    #[error("partition {0:?} has no queue")]
    Queue(Partition),
    #[error("intake thread has panicked")]
    Panicked,
    #[error("last offsets are not committed: {0:?}")]
    FinalCommit(Flushed),
    #[error("group is not left within {} s", LEAVE_LIMIT.as_secs())]
    Leave,
}

/// The running intake. Dropped without [`Intake::close`], its threads end by themselves, and nothing more is committed.
#[derive(Debug)]
pub struct Intake {
    context: Arc<IntakeContext>,
    committer: Committer,
    /// `None` once it has been heard.
    ended: Option<oneshot::Receiver<Result<(), IntakeError>>>,
}

impl Intake {
    /// Starts the threads; Kafka need not answer yet. Whether the topics are there is for `TopicAdmin::missing` to say.
    pub fn start(
        settings: &KafkaSettings,
        topics: &Arc<Topics>,
        options: &IntakeOptions,
    ) -> Result<(Self, mpsc::Receiver<Arrival>), IntakeError> {
        let config = consumer_config(settings, &options.group)?;
        let context = IntakeContext::new(Arc::clone(topics));
        let consumer: BaseConsumer<_> = config.create_with_context(context).map_err(ClientError::from)?;
        let names: Vec<_> = options.inputs.iter().map(|topic| topics.name(*topic)).collect();
        consumer.subscribe(&names).map_err(ClientError::from)?;
        let consumer = Arc::new(consumer);
        let context = Arc::clone(consumer.client().context());

        let store = GroupOffsets(Arc::clone(&consumer));
        let pace = Pace::of_session(settings.session_timeout);
        let (committer, committing) =
            Committer::start(store, Arc::clone(&context.ownership), pace).map_err(IntakeError::Thread)?;
        let (pipeline, arrivals) = mpsc::channel(ARRIVALS);
        let parts = Parts {
            consumer,
            committer: committer.clone(),
            committing,
            pulse: Arc::clone(&options.pulse),
            outbox: Outbox::new(pipeline),
            room: options.room,
            decode: options.decode,
            drain_timeout: options.drain_timeout,
        };
        // Order: before the thread begins, so that one that hangs from the first round on is missed too.
        options.pulse.beat();
        let ended = Some(spawn(parts).map_err(IntakeError::Thread)?);
        Ok((Self { context, committer, ended }, arrivals))
    }

    /// Where offsets are committed.
    pub fn committer(&self) -> Committer {
        self.committer.clone()
    }

    pub fn watermarks(&self) -> Arc<Watermarks> {
        Arc::clone(&self.context.watermarks)
    }

    pub fn ownership(&self) -> Arc<Ownership> {
        Arc::clone(&self.context.ownership)
    }

    /// Where partitions are set back while they are read.
    pub fn reseeks(&self) -> Reseeks {
        Reseeks(Arc::clone(&self.context))
    }

    /// Where it is told what keeps Kafka from serving the consumer.
    pub fn troubles(&self) -> Arc<Troubles> {
        Arc::clone(&self.context.troubles)
    }

    /// Ready when the thread has ended by itself: the process cannot go on. Cancellable; pending for ever after that.
    pub async fn failure(&mut self) -> IntakeError {
        let Some(ended) = &mut self.ended else { return std::future::pending().await };
        let outcome = ended.await;
        self.ended = None;
        match outcome {
            Ok(Err(error)) => error,
            // Without close() it ends by an error or a panic only.
            Ok(Ok(())) | Err(_) => IntakeError::Panicked,
        }
    }

    /// Commits the last points, leaves the group and ends the threads. The pipeline has drained before.
    ///
    /// Takes 0.1 s, 9 s at most; after an error the process can only exit, which no thread of ours holds up.
    pub async fn close(mut self, final_points: Vec<CommitPoint>) -> Result<(), IntakeError> {
        // Order: the thread still polls during the last commit, so the member is not thrown out meanwhile.
        let flushed = if final_points.is_empty() {
            Flushed::Committed
        } else {
            self.committer.flush(final_points).within(FINAL_COMMIT_LIMIT).await
        };
        self.context.closing.store(true, Ordering::Release);
        if let Some(ended) = self.ended.take() {
            match tokio::time::timeout(LEAVE_LIMIT, ended).await {
                Ok(Ok(outcome)) => outcome?,
                Ok(Err(_)) => return Err(IntakeError::Panicked),
                Err(_) => return Err(IntakeError::Leave),
            }
        }
        match flushed {
            Flushed::Committed => Ok(()),
            Flushed::Fenced | Flushed::Failed => Err(IntakeError::FinalCommit(flushed)),
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.context.closing.store(true, Ordering::Release);
    }
}

fn spawn(parts: Parts) -> std::io::Result<oneshot::Receiver<Result<(), IntakeError>>> {
    let (told, ended) = oneshot::channel();
    thread::Builder::new().name("intake".to_owned()).spawn(move || {
        let mut poller = Poller::new(parts);
        // Whoever asked may have stopped waiting.
        match poller.run() {
            Ok(()) => {
                poller.leave();
                told.send(Ok(())).ok();
            }
            Err(error) => {
                // Order: told first, because leaving may take seconds and the process is to end.
                told.send(Err(error)).ok();
                poller.leave();
            }
        }
    })?;
    Ok(ended)
}
