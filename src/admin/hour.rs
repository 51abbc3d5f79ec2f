//! How many users ended how, in slices of the last hour: bounded, and pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Users by status, in the order of `Status::ALL`.
pub type Counts = [u64; 5];

#[derive(Debug)]
pub struct Hour {
    /// Newest last; never empty.
    slices: VecDeque<Counts>,
    /// When the newest slice began.
    newest: Instant,
}

impl Hour {
    pub const SLICE: Duration = Duration::from_secs(10);
    /// An hour of them.
    pub const SLICES: usize = 360;

    pub fn new(now: Instant) -> Self {
        Self { slices: VecDeque::from([Counts::default()]), newest: now }
    }

    pub fn add(&mut self, counts: Counts, now: Instant) {
        self.turn_to(now);
        if let Some(newest) = self.slices.back_mut() {
            newest.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Time goes on though nothing ends.
    pub fn turn_to(&mut self, now: Instant) {
        let mut turns = 0;
        while now.saturating_duration_since(self.newest) >= Self::SLICE {
            self.newest += Self::SLICE;
            turns += 1;
            // A machine that slept for days has at most an hour of emptiness to show.
            if turns <= Self::SLICES {
                self.slices.push_back(Counts::default());
            }
        }
        let over = self.slices.len().saturating_sub(Self::SLICES);
        self.slices.drain(..over);
    }

    pub fn newest_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.newest)
    }

    pub fn slices(&self) -> &VecDeque<Counts> {
        &self.slices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_of_the_last_hour_is_lost_and_nobody_is_kept_longer(
            steps in proptest::collection::vec((0..400_u64, 0..9_u64), 0..60)
        ) {
            let start = Instant::now();
            let (mut hour, mut seconds, mut all) = (Hour::new(start), 0, Vec::new());
            for (later, users) in steps {
                seconds += later;
                all.push((seconds / Hour::SLICE.as_secs(), users));
                hour.add([users, 0, 0, 0, 1], start + Duration::from_secs(seconds));
                let newest = seconds / Hour::SLICE.as_secs();
                let kept = all.iter().filter(|(slice, _)| slice + Hour::SLICES as u64 > newest);
                let (ended, looks) = kept.fold((0, 0), |(ended, looks), (_, users)| (ended + users, looks + 1));
                let sum = |index: usize| hour.slices().iter().map(|counts| counts[index]).sum::<u64>();
                prop_assert_eq!((sum(0), sum(4)), (ended, looks));
                prop_assert!(hour.slices().len() <= Hour::SLICES);
                prop_assert!(hour.newest_for(start + Duration::from_secs(seconds)) < Hour::SLICE);
            }
        }
    }
}
