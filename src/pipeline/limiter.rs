//! How large a block may be: below the configured bound, so that a call stays far from the service's time limit.

use std::time::Duration;

/// The Sync API gives up after 10 s (`facts/sunbird.md` 2.3): a call that took this long is too large.
const SLOW: Duration = Duration::from_secs(4);
/// A full block that took less may grow.
const QUICK: Duration = Duration::from_secs(2);
/// Where an adapting block starts.
const START: usize = 25;

#[derive(Clone, Debug)]
pub struct BlockLimiter {
    size: usize,
    bound: usize,
    adapts: bool,
}

impl BlockLimiter {
    pub fn fixed(size: usize) -> Self {
        Self { size: size.max(1), bound: size.max(1), adapts: false }
    }

    pub fn adaptive(bound: usize) -> Self {
        Self { size: START.min(bound).max(1), bound: bound.max(1), adapts: true }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn answered(&mut self, items: usize, took: Duration) {
        if !self.adapts {
            return;
        }
        if took >= SLOW {
            self.size = (self.size / 2).max(1);
        } else if took <= QUICK && items >= self.size {
            self.size = (self.size + self.size / 2 + 1).min(self.bound);
        }
    }

    pub fn failed(&mut self) {
        if self.adapts {
            self.size = (self.size / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_while_calls_are_quick_and_halve_when_they_are_slow() {
        let mut block = BlockLimiter::adaptive(100);
        for _ in 0..10 {
            block.answered(block.size(), Duration::from_millis(100));
        }
        assert_eq!(block.size(), 100);
        block.answered(100, Duration::from_secs(5));
        assert_eq!(block.size(), 50);
        block.answered(10, Duration::from_millis(1));
        assert_eq!(block.size(), 50, "a block that was not full proves nothing");
        block.failed();
        assert_eq!(block.size(), 25);
    }
}
