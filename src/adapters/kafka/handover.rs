//! A revocation under way: the pipeline answers, its points are committed, then the partitions are given up.
//!
//! Meanwhile the thread goes on polling, and the whole member stands still (`facts/kafka.md` 8.4), so every step is bounded.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::offsets::{Committer, Flush, Flushed};
use crate::domain::ids::{Epoch, Partition};
use crate::ports::log::CommitPoint;

/// The pipeline answers within `drain_timeout` (2 s); only a fault there makes it later.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// A commit takes a millisecond, or Kafka is in trouble and the next owner does again what was not committed.
const COMMIT_LIMIT: Duration = Duration::from_secs(3);

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    /// The partitions can be given up.
    Done,
    /// They can be given up, and the pipeline, which has not answered, must hear that they are gone.
    Lost,
}

enum Step {
    Answering(oneshot::Receiver<Vec<CommitPoint>>),
    Committing(Flush),
}

pub(super) struct Handover {
    pub list: TopicPartitionList,
    pub partitions: Vec<(Partition, Epoch)>,
    /// How many changes of ownership there had been with this one: a commit that was sent since then and is fenced says
    /// that the group has expelled us; librdkafka does not (8.4).
    since: u64,
    step: Step,
    deadline: Instant,
}

impl Handover {
    pub(super) fn new(
        list: TopicPartitionList,
        partitions: Vec<(Partition, Epoch)>,
        answer: oneshot::Receiver<Vec<CommitPoint>>,
        since: u64,
    ) -> Self {
        Self { list, partitions, since, step: Step::Answering(answer), deadline: Instant::now() + ANSWER_LIMIT }
    }

    pub(super) fn advance(&mut self, committer: &Committer) -> Progress {
        let is_late = Instant::now() >= self.deadline;
        match &mut self.step {
            Step::Answering(_) if committer.was_fenced_since(self.since) => {
                tracing::warn!("expelled from the group while draining");
                Progress::Lost
            }
            Step::Answering(answer) => match answer.try_recv() {
                Ok(points) => {
                    self.step = Step::Committing(committer.flush(points));
                    self.deadline = Instant::now() + COMMIT_LIMIT;
                    Progress::Waiting
                }
                Err(TryRecvError::Empty) if !is_late => Progress::Waiting,
                Err(TryRecvError::Empty) => {
                    tracing::error!("the pipeline has not answered a revocation: giving up its partitions");
                    Progress::Lost
                }
                // It is gone, or wants nothing committed.
                Err(TryRecvError::Closed) => Progress::Done,
            },
            Step::Committing(flush) => match flush.outcome() {
                Some(Flushed::Committed) => Progress::Done,
                None if !is_late => Progress::Waiting,
                outcome => {
                    tracing::warn!(
                        ?outcome,
                        "last offsets of revoked partitions are not committed, some work is done again"
                    );
                    Progress::Done
                }
            },
        }
    }
}
