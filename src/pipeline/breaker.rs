//! One breaker per dependency: after enough failed calls nothing is sent until a probe passes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failed calls in a row that open the breaker.
const IN_A_ROW: usize = 5;
/// Half of so many recent calls opens it too.
const WINDOW: usize = 20;
/// Pauses between probes of an open breaker: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A person must mend something: looking more often helps nobody.
const HELD_PAUSE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// The dependency is away.
    Open,
    /// Something must be mended: what, in words for a person.
    Held(String),
}

#[derive(Debug)]
pub struct Breaker {
    state: BreakerState,
    /// Newest last; true is a failure.
    recent: VecDeque<bool>,
    pause: Duration,
    probe_at: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, recent: VecDeque::new(), pause: FIRST_PAUSE, probe_at: None }
    }
}

impl Breaker {
    pub fn state(&self) -> &BreakerState {
        &self.state
    }

    pub fn is_closed(&self) -> bool {
        self.state == BreakerState::Closed
    }

    /// When the next probe is due, while it is not closed.
    pub fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    pub fn succeeded(&mut self) {
        self.remember(false);
    }

    pub fn failed(&mut self, now: Instant) {
        self.remember(true);
        let in_a_row = self.recent.iter().rev().take_while(|failed| **failed).count();
        let failures = self.recent.iter().filter(|failed| **failed).count();
        if in_a_row >= IN_A_ROW || (self.recent.len() == WINDOW && failures * 2 >= WINDOW) {
            self.open(now);
        }
    }

    /// A failed probe says that the dependency is away, whoever asked for it.
    pub fn probe_failed(&mut self, now: Instant) {
        match self.state {
            BreakerState::Closed => self.open(now),
            BreakerState::Open => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.probe_at = Some(now + self.pause);
            }
            BreakerState::Held(_) => self.probe_at = Some(now + HELD_PAUSE),
        }
    }

    pub fn probe_passed(&mut self) {
        *self = Self::default();
    }

    pub fn hold(&mut self, reason: String, now: Instant) {
        self.state = BreakerState::Held(reason);
        self.probe_at = Some(now + HELD_PAUSE);
    }

    fn open(&mut self, now: Instant) {
        if self.is_closed() {
            self.state = BreakerState::Open;
            self.pause = FIRST_PAUSE;
            self.probe_at = Some(now + self.pause);
        }
    }

    fn remember(&mut self, failed: bool) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_with_a_passing_probe() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW {
            assert!(breaker.is_closed());
            breaker.failed(now);
        }
        assert_eq!(breaker.state(), &BreakerState::Open);
        breaker.probe_failed(now);
        assert_eq!(breaker.probe_at(), Some(now + FIRST_PAUSE * 2));
        breaker.probe_passed();
        assert!(breaker.is_closed());
    }

    #[test]
    fn opens_when_half_of_the_recent_calls_failed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for call in 0..WINDOW {
            assert!(breaker.is_closed());
            if call % 2 == 0 { breaker.failed(now) } else { breaker.succeeded() }
        }
        breaker.failed(now);
        assert!(!breaker.is_closed());
    }
}
