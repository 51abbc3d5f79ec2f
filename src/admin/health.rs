//! What the probes of Kubernetes ask. No answer waits for what is asked about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::ports::pulse::Pulse;

/// Outages of dependencies are in none of the answers: a restart mends none of them.
#[derive(Debug)]
pub struct Health {
    pulse: Arc<Pulse>,
    started: AtomicBool,
    /// Cancelled from SIGTERM on.
    drain: CancellationToken,
}

impl Health {
    /// A poll thread that is silent for longer hangs: its group member is dead soon.
    const PATIENCE: Duration = Duration::from_mins(1);

    pub fn new(pulse: Arc<Pulse>, drain: CancellationToken) -> Self {
        Self { pulse, started: AtomicBool::new(false), drain }
    }

    /// Everything is built; from here on the group decides about readiness.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The poll thread works. Before it has begun nothing can hang: at the start Kafka may be away for long.
    pub fn live(&self) -> bool {
        self.live_at(Instant::now())
    }

    fn live_at(&self, now: Instant) -> bool {
        self.pulse.silence_at(now).is_none_or(|silence| silence < Self::PATIENCE)
    }

    /// A member of the group that is not stopping.
    pub fn ready(&self) -> bool {
        self.started() && self.pulse.is_joined() && !self.drain.is_cancelled()
    }

    pub fn started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Arc::new(Pulse::new()), CancellationToken::new())
    }

    #[test]
    fn a_silent_poll_thread_is_dead_after_a_minute() {
        let (health, begun) = (health(), Instant::now());
        health.pulse.beat();
        let beaten = Instant::now();
        assert!(health.live_at(begun + Duration::from_secs(59)));
        assert!(!health.live_at(beaten + Duration::from_mins(1)));
    }

    #[test]
    fn a_long_start_is_no_silence() {
        let health = health();
        assert!(health.live_at(Instant::now() + Duration::from_hours(1)));
    }

    #[test]
    fn ready_is_a_joined_member_that_does_not_stop() {
        let health = health();
        assert!(!health.ready() && !health.started());
        health.set_started();
        assert!(!health.ready() && health.started());
        health.pulse.set_joined();
        assert!(health.ready());
        health.drain.cancel();
        assert!(!health.ready() && health.started());
    }
}
