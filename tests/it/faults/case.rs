//! What a stranger reads of a case: the promise, the fault, the oracle; and how large it is played.

use std::time::Duration;

/// One case of the suite.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The test's name.
    pub name: &'static str,
    /// Of `design.md` 5, or in the same words.
    pub promise: &'static str,
    pub fault: &'static str,
    /// What is looked at besides the oracles that every case has (`storm.rs`).
    pub oracle: &'static str,
    /// The rows of `facts/kafka.md` 5 that it covers.
    pub rows: &'static [u8],
}

/// `make test` plays the short form, `make faults` the whole (`FAULTS=whole`).
pub fn is_whole() -> bool {
    std::env::var("FAULTS").is_ok_and(|size| size == "whole")
}

/// A number of events or faults, or a time, in the form that is played.
pub fn sized<T>(short: T, whole: T) -> T {
    if is_whole() { whole } else { short }
}

/// What chance decides, again and again in the same way: `FAULTS_SEED` repeats a run.
#[derive(Debug)]
pub struct Dice {
    pub seed: u64,
    random: fastrand::Rng,
}

impl Dice {
    pub fn new() -> Self {
        let seed = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        Self { seed, random: fastrand::Rng::with_seed(seed) }
    }

    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        self.random.shuffle(things);
    }

    /// From nothing to `most`, so that a fault meets whatever happens to be under way.
    pub fn moment(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.f64())
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.random.usize(..bound)
    }
}
