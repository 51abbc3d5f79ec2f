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
}

impl From<&RetrySettings> for RetryPolicy {
    fn from(settings: &RetrySettings) -> Self {
        Self {
            attempts: settings.attempts,
            time: settings.time,
            first_pause: settings.first_pause,
            max_pause: settings.max_pause,
        }
    }
}

impl RetryPolicy {
    /// A pause with full jitter before attempt `attempt + 1`: many items that failed together do not come back together.
    pub fn pause(&self, attempt: u32) -> Duration {
        let interval = self.first_pause.saturating_mul(1_u32 << attempt.min(16)).min(self.max_pause);
        let mut policy = ExponentialBackoff {
            // The crate draws from interval ± factor × interval: half the interval with factor 1 is [0, interval].
            current_interval: interval / 2,
            randomization_factor: 1.0,
            max_interval: interval,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        policy.next_backoff().unwrap_or(interval)
    }

    pub fn is_exhausted(&self, attempts: u32, spent: Duration) -> bool {
        attempts >= self.attempts || spent >= self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_with_full_jitter() {
        let policy = RetryPolicy {
            attempts: 8,
            time: Duration::from_mins(2),
            first_pause: Duration::from_millis(200),
            max_pause: Duration::from_secs(30),
        };
        let longest = |attempt| (0..200).map(|_| policy.pause(attempt)).max().unwrap();
        assert!(longest(0) <= Duration::from_millis(200));
        assert!(longest(3) > Duration::from_millis(400), "full jitter reaches into the upper half");
        assert!(longest(40) <= Duration::from_secs(30));
        assert!(policy.is_exhausted(8, Duration::ZERO) && policy.is_exhausted(1, Duration::from_mins(2)));
    }
}
