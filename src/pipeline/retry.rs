//! How long to wait before a call is made again, and when an item has had its chances.
//!
//! The only user of `backoff`: the crate is unmaintained (RUSTSEC-2025-0012), so its policy stays behind this file.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

use crate::settings::RetrySettings;

#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Counted attempts after which an item is FAILED.
    pub attempts: u32,
    /// Or so much time of counted attempts.
    pub time: Duration,
    pub first_pause: Duration,
    pub max_pause: Duration,
    pub jitter: Jitter,
}

impl RetryPolicy {
    pub fn new(settings: &RetrySettings, jitter: Jitter) -> Self {
        Self {
            attempts: settings.attempts,
            time: settings.time,
            first_pause: settings.first_pause,
            max_pause: settings.max_pause,
            jitter,
        }
    }

    /// A pause with full jitter before attempt `attempt + 1`: many items that failed together do not come back together.
    pub fn pause(&mut self, attempt: u32) -> Duration {
        self.longest_pause(attempt).mul_f64(self.jitter.draw())
    }

    fn longest_pause(&self, attempt: u32) -> Duration {
        let mut policy = ExponentialBackoff {
            current_interval: self.first_pause.min(self.max_pause),
            // The crate draws from a generator of its own, which no test could lead.
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: self.max_pause,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let mut pauses = std::iter::from_fn(|| policy.next_backoff());
        // Whatever the pauses are, so many doublings have reached the longest.
        pauses.nth(attempt.min(64) as usize).unwrap_or(self.max_pause)
    }

    pub fn is_exhausted(&self, attempts: u32, spent: Duration) -> bool {
        attempts >= self.attempts || spent >= self.time
    }
}

/// Chance that can be played again: the same seed, the same draws (splitmix64).
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // As many bits as the fraction of a float has.
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(seed: u64) -> RetryPolicy {
        RetryPolicy {
            attempts: 8,
            time: Duration::from_mins(2),
            first_pause: Duration::from_millis(200),
            max_pause: Duration::from_secs(30),
            jitter: Jitter::seeded(seed),
        }
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let longest = |attempt| policy(0).longest_pause(attempt);
        assert_eq!([0, 1, 3].map(longest), [200, 400, 1600].map(Duration::from_millis));
        assert_eq!([8, 40, u32::MAX].map(longest), [Duration::from_secs(30); 3]);
        assert!(policy(0).is_exhausted(8, Duration::ZERO) && policy(0).is_exhausted(1, Duration::from_mins(2)));
    }

    #[test]
    fn a_pause_lies_anywhere_up_to_the_longest() {
        let mut policy = policy(7);
        let mut pauses: Vec<Duration> = (0..1000).map(|_| policy.pause(3)).collect();
        pauses.sort_unstable();
        let near = |pause: Duration, millis| pause.abs_diff(Duration::from_millis(millis)) < Duration::from_millis(160);
        assert!(near(pauses[0], 0) && near(pauses[500], 800) && near(pauses[999], 1600), "{pauses:?}");
        assert!(pauses[999] <= Duration::from_millis(1600));
    }

    #[test]
    fn the_same_seed_makes_the_same_pauses() {
        let pauses = |seed| {
            let mut policy = policy(seed);
            [0, 1, 2, 3].map(|attempt| policy.pause(attempt))
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
