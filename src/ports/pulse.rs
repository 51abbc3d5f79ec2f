//! Signs of life of the thread that polls Kafka: what liveness and readiness hang on, so no runtime is in between.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Written by the poll thread, read by the probes.
#[derive(Debug)]
pub struct Pulse {
    born: Instant,
    /// Milliseconds after `born`, plus one; 0 before the first beat.
    last_beat: AtomicU64,
    joined: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

impl Pulse {
    pub fn new() -> Self {
        Self { born: Instant::now(), last_beat: AtomicU64::new(0), joined: AtomicBool::new(false) }
    }

    /// In every round of the thread.
    pub fn beat(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat.store(now.saturating_add(1), Ordering::Relaxed);
    }

    /// The group has given an assignment, be it an empty one.
    pub fn set_joined(&self) {
        self.joined.store(true, Ordering::Release);
    }

    pub fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// How long ago the thread last polled: it never waits longer than milliseconds, so seconds mean that it hangs.
    /// `None` before it has begun.
    pub fn silence(&self) -> Option<Duration> {
        self.silence_at(Instant::now())
    }

    pub(crate) fn silence_at(&self, now: Instant) -> Option<Duration> {
        let last_beat = self.last_beat.load(Ordering::Relaxed).checked_sub(1)?;
        Some(now.saturating_duration_since(self.born + Duration::from_millis(last_beat)))
    }
}
