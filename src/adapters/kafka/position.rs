//! How far a partition is read, and whether records went before they were read: librdkafka passes over them silently.

/// What the latest statistics say of a partition's beginning.
#[derive(Debug, Clone, Copy)]
pub struct Low {
    /// The first offset that is left.
    pub offset: i64,
    /// Nothing that was fetched is unread.
    pub is_drained: bool,
}

/// Offsets between the one that was expected and the one that came.
#[derive(Debug, Clone, Copy)]
struct Jump {
    from: i64,
    to: i64,
    /// The statistics of that time may have been made before.
    looked_at: bool,
}

/// Of one partition in one epoch.
#[derive(Debug)]
pub struct Position {
    /// Expected next; `None` where nothing was ever committed: wherever it begins is right.
    next: Option<i64>,
    /// The first since the last statistics, which tell a removal from what is no loss: transaction markers, aborted
    /// records and compaction leave gaps too.
    jump: Option<Jump>,
}

impl Position {
    pub fn committed(offset: Option<i64>) -> Self {
        Self { next: offset, jump: None }
    }

    /// `None` where nothing was ever committed or read.
    pub fn next(&self) -> Option<i64> {
        self.next
    }

    pub fn read(&mut self, offset: i64) {
        let expected = self.next.replace(offset + 1).filter(|expected| *expected < offset);
        self.jump = self.jump.or(expected.map(|from| Jump { from, to: offset, looked_at: false }));
    }

    /// Records that were removed before they were read: the first offset, and how many. Each is told once.
    pub fn removed(&mut self, low: Low) -> Option<(i64, u64)> {
        let (from, to) = match &mut self.jump {
            Some(jump) => {
                let found = (jump.from, jump.to.min(low.offset));
                if found.0 < found.1 || std::mem::replace(&mut jump.looked_at, true) {
                    self.jump = None;
                }
                found
            }
            None if low.is_drained => (self.next?, self.next?.max(low.offset)),
            None => return None,
        };
        let count = u64::try_from(to - from).ok().filter(|count| *count > 0)?;
        self.next = self.next.max(Some(to));
        Some((from, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn low(offset: i64) -> Low {
        Low { offset, is_drained: true }
    }

    #[test]
    fn what_was_removed_is_told_once_with_or_without_a_record_behind_it() {
        let mut position = Position::committed(Some(5));
        assert_eq!(position.removed(low(5)), None);
        assert_eq!(position.removed(low(12)), Some((5, 7)));
        assert_eq!(position.removed(low(12)), None);
        position.read(20);
        assert_eq!(position.removed(low(20)), Some((12, 8)));
        assert_eq!(position.removed(low(20)), None);
        position.read(21);
        assert_eq!(position.removed(low(21)), None);
    }

    #[test]
    fn gaps_that_are_no_removal_are_none() {
        let mut position = Position::committed(Some(5));
        position.read(9);
        position.read(12);
        assert_eq!((position.removed(low(2)), position.removed(low(2))), (None, None));
        // What retention takes after it was read is no loss.
        assert_eq!(position.removed(low(13)), None);
    }

    #[test]
    fn statistics_that_are_older_than_the_gap_decide_nothing() {
        let mut position = Position::committed(Some(5));
        position.read(9);
        assert_eq!(position.removed(low(0)), None);
        assert_eq!(position.removed(low(9)), Some((5, 4)));
    }

    #[test]
    fn what_is_fetched_and_unread_is_not_removed() {
        let mut position = Position::committed(Some(5));
        assert_eq!(position.removed(Low { offset: 12, is_drained: false }), None);
        position.read(5);
        assert_eq!(position.removed(Low { offset: 12, is_drained: false }), None);
    }

    #[test]
    fn a_first_start_misses_nothing() {
        let mut position = Position::committed(None);
        assert_eq!(position.removed(low(7)), None);
        position.read(7);
        assert_eq!(position.removed(low(7)), None);
    }
}
