use std::sync::mpsc;
use std::time::Instant;

use rdkafka::types::RDKafkaErrorCode;

use super::*;
use crate::domain::ids::{Epoch, InputTopic};

mod threads;

const PARTITION: Partition = Partition { topic: InputTopic::Delete, number: 0 };
const QUICK: Pace =
    Pace { session: Duration::from_mins(1), retry: Duration::from_millis(20), compare: Duration::from_mins(1) };

type Answer = Result<(), KafkaError>;

/// Tells each call to the test and does what the test answers; `broker` is what it has committed.
struct Scripted {
    calls: mpsc::Sender<Vec<CommitPoint>>,
    answers: mpsc::Receiver<Answer>,
    broker: BTreeMap<Partition, i64>,
}

impl OffsetStore for Scripted {
    fn commit(&self, points: &[CommitPoint]) -> Result<(), KafkaError> {
        self.calls.send(points.to_vec()).unwrap();
        self.answers.recv().unwrap_or(Ok(()))
    }

    fn committed(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let known = |partition: &Partition| Some((*partition, *self.broker.get(partition)?));
        Ok(partitions.iter().filter_map(known).collect())
    }
}

struct Scene {
    committer: Committer,
    thread: JoinHandle<()>,
    ownership: Arc<Ownership>,
    epoch: Epoch,
    calls: mpsc::Receiver<Vec<CommitPoint>>,
    answers: mpsc::Sender<Answer>,
}

impl Scene {
    fn new(pace: Pace, broker: &[(Partition, i64)]) -> Self {
        let ownership = Arc::new(Ownership::default());
        let epoch = ownership.begin(PARTITION);
        let (told, calls) = mpsc::channel();
        let (answers, asked) = mpsc::channel();
        let store = Scripted { calls: told, answers: asked, broker: broker.iter().copied().collect() };
        let (committer, thread) = Committer::start(store, Arc::clone(&ownership), pace).unwrap();
        Self { committer, thread, ownership, epoch, calls, answers }
    }

    fn point(&self, offset: i64) -> CommitPoint {
        CommitPoint { partition: PARTITION, epoch: self.epoch, offset, metadata: String::new() }
    }

    fn next_call(&self) -> Vec<i64> {
        let call = self.calls.recv_timeout(Duration::from_secs(10)).expect("a commit");
        call.into_iter().map(|point| point.offset).collect()
    }

    fn answer(&self, answer: Result<(), RDKafkaErrorCode>) {
        self.answers.send(answer.map_err(KafkaError::ConsumerCommit)).unwrap();
    }

    fn end(self) -> Committer {
        self.committer.stop();
        drop(self.answers);
        self.thread.join().unwrap();
        assert!(self.calls.try_recv().is_err(), "an unexpected commit");
        self.committer
    }
}

fn outcome(mut flush: Flush) -> Flushed {
    let mut outcome = None;
    eventually("a flush is answered", || {
        outcome = flush.outcome();
        outcome.is_some()
    });
    outcome.unwrap()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_blocked_commit_costs_freshness_only() {
    let scene = Scene::new(QUICK, &[]);
    scene.committer.commit(vec![scene.point(1)]);
    assert_eq!(scene.next_call(), vec![1]);
    for offset in 2..100 {
        scene.committer.commit(vec![scene.point(offset)]);
    }
    scene.answer(Ok(()));
    assert_eq!(scene.next_call(), vec![99], "latest wins");
    scene.answer(Ok(()));
    eventually("the second commit is noted", || scene.committer.commits() == 2);
    let flush = scene.committer.flush(vec![scene.point(99)]);
    assert_eq!(outcome(flush), Flushed::Committed, "known already");
    let committer = scene.end();
    assert_eq!((committer.commits(), committer.failures(), committer.dropped()), (2, 0, 0));
    assert_eq!(committer.committed(), BTreeMap::from([(PARTITION, 99)]));
}

#[test]
fn a_failure_is_tried_again_with_the_latest_offset() {
    let scene = Scene::new(QUICK, &[]);
    scene.committer.commit(vec![scene.point(1)]);
    assert_eq!(scene.next_call(), vec![1]);
    scene.committer.commit(vec![scene.point(2)]);
    scene.answer(Err(RDKafkaErrorCode::WaitingForCoordinator));
    assert_eq!(scene.next_call(), vec![2]);
    scene.answer(Ok(()));
    let committer = scene.end();
    assert_eq!(committer.failures(), 1);
}

#[test]
fn a_fenced_commit_waits_for_the_group_and_a_lost_partition_is_never_committed() {
    let mut scene = Scene::new(QUICK, &[]);
    let flush = scene.committer.flush(vec![scene.point(1)]);
    assert_eq!(scene.next_call(), vec![1]);
    scene.answer(Err(RDKafkaErrorCode::UnknownMemberId));
    assert_eq!(outcome(flush), Flushed::Fenced);
    assert!(scene.committer.was_fenced_since(0));
    let flush = scene.committer.flush(vec![scene.point(2)]);
    assert_eq!(outcome(flush), Flushed::Fenced, "in doubt");
    scene.ownership.end([PARTITION]);
    scene.ownership.count_change();
    let flush = scene.committer.flush(vec![scene.point(3)]);
    assert_eq!(outcome(flush), Flushed::Fenced, "no longer ours");
    assert!(scene.committer.dropped() >= 1);
    scene.epoch = scene.ownership.begin(PARTITION);
    let flush = scene.committer.flush(vec![scene.point(1)]);
    assert_eq!(scene.next_call(), vec![1], "a new epoch begins where it likes");
    scene.answer(Ok(()));
    assert_eq!(outcome(flush), Flushed::Committed);
    scene.end();
}

#[test]
fn after_a_gap_in_time_nobody_is_rewound() {
    // Every pause is a gap for a session this short.
    let pace = Pace { session: Duration::ZERO, ..QUICK };
    let scene = Scene::new(pace, &[(PARTITION, 50)]);
    let flush = scene.committer.flush(vec![scene.point(49)]);
    assert_eq!(outcome(flush), Flushed::Failed, "another member is at 50");
    assert_eq!(scene.committer.dropped(), 1);
    let flush = scene.committer.flush(vec![scene.point(51)]);
    assert_eq!(scene.next_call(), vec![51]);
    scene.answer(Ok(()));
    assert_eq!(outcome(flush), Flushed::Committed);
    scene.end();
}

#[test]
fn what_others_commit_shows_as_a_difference() {
    let pace = Pace { compare: Duration::ZERO, ..QUICK };
    let scene = Scene::new(pace, &[(PARTITION, 50)]);
    scene.committer.commit(vec![scene.point(40)]);
    assert_eq!(scene.next_call(), vec![40]);
    scene.answer(Ok(()));
    let difference = BTreeMap::from([(PARTITION, 10)]);
    eventually("the difference is told", || scene.committer.differences() == difference);
    scene.end();
}
