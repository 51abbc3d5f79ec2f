//! The committer thread: waits, calls, and tells the mailbox what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::locked;
use super::mailbox::CommitFailure;
use super::offsets::{Flushed, OffsetStore, Pace, Shared};
use crate::ports::log::CommitPoint;

/// How long the thread sleeps at most: it must notice a change of ownership, and that the process itself stood still.
const TICK: Duration = Duration::from_millis(200);

/// The thread's own.
pub(super) struct Turns<S> {
    shared: Arc<Shared>,
    store: S,
    pace: Pace,
    /// When this thread was last seen running.
    awake: Instant,
    /// The process or a call stood still for longer than half a session: others may own what is ours by our account.
    stood_still: bool,
    retry_at: Option<Instant>,
    fenced_on: Option<Instant>,
    compared_on: Instant,
}

/// What the thread was woken for.
enum Turn {
    Commit,
    Compare,
    Stop,
}

impl<S: OffsetStore> Turns<S> {
    pub(super) fn new(shared: Arc<Shared>, store: S, pace: Pace) -> Self {
        let now = Instant::now();
        let (retry_at, fenced_on) = (None, None);
        Self { shared, store, pace, awake: now, stood_still: false, retry_at, fenced_on, compared_on: now }
    }

    pub(super) fn run(mut self) {
        loop {
            match self.wait() {
                Turn::Commit => self.commit(),
                Turn::Compare => self.compare(),
                Turn::Stop => return,
            }
        }
    }

    fn wait(&mut self) -> Turn {
        let shared = Arc::clone(&self.shared);
        let mut state = locked(&shared.state);
        loop {
            let now = Instant::now();
            self.stood_still |= now.duration_since(self.awake) > self.pace.session / 2;
            self.awake = now;
            if self.fenced_on.is_some_and(|since| now.duration_since(since) > 2 * self.pace.session) {
                self.fenced_on = None;
                state.mailbox.give_up_doubt();
            }
            let may_send = self.retry_at.is_none_or(|at| at <= now)
                && state.mailbox.has_pending()
                && !state.mailbox.is_in_doubt(shared.ownership.changes());
            match state {
                _ if state.stopping => return Turn::Stop,
                _ if may_send || !state.flushes.is_empty() => return Turn::Commit,
                _ if now.duration_since(self.compared_on) > self.pace.compare => return Turn::Compare,
                _ => {}
            }
            state = shared.wake.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends what may be sent, and answers the flushes that were asked for before.
    fn commit(&mut self) {
        let shared = Arc::clone(&self.shared);
        let flushes = std::mem::take(&mut locked(&shared.state).flushes);
        if self.stood_still && !self.has_dropped_overtaken() {
            self.retry_at = Some(Instant::now() + self.pace.retry);
            self.answer(flushes);
            return;
        }
        // Order: the count before the epochs, so that a change in between only makes a doubt longer, never shorter.
        let changes = shared.ownership.changes();
        let points = locked(&shared.state).mailbox.take(changes, |partition| shared.ownership.epoch(partition));
        if !points.is_empty() {
            match self.store.commit(&points) {
                Ok(()) => self.succeeded(points),
                Err(error) => self.failed(points, &CommitFailure::of(error), changes),
            }
        }
        self.answer(flushes);
    }

    fn succeeded(&mut self, points: Vec<CommitPoint>) {
        (self.retry_at, self.fenced_on) = (None, None);
        let mut state = locked(&self.shared.state);
        state.commits += 1;
        state.mailbox.succeeded(points);
    }

    fn failed(&mut self, points: Vec<CommitPoint>, failure: &CommitFailure, changes: u64) {
        match failure {
            CommitFailure::Fenced(error) => {
                tracing::warn!(%error, "commit refused: the group is moving, waiting for what it says");
                self.fenced_on = Some(Instant::now());
            }
            CommitFailure::MetadataTooLarge(error) => {
                tracing::error!(%error, "the broker keeps less than 4096 bytes of metadata: offsets go without their maps");
            }
            CommitFailure::Passing(error) => {
                tracing::warn!(%error, "commit failed, trying again with the latest offsets");
                self.retry_at = Some(Instant::now() + self.pace.retry);
            }
        }
        let mut state = locked(&self.shared.state);
        state.failures += 1;
        state.mailbox.failed(points, failure, changes);
    }

    fn answer(&self, flushes: Vec<(Vec<CommitPoint>, oneshot::Sender<Flushed>)>) {
        for (points, told) in flushes {
            let is_ours = |point: &CommitPoint| self.shared.ownership.epoch(point.partition) == Some(point.epoch);
            let state = locked(&self.shared.state);
            let outcome = match state.mailbox.covers(&points) {
                true => Flushed::Committed,
                false if !points.iter().all(is_ours) => Flushed::Fenced,
                false if state.mailbox.is_in_doubt(self.shared.ownership.changes()) => Flushed::Fenced,
                false => Flushed::Failed,
            };
            // Whoever asked may have stopped waiting.
            told.send(outcome).ok();
        }
    }

    /// After a gap in time: points below what is committed by now belong to a former owner.
    fn has_dropped_overtaken(&mut self) -> bool {
        let partitions: Vec<_> = locked(&self.shared.state).mailbox.pending().map(|point| point.partition).collect();
        match self.store.committed(&partitions) {
            Ok(broker) => {
                let overtaken = locked(&self.shared.state).mailbox.drop_overtaken(&broker);
                if overtaken > 0 {
                    tracing::warn!(overtaken, "another member has committed further while this process stood still");
                }
                self.stood_still = false;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read the committed offsets after a gap in time, committing nothing yet");
                false
            }
        }
    }

    /// Reads what the broker has: nobody else should commit for this group, and whoever does so makes it lose or redo work.
    fn compare(&mut self) {
        self.compared_on = Instant::now();
        let ours = self.shared.ownership.owned();
        let ours: Vec<_> = ours.into_iter().map(|(partition, _)| partition).collect();
        match self.store.committed(&ours) {
            Ok(broker) => {
                let mut state = locked(&self.shared.state);
                let committed = state.mailbox.committed();
                let both =
                    committed.iter().filter_map(|(partition, ours)| Some((*partition, broker.get(partition)? - ours)));
                let differences: BTreeMap<_, _> = both.collect();
                for (partition, difference) in &differences {
                    // Once may be a commit of ours on its way.
                    let stays = state.differences.get(partition).is_some_and(|before| *before != 0);
                    if *difference != 0 && stays {
                        let (topic, number) = (partition.topic.label(), partition.number);
                        tracing::error!(topic, partition = number, difference, "somebody else commits for this group");
                    }
                }
                state.differences = differences;
            }
            Err(error) => tracing::debug!(%error, "cannot read the committed offsets"),
        }
    }
}
