//! How fast users were worked, from the times of their statuses.

use std::collections::BTreeMap;
use std::time::Duration;

/// A pause this long, in seconds, ends a run of work.
const PAUSE: u64 = 10;
/// A run of fewer users says more of who asked than of how fast the work was.
const LEAST: u64 = 100;

/// Times of statuses, a second each: an hour is 3600 numbers.
#[derive(Debug, Default)]
pub struct Pace(BTreeMap<u64, u64>);

impl Pace {
    /// `ets`: milliseconds since 1970.
    pub fn note(&mut self, ets: i64) {
        *self.0.entry(u64::try_from(ets).unwrap_or_default() / 1000).or_default() += 1;
    }

    /// Users a second in the last run that was long enough to tell.
    pub fn last(&self) -> Option<f64> {
        let (mut users, mut end, mut begin) = (0, 0, 0);
        for (second, count) in self.0.iter().rev() {
            if users > 0 && begin - second > PAUSE {
                if users >= LEAST {
                    break;
                }
                users = 0;
            }
            if users == 0 {
                end = *second;
            }
            (begin, users) = (*second, users + count);
        }
        (users >= LEAST).then(|| users as f64 / (end - begin + 1) as f64)
    }
}

/// So many users at so many a second.
pub fn time_for(users: u64, a_second: f64) -> Duration {
    Duration::try_from_secs_f64((users as f64 / a_second).ceil()).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(runs: &[(i64, i64, i64)]) -> Option<f64> {
        let mut pace = Pace::default();
        for (from, seconds, a_second) in runs {
            for number in 0..seconds * a_second {
                pace.note(from * 1000 + number * 1000 / a_second);
            }
        }
        pace.last()
    }

    #[test]
    fn the_last_run_of_work_tells_and_the_idle_time_around_it_does_not() {
        assert_eq!(last(&[(100, 50, 10), (1000, 20, 40)]), Some(40.0));
        assert_eq!(last(&[(1000, 20, 40), (100, 50, 10)]), Some(40.0), "in any order");
        assert_eq!(last(&[(100, 50, 10), (1000, 20, 2)]), Some(10.0), "40 users tell nothing");
        assert_eq!(last(&[(1000, 20, 2)]), None);
        assert_eq!(last(&[]), None);
    }

    #[test]
    fn times_are_whole_seconds_and_never_overflow() {
        assert_eq!(time_for(101, 100.0), Duration::from_secs(2));
        assert_eq!(time_for(1, 0.0), Duration::MAX);
    }
}
