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

/// The pipeline answers within `drain_timeout`; only a fault there makes it so much later.
const ANSWER_GRACE: Duration = Duration::from_secs(10);
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
        drain_timeout: Duration,
    ) -> Self {
        let deadline = Instant::now() + drain_timeout + ANSWER_GRACE;
        Self { list, partitions, since, step: Step::Answering(answer), deadline }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaErrorCode;

    use super::*;
    use crate::adapters::kafka::offsets::{OffsetStore, Pace};
    use crate::adapters::kafka::ownership::Ownership;
    use crate::domain::ids::InputTopic;
    use crate::ports::log::OffsetSink;

    const PARTITION: Partition = Partition { topic: InputTopic::Delete, number: 0 };

    struct Fenced(bool);

    impl OffsetStore for Fenced {
        fn commit(&self, _: &[CommitPoint]) -> Result<(), KafkaError> {
            if self.0 { Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration)) } else { Ok(()) }
        }

        fn committed(&self, _: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError> {
            Ok(BTreeMap::new())
        }
    }

    type Answer = oneshot::Sender<Vec<CommitPoint>>;

    fn scene(is_fenced: bool) -> (Handover, Committer, Answer, CommitPoint) {
        let ownership = Arc::new(Ownership::default());
        let epoch = ownership.begin(PARTITION);
        let since = ownership.count_change();
        let pace = Pace::of_session(Duration::from_mins(1));
        let (committer, _) = Committer::start(Fenced(is_fenced), ownership, pace).unwrap();
        let (answer, answered) = oneshot::channel();
        let handover =
            Handover::new(TopicPartitionList::new(), vec![(PARTITION, epoch)], answered, since, Duration::ZERO);
        (handover, committer, answer, CommitPoint { partition: PARTITION, epoch, offset: 5, metadata: String::new() })
    }

    fn end(handover: &mut Handover, committer: &Committer) -> Progress {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let progress = handover.advance(committer);
            if progress != Progress::Waiting {
                committer.stop();
                return progress;
            }
            assert!(Instant::now() < deadline, "never ends");
            std::thread::yield_now();
        }
    }

    #[test]
    fn partitions_are_given_up_when_the_answer_is_committed() {
        let (mut handover, committer, answer, point) = scene(false);
        assert_eq!(handover.advance(&committer), Progress::Waiting);
        answer.send(vec![point]).unwrap();
        assert_eq!(end(&mut handover, &committer), Progress::Done);
        assert_eq!(committer.committed(), BTreeMap::from([(PARTITION, 5)]));
    }

    #[test]
    fn a_fenced_commit_while_draining_means_that_all_is_lost() {
        let (mut handover, committer, _answer, point) = scene(true);
        assert_eq!(handover.advance(&committer), Progress::Waiting);
        committer.commit(vec![point]);
        assert_eq!(end(&mut handover, &committer), Progress::Lost);
    }

    #[test]
    fn neither_a_fenced_answer_nor_none_holds_the_group() {
        let (mut handover, committer, answer, point) = scene(true);
        answer.send(vec![point]).unwrap();
        assert_eq!(end(&mut handover, &committer), Progress::Done);
        let (mut handover, committer, answer, _) = scene(false);
        drop(answer);
        assert_eq!(end(&mut handover, &committer), Progress::Done);
        let (mut handover, committer, _answer, _) = scene(false);
        handover.deadline = Instant::now();
        assert_eq!(end(&mut handover, &committer), Progress::Lost);
    }
}
