//! Undecodable records of one partition: they wait until the partition is known to be sound, then they are told.
//!
//! Better to lag than to drain a topic into the failed one after a bad deployment.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Quiet after which what waits is told: nothing later will come to vouch for it.
pub const QUIET: Duration = Duration::from_secs(5);
/// Half of so many last records holds the partition too: of more where the limit was raised, or raising it would let no
/// flood pass.
const WINDOW: usize = 200;
const WINDOW_OF_LIMITS: usize = 4;

#[derive(Debug)]
pub struct Rejects<T> {
    limit: usize,
    /// Rejections since the last record that decoded; quiet does not end the run.
    run: usize,
    /// Newest last; true is a rejection.
    recent: VecDeque<bool>,
    rejected_recently: usize,
    waiting: Vec<T>,
    last_arrival: Option<Instant>,
    held: bool,
}

impl<T> Rejects<T> {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            run: 0,
            recent: VecDeque::new(),
            rejected_recently: 0,
            waiting: Vec::new(),
            last_arrival: None,
            held: false,
        }
    }

    /// A record decoded: what waits before it may be told.
    #[must_use]
    pub fn decoded(&mut self) -> Vec<T> {
        self.run = 0;
        self.remember(false);
        if self.held { Vec::new() } else { std::mem::take(&mut self.waiting) }
    }

    pub fn rejected(&mut self, record: T, now: Instant) {
        self.run += 1;
        self.remember(true);
        self.waiting.push(record);
        self.last_arrival = Some(now);
        let half = self.recent.len() == self.window() && self.rejected_recently * 2 >= self.window();
        if self.run >= self.limit || half {
            self.held = true;
        }
    }

    /// What waits may be told once nothing has come for a while.
    #[must_use]
    pub fn quiet(&mut self, now: Instant) -> Vec<T> {
        match self.wake() {
            Some(due) if due <= now => std::mem::take(&mut self.waiting),
            Some(_) | None => Vec::new(),
        }
    }

    pub fn wake(&self) -> Option<Instant> {
        if self.held || self.waiting.is_empty() { None } else { self.last_arrival.map(|last| last + QUIET) }
    }

    /// Held until a version that decodes these records, or a higher limit, is started.
    pub fn is_held(&self) -> bool {
        self.held
    }

    fn window(&self) -> usize {
        WINDOW.max(self.limit * WINDOW_OF_LIMITS)
    }

    fn remember(&mut self, rejected: bool) {
        if self.recent.len() == self.window() && self.recent.pop_front() == Some(true) {
            self.rejected_recently -= 1;
        }
        self.recent.push_back(rejected);
        self.rejected_recently += usize::from(rejected);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// `one_bad_user_hurts_nobody`: a rejected record is told soon, once, in order; unless they are so many that
        /// the reader is more likely wrong than the records.
        #[test]
        fn what_waits_is_told_once_and_a_hold_tells_nothing(
            limit in 1..12_usize,
            steps in proptest::collection::vec((0..10_u8, 0..4_u8), 0..500),
            rejections in 1..9_u8,
        ) {
            let (mut rejects, mut now) = (Rejects::new(limit), Instant::now());
            let (mut seen, mut told, mut run, mut was_held) = (Vec::new(), Vec::new(), 0, false);
            for (number, (what, seconds)) in steps.into_iter().enumerate() {
                now += Duration::from_secs(seconds.into());
                let (is_rejected, before, held_before) = (what < rejections, told.len(), was_held);
                run = if is_rejected { run + 1 } else { 0 };
                seen.push(is_rejected);
                if is_rejected {
                    rejects.rejected(number, now);
                } else {
                    told.extend(rejects.decoded());
                }
                let recent = &seen[seen.len().saturating_sub(WINDOW)..];
                let half = recent.len() == WINDOW && recent.iter().filter(|rejected| **rejected).count() * 2 >= WINDOW;
                was_held |= is_rejected && (run >= limit || half);
                prop_assert_eq!(rejects.is_held(), was_held);
                told.extend(rejects.quiet(now));
                prop_assert!(told.len() == before || !held_before, "held, and told");
                prop_assert!(is_rejected || was_held || rejects.wake().is_none(), "nothing waits behind what decoded");
            }
            told.extend(rejects.quiet(now + QUIET));
            let rejected: Vec<_> = (0..).zip(&seen).filter(|(_, rejected)| **rejected).map(|(number, _)| number).collect();
            prop_assert!(rejected.starts_with(&told), "in order, and once");
            prop_assert!(was_held || told == rejected, "nothing is left");
        }
    }

    #[test]
    fn a_rejection_waits_for_a_record_that_decodes_or_for_quiet() {
        let now = Instant::now();
        let mut rejects = Rejects::new(50);
        rejects.rejected(1, now);
        assert!(rejects.quiet(now).is_empty());
        assert_eq!(rejects.decoded(), [1]);
        rejects.rejected(2, now);
        assert_eq!(rejects.quiet(now + QUIET), [2]);
    }

    #[test]
    fn a_run_of_rejections_holds_the_partition_and_tells_nothing() {
        let now = Instant::now();
        let mut rejects = Rejects::new(3);
        rejects.rejected(1, now);
        assert_eq!(rejects.quiet(now + QUIET), [1], "quiet does not end the run");
        rejects.rejected(2, now);
        rejects.rejected(3, now);
        assert!(rejects.is_held());
        assert!(rejects.quiet(now + QUIET * 9).is_empty() && rejects.decoded().is_empty());
    }

    #[test]
    fn half_of_the_last_records_holds_the_partition() {
        let now = Instant::now();
        let mut rejects = Rejects::new(50);
        for _ in 0..WINDOW / 2 {
            rejects.rejected((), now);
            assert!(!rejects.is_held());
            assert_eq!(rejects.decoded().len(), 1);
        }
        rejects.rejected((), now);
        assert!(rejects.is_held());
    }

    #[test]
    fn a_raised_limit_lets_a_flood_pass() {
        let now = Instant::now();
        let mut rejects = Rejects::new(1_000);
        for _ in 0..1_000 {
            rejects.rejected((), now);
            assert!(!rejects.is_held());
            assert_eq!(rejects.decoded().len(), 1);
        }
    }
}
