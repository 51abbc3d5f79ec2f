//! What the probes of Kubernetes ask: atomics, so that the answer never waits for what is asked about.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Set by the worker, read by the probes.
///
/// Outages of dependencies are in none of the answers: a restart mends none of them.
#[derive(Debug)]
pub struct Health {
    born: Instant,
    /// Milliseconds from `born` to the poll thread's last beat.
    last_beat: AtomicU64,
    started: AtomicBool,
    joined: AtomicBool,
    stopping: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// A poll thread that is silent for longer hangs: its group member is dead soon.
    const PATIENCE: Duration = Duration::from_mins(1);

    pub fn new() -> Self {
        Self {
            born: Instant::now(),
            last_beat: AtomicU64::new(0),
            started: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// The poll thread calls this in every round.
    pub fn beat(&self) {
        let elapsed = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat.store(elapsed, Ordering::Relaxed);
    }

    /// Everything is built; from here on the group decides about readiness.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// Whether this process is a member of the group, with partitions or without.
    pub fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Release);
    }

    /// From SIGTERM on. There is no way back.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The poll thread works; before its first beat its birth counts as one.
    pub fn live(&self) -> bool {
        self.live_at(Instant::now())
    }

    fn live_at(&self, now: Instant) -> bool {
        let last_beat = self.born + Duration::from_millis(self.last_beat.load(Ordering::Relaxed));
        now.saturating_duration_since(last_beat) < Self::PATIENCE
    }

    /// A member of the group that is not stopping.
    pub fn ready(&self) -> bool {
        self.started() && self.joined.load(Ordering::Acquire) && !self.stopping.load(Ordering::Acquire)
    }

    pub fn started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_poll_thread_is_dead_after_a_minute() {
        let health = Health::new();
        assert!(health.live());
        let later = |seconds| health.born + Duration::from_secs(seconds);
        assert!(health.live_at(later(59)) && !health.live_at(later(60)));
        health.last_beat.store(30_000, Ordering::Relaxed);
        assert!(health.live_at(later(89)) && !health.live_at(later(90)));
    }

    #[test]
    fn ready_is_a_joined_member_that_does_not_stop() {
        let health = Health::new();
        assert!(!health.ready() && !health.started());
        health.set_started();
        assert!(!health.ready() && health.started());
        health.set_joined(true);
        assert!(health.ready());
        health.set_stopping();
        assert!(!health.ready() && health.started());
    }
}
