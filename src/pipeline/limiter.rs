//! How much a stage asks of its dependency: users in a block, and calls at once.
//!
//! The lookup and the purge have fixed limits. The Sync API's are found while running, below the configured bounds:
//! additive increase while answers come as fast as usual, multiplicative decrease when calls fail or answers become
//! slow. What is usual is learnt: it follows quicker answers at once and slower ones only in the long run, so a
//! brown-out lowers the load, and a service that stays slower is accepted as it is.

use std::time::{Duration, Instant};

/// The Sync API gives up after 10 s (`facts/sunbird.md` 2.3): a call that took this long is too large.
const TOO_LONG: Duration = Duration::from_secs(4);
/// A full block that took less may grow.
const QUICK: Duration = Duration::from_secs(2);
/// Where an adapting block starts.
const FIRST_BLOCK: usize = 25;
/// Time per user, of late against usual, from which on the service is slow. Twice as many calls as it handles at once
/// make each take twice as long.
const SLOW: f64 = 2.0;
/// What is left of the calls at once when answers are slow.
const BACK_OFF: f64 = 0.75;
/// How much one answer weighs in the time of late, and in the usual one when it is quicker or slower than that.
const OF_LATE: f64 = 0.3;
const QUICKER: f64 = 0.2;
const SLOWER: f64 = 0.01;

/// A call that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub items: usize,
    pub started: Instant,
    pub took: Duration,
    /// As many calls as allowed were under way with it.
    pub was_full: bool,
}

#[derive(Clone, Debug)]
pub struct Limiter {
    block: usize,
    calls: f64,
    bounds: Option<Bounds>,
    /// Seconds per user.
    usual: Option<f64>,
    of_late: Option<f64>,
    /// Calls that began before say nothing about the limits of now.
    lowered: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    block: usize,
    calls: f64,
}

impl Limiter {
    pub fn fixed(block: usize, calls: usize) -> Self {
        Self { block: block.max(1), calls: real(calls), bounds: None, usual: None, of_late: None, lowered: None }
    }

    /// Finds its limits between one and these bounds.
    pub fn adaptive(block: usize, calls: usize) -> Self {
        let bounds = Bounds { block: block.max(1), calls: real(calls) };
        Self { bounds: Some(bounds), ..Self::fixed(FIRST_BLOCK.min(bounds.block), 1) }
    }

    /// Users in a block, at most.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Calls at once, at most.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a configured bound")]
    pub fn calls(&self) -> usize {
        self.calls as usize
    }

    pub fn answered(&mut self, call: Answered) {
        let Some(bounds) = self.bounds else { return };
        if call.took >= TOO_LONG {
            self.block = self.block.min(call.items / 2).max(1);
        } else if call.took <= QUICK && call.items >= self.block {
            self.block = (self.block + self.block / 2 + 1).min(bounds.block);
        }
        // A call of a few users is mostly the way there and back, and was seldom one of many.
        if call.items * 2 < self.block || self.lowered.is_some_and(|lowered| call.started < lowered) {
            return;
        }
        let time = call.took.as_secs_f64() / real(call.items);
        let of_late = mixed(self.of_late, time, OF_LATE);
        let usual =
            mixed(self.usual, time, if self.usual.is_some_and(|usual| time > usual) { SLOWER } else { QUICKER });
        (self.of_late, self.usual) = (Some(of_late), Some(usual));
        if of_late > usual * SLOW {
            self.lower(BACK_OFF, call.started + call.took);
        } else if call.was_full {
            self.calls = (self.calls + 1.0 / self.calls).min(bounds.calls);
        }
    }

    /// A call failed as a whole, or the dependency asked for a rest.
    pub fn failed(&mut self, started: Instant, now: Instant) {
        if self.bounds.is_some() && self.lowered.is_none_or(|lowered| lowered <= started) {
            self.block = (self.block / 2).max(1);
            self.lower(0.5, now);
        }
    }

    fn lower(&mut self, to: f64, now: Instant) {
        self.calls = (self.calls * to).max(1.0);
        self.lowered = Some(now);
    }
}

fn mixed(before: Option<f64>, new: f64, weight: f64) -> f64 {
    before.map_or(new, |before| before + (new - before) * weight)
}

#[expect(clippy::cast_precision_loss, reason = "counts of users and calls are far below 2^52")]
fn real(count: usize) -> f64 {
    count.max(1) as f64
}

#[cfg(test)]
mod tests;
