//! What stops a purge that nobody means: a user with far too many rows, far too many users within an hour.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::statements::found_by;
use super::tables::{Key, Table};
use crate::domain::outcome::RowCounts;
use crate::ports::{Disposition, Failure};

const HOUR: Duration = Duration::from_hours(1);
/// A life's log, not a life: how many events there are says nothing about whose they are.
const EVENTS: [&str; 2] = ["event_entity", "admin_event_entity"];

/// Rows of one user, as far as they count against `purge.max_rows_per_user`.
pub(super) fn weight(rows: &RowCounts) -> u64 {
    rows.iter().filter(|(table, _)| !EVENTS.contains(table)).map(|(_, rows)| rows).sum()
}

/// `$1` ids, `$2` realm: how many rows name each id. Of what hangs on those rows the transaction finds out.
pub(super) fn weights(tables: &[&'static Table]) -> String {
    let of_user = tables.iter().filter(|table| matches!(table.key, Key::User(_)));
    let selects =
        of_user.map(|table| format!("SELECT x.{}::text AS id FROM {}", table.column(), found_by(table, "$1", "$2")));
    let all = selects.collect::<Vec<_>>().join(" UNION ALL ");
    format!("SELECT found.id, count(*) FROM ({all}) found GROUP BY found.id")
}

/// `purge.max_users_per_hour`, of one worker.
#[derive(Debug)]
pub(super) struct UsersPerHour {
    /// 0: no limit.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When, and how many; oldest first.
    purged: VecDeque<(Instant, usize)>,
    /// Handed out to blocks that have not ended.
    granted: usize,
    blown: bool,
}

/// Leave to purge so many users. What is not used goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Grant<'a> {
    fuse: &'a UsersPerHour,
    pub users: usize,
}

impl UsersPerHour {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// At most `wanted`.
    pub(super) fn grant(&self, wanted: usize, now: Instant) -> Grant<'_> {
        if self.limit == 0 {
            return Grant { fuse: self, users: wanted };
        }
        let mut state = self.state();
        let users = if self.is_blown(&mut state, now) { 0 } else { wanted.min(self.free(&state)) };
        state.blown |= users < wanted;
        state.granted += users;
        Grant { fuse: self, users }
    }

    /// # Errors
    /// While users wait for the hour to move on.
    pub(super) fn check(&self, now: Instant) -> Result<(), Failure> {
        if self.limit > 0 && self.is_blown(&mut self.state(), now) { Err(self.failure()) } else { Ok(()) }
    }

    /// Always the same words: each change of them is a line of the log.
    pub(super) fn failure(&self) -> Failure {
        Failure::new(Disposition::Hold, "users_per_hour").because(format!(
            "purge.max_users_per_hour: {} users are purged within the hour; the rest goes on by itself as the hour moves \
             on, or at once with a higher limit, if so many deletions are meant",
            self.limit
        ))
    }

    /// Blown, it stays so until a tenth is free again: not open and shut for every single user.
    fn is_blown(&self, state: &mut State, now: Instant) -> bool {
        while state.purged.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= HOUR) {
            state.purged.pop_front();
        }
        state.blown &= self.free(state) < (self.limit / 10).max(1);
        state.blown
    }

    fn free(&self, state: &State) -> usize {
        let purged: usize = state.purged.iter().map(|(_, users)| users).sum();
        self.limit.saturating_sub(purged + state.granted)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant<'_> {
    /// So many of them had rows, which are gone.
    pub(super) fn used(self, users: usize, now: Instant) {
        if self.fuse.limit > 0 && users > 0 {
            self.fuse.state().purged.push_back((now, users));
        }
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        if self.fuse.limit > 0 {
            let mut state = self.fuse.state();
            state.granted = state.granted.saturating_sub(self.users);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::TABLES;
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    proptest! {
        /// Whatever the blocks, and however few of their users have rows.
        #[test]
        fn never_more_than_the_limit_within_an_hour(
            limit in 1..30_usize,
            blocks in proptest::collection::vec((1..20_usize, 0..=100_usize, 0..40_u64), 1..60),
        ) {
            let (fuse, mut now, mut purged) = (UsersPerHour::new(limit), Instant::now(), Vec::new());
            for (wanted, part, minutes) in blocks {
                now += MINUTE * u32::try_from(minutes).unwrap();
                let grant = fuse.grant(wanted, now);
                let users = grant.users * part / 100;
                grant.used(users, now);
                purged.push((now, users));
                let within = purged.iter().filter(|(at, _)| now - *at < HOUR).map(|(_, users)| users).sum::<usize>();
                prop_assert!(within <= limit, "{within} within an hour");
            }
            prop_assert!(fuse.grant(1, now + HOUR).users == 1, "it goes on by itself");
        }
    }

    #[test]
    fn it_holds_with_one_reason_until_a_tenth_is_free_again() {
        let (fuse, begun) = (UsersPerHour::new(20), Instant::now());
        fuse.check(begun).unwrap();
        fuse.grant(1, begun).used(1, begun);
        fuse.grant(18, begun + MINUTE).used(18, begun + MINUTE);
        let last = fuse.grant(5, begun + MINUTE);
        assert_eq!(last.users, 1);
        last.used(1, begun + MINUTE);
        for (minutes, free) in [(2, false), (59, false), (60, false), (61, true)] {
            let now = begun + MINUTE * minutes;
            assert_eq!(fuse.check(now).is_ok(), free, "after {minutes} min");
        }
        let (one, other) = (fuse.failure().story(), fuse.failure().story());
        assert_eq!(one, other);
        assert!(one.starts_with("users_per_hour: purge.max_users_per_hour: 20 users"), "{one}");
    }

    #[test]
    fn a_block_that_failed_uses_nothing_up() {
        let (fuse, now) = (UsersPerHour::new(3), Instant::now());
        let first = fuse.grant(3, now);
        assert_eq!((first.users, fuse.grant(3, now).users), (3, 0));
        drop(first);
        assert_eq!(fuse.grant(3, now).users, 3);
    }

    #[test]
    fn without_a_limit_everybody_goes() {
        let (fuse, now) = (UsersPerHour::new(0), Instant::now());
        let grant = fuse.grant(1_000_000, now);
        assert_eq!(grant.users, 1_000_000);
        grant.used(1_000_000, now);
        fuse.check(now).unwrap();
    }

    #[test]
    fn events_weigh_nothing() {
        assert_eq!(weight(&RowCounts::from([("event_entity", 90_000), ("credential", 2), ("user_entity", 1)])), 3);
        assert!(!weights(&TABLES.iter().collect::<Vec<_>>()).contains("event_entity"));
    }
}
