//! The committer between the pipeline, the intake and a store that fails now and then, with real threads.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Fails by count, so that every kind of answer meets every kind of moment.
struct Moody {
    calls: u64,
    told: Arc<Mutex<Vec<(Epoch, i64)>>>,
}

impl OffsetStore for Arc<Mutex<Moody>> {
    fn commit(&self, points: &[CommitPoint]) -> Result<(), KafkaError> {
        let mut store = locked(self);
        store.calls += 1;
        locked(&store.told).extend(points.iter().map(|point| (point.epoch, point.offset)));
        let failed = |code| Err(KafkaError::ConsumerCommit(code));
        match store.calls % 11 {
            3 => failed(RDKafkaErrorCode::WaitingForCoordinator),
            7 => failed(RDKafkaErrorCode::IllegalGeneration),
            _ => Ok(()),
        }
    }

    fn committed(&self, _: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        Ok(BTreeMap::new())
    }
}

/// `a_stale_owner_is_harmless`: what is sent follows the epochs, and within one of them never goes back.
#[test]
fn whatever_the_threads_do_no_commit_goes_back() {
    let ownership = Arc::new(Ownership::default());
    let told = Arc::<Mutex<Vec<_>>>::default();
    let store = Arc::new(Mutex::new(Moody { calls: 0, told: Arc::clone(&told) }));
    let pace = Pace { retry: Duration::ZERO, ..QUICK };
    let (committer, thread) = Committer::start(store, Arc::clone(&ownership), pace).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let pipeline = thread::spawn({
        let (committer, ownership, is_over) = (committer.clone(), Arc::clone(&ownership), Arc::clone(&is_over));
        move || {
            let mut point = CommitPoint { partition: PARTITION, epoch: Epoch(0), offset: 0, metadata: String::new() };
            while !is_over.load(Ordering::Acquire) {
                match ownership.epoch(PARTITION) {
                    Some(epoch) if epoch != point.epoch => (point.epoch, point.offset) = (epoch, 0),
                    // Without an epoch the old one goes on for a while, as it does until the pipeline hears.
                    Some(_) | None => point.offset += 1,
                }
                committer.commit(vec![point.clone()]);
                thread::yield_now();
            }
        }
    });
    for _ in 0..100 {
        ownership.begin(PARTITION);
        ownership.count_change();
        let before = committer.commits();
        eventually("a commit in each epoch", || {
            // The group speaks again after every doubt.
            ownership.count_change();
            committer.commits() > before
        });
        ownership.end([PARTITION]);
        ownership.count_change();
    }
    is_over.store(true, Ordering::Release);
    pipeline.join().unwrap();
    let epoch = ownership.begin(PARTITION);
    ownership.count_change();
    let last = CommitPoint { partition: PARTITION, epoch, offset: 7, metadata: String::new() };
    eventually("the last flush is committed", || {
        ownership.count_change();
        outcome(committer.flush(vec![last.clone()])) == Flushed::Committed
    });
    committer.stop();
    thread.join().unwrap();
    let told = locked(&told);
    assert!(told.is_sorted(), "an offset went back");
    assert_eq!(told.last(), Some(&(epoch, 7)));
}
