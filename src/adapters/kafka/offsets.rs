//! The committer: synchronous commits on a thread of their own, latest wins.
//!
//! A commit has no timeout: without a coordinator it blocks for a session timeout, in a rebalance until the join ends,
//! and an asynchronous one fails silently (`facts/kafka.md` 8.2, 8.3). So nobody waits for it but this thread.
//! What is decided is in `mailbox.rs`, the thread in `committing.rs`; here is what others hold of it.
//!
//! What the fence cannot do: a commit that is already inside librdkafka while the member is thrown out and joins again.
//! All that were seen failed, but nothing proves that all do (8.5).

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::sync::oneshot;

use super::committing::Turns;
use super::locked;
use super::mailbox::Mailbox;
use super::ownership::Ownership;
use crate::domain::ids::Partition;
use crate::ports::log::{CommitPoint, OffsetSink};

/// Where offsets are kept: the group's coordinator, or a test's script.
pub(super) trait OffsetStore: Send + 'static {
    /// All or nothing as far as the answer tells; blocks as long as it likes.
    fn commit(&self, points: &[CommitPoint]) -> Result<(), KafkaError>;

    /// What is committed, by whomever; nothing where nothing is.
    fn committed(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>, KafkaError>;
}

/// The times of the committer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub session: Duration,
    pub retry: Duration,
    pub compare: Duration,
}

impl Pace {
    pub(super) fn of_session(session: Duration) -> Self {
        Self { session, retry: Duration::from_secs(1), compare: Duration::from_secs(30) }
    }
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// The points, or later ones, are committed.
    Committed,
    /// The group has moved on, or a partition of a point is no longer ours: the next owner does again what is missing.
    Fenced,
    Failed,
}

/// A flush under way.
#[derive(Debug)]
pub(super) struct Flush(oneshot::Receiver<Flushed>);

impl Flush {
    /// Without waiting.
    pub(super) fn outcome(&mut self) -> Option<Flushed> {
        match self.0.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Flushed::Failed),
        }
    }

    pub(super) async fn within(self, limit: Duration) -> Flushed {
        match tokio::time::timeout(limit, self.0).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Flushed::Failed,
        }
    }
}

/// Takes points from anybody, at once; clones speak to the same thread.
#[derive(Debug, Clone)]
pub struct Committer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub state: Mutex<State>,
    pub wake: Condvar,
    pub ownership: Arc<Ownership>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub mailbox: Mailbox,
    pub flushes: Vec<(Vec<CommitPoint>, oneshot::Sender<Flushed>)>,
    pub stopping: bool,
    pub commits: u64,
    pub failures: u64,
    /// At the last comparison.
    pub differences: BTreeMap<Partition, i64>,
}

impl OffsetSink for Committer {
    fn commit(&self, points: Vec<CommitPoint>) {
        let mut state = locked(&self.shared.state);
        for point in points {
            state.mailbox.put(point);
        }
        self.shared.wake.notify_one();
    }
}

impl Committer {
    pub(super) fn start(
        store: impl OffsetStore,
        ownership: Arc<Ownership>,
        pace: Pace,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), ownership });
        let turns = Turns::new(Arc::clone(&shared), store, pace);
        let thread = thread::Builder::new().name("committer".to_owned()).spawn(move || turns.run())?;
        Ok((Self { shared }, thread))
    }

    /// Commits these points and whatever else is pending, without a pause before it.
    pub(super) fn flush(&self, points: Vec<CommitPoint>) -> Flush {
        let (told, outcome) = oneshot::channel();
        let mut state = locked(&self.shared.state);
        for point in &points {
            state.mailbox.put(point.clone());
        }
        state.flushes.push((points, told));
        self.shared.wake.notify_one();
        Flush(outcome)
    }

    /// The thread ends after the call it is in.
    pub(super) fn stop(&self) {
        locked(&self.shared.state).stopping = true;
        self.shared.wake.notify_one();
    }

    pub(super) fn was_fenced_since(&self, changes: u64) -> bool {
        locked(&self.shared.state).mailbox.was_fenced_since(changes)
    }

    /// Commit calls that succeeded.
    pub fn commits(&self) -> u64 {
        locked(&self.shared.state).commits
    }

    /// Commit calls that failed.
    pub fn failures(&self) -> u64 {
        locked(&self.shared.state).failures
    }

    /// Points that were never sent because their partition had gone.
    pub fn dropped(&self) -> u64 {
        locked(&self.shared.state).mailbox.dropped()
    }

    /// The last committed offset of each partition in its present epoch.
    pub fn committed(&self) -> BTreeMap<Partition, i64> {
        locked(&self.shared.state).mailbox.committed()
    }

    /// What the broker has committed less what we have: not 0 when somebody else commits for this group.
    pub fn differences(&self) -> BTreeMap<Partition, i64> {
        locked(&self.shared.state).differences.clone()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests spawn, wait and read the clock at will")]
mod tests;
