//! What Cassandra's answer means for an item: the table of `design.md` section 3 as a pure function.

use std::time::Instant;

use super::event::{Action, FollowUp, Why};
use super::outcome::{Ending, Reason};

/// The columns of a user's row that a decision needs; none of them is personal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRow {
    /// 1 active, 0 blocked, 2 deleted; null on very old rows (`facts/sunbird.md` 5.1).
    pub status: Option<i32>,
    pub root_org_id: Option<String>,
    pub managed_by: Option<String>,
}

impl UserRow {
    /// `isdeleted` does not count: it is also true for blocked and merged accounts.
    pub fn is_deleted(&self) -> bool {
        self.status == Some(2)
    }
}

/// How much of a user the purge may take away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PurgeKind {
    /// Both id forms, every table.
    Full,
    /// Rows of the plain id only, and only when the credentials have moved to user federation.
    Retire,
    /// Tables without foreign keys only, by the requested ids.
    Sweep,
}

/// Which branches an item takes, decided at `read_at`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub read_at: Instant,
    pub decision: Decision,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Work { sync: bool, purge: Option<PurgeKind> },
    End(Ending),
}

/// What the configuration allows where the table of section 3 leaves a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// `guard.missing_user = "purge"`: a user without a row is purged all the same.
    pub purge_missing: bool,
    /// `delay.looks`: at this look a wait for the deletion is over.
    pub looks: u32,
}

/// Decides what to do for one item from the row that was just read.
pub fn decide(action: Action, follow_up: Option<&FollowUp>, row: Option<&UserRow>, guard: Guard) -> Decision {
    match follow_up.map(|follow_up| follow_up.why) {
        None | Some(Why::Look) => first_work(action, look_of(follow_up), row, guard),
        Some(Why::Sweep) => only_purge(PurgeKind::Sweep, row, guard),
        Some(Why::Purge) => match action {
            Action::RetireLocalUser if !row.is_some_and(UserRow::is_deleted) => retire(row, false),
            Action::RetireLocalUser | Action::DeleteUser => only_purge(PurgeKind::Full, row, guard),
            Action::ResyncUser => Decision::End(Ending::skipped(Reason::NotFound)),
        },
        Some(Why::Sync) => match row {
            Some(_) => Decision::Work { sync: true, purge: None },
            None => Decision::End(Ending::skipped(Reason::NotFound)),
        },
    }
}

fn look_of(follow_up: Option<&FollowUp>) -> u32 {
    follow_up.map_or(0, |follow_up| follow_up.look)
}

fn first_work(action: Action, look: u32, row: Option<&UserRow>, guard: Guard) -> Decision {
    match (action, row) {
        (Action::DeleteUser | Action::RetireLocalUser, Some(row)) if row.is_deleted() => {
            Decision::Work { sync: true, purge: Some(PurgeKind::Full) }
        }
        (Action::DeleteUser, Some(_)) => Decision::End(wait_or(look, guard, Ending::skipped(Reason::NotDeleted))),
        (Action::DeleteUser, None) if guard.purge_missing => {
            Decision::Work { sync: false, purge: Some(PurgeKind::Full) }
        }
        (Action::DeleteUser, None) => Decision::End(wait_or(look, guard, Ending::failed(Reason::NotFound))),
        (Action::ResyncUser, Some(_)) => Decision::Work { sync: true, purge: None },
        (Action::ResyncUser, None) => Decision::End(Ending::skipped(Reason::NotFound)),
        (Action::RetireLocalUser, row) => retire(row, true),
    }
}

/// A local copy is retired only beside a row: without one nothing says that this is a moved user.
fn retire(row: Option<&UserRow>, sync: bool) -> Decision {
    match row {
        Some(_) => Decision::Work { sync, purge: Some(PurgeKind::Retire) },
        None => Decision::End(Ending::skipped(Reason::NotFound)),
    }
}

fn only_purge(kind: PurgeKind, row: Option<&UserRow>, guard: Guard) -> Decision {
    match row {
        Some(row) if row.is_deleted() => Decision::Work { sync: false, purge: Some(kind) },
        Some(_) => Decision::End(Ending::skipped(Reason::Restored)),
        None if guard.purge_missing => Decision::Work { sync: false, purge: Some(kind) },
        None => Decision::End(Ending::failed(Reason::NotFound)),
    }
}

fn wait_or(look: u32, guard: Guard, last: Ending) -> Ending {
    if look < guard.looks { Ending::deferred(last.reason) } else { last }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::domain::outcome::Status;

    const GUARD: Guard = Guard { purge_missing: false, looks: 6 };
    /// Every status but 2, those that nobody has seen yet too.
    const LIVE: [Option<i32>; 5] = [Some(0), Some(1), None, Some(3), Some(-2)];

    fn row(status: Option<i32>) -> UserRow {
        UserRow { status, ..UserRow::default() }
    }

    fn after(why: Why, look: u32) -> FollowUp {
        FollowUp { why, look, of: "of".into() }
    }

    fn work(sync: bool, purge: Option<PurgeKind>) -> Decision {
        Decision::Work { sync, purge }
    }

    #[test]
    fn a_deleted_user_takes_both_branches() {
        let deleted = row(Some(2));
        for action in [Action::DeleteUser, Action::RetireLocalUser] {
            assert_eq!(decide(action, None, Some(&deleted), GUARD), work(true, Some(PurgeKind::Full)));
        }
        assert_eq!(
            decide(Action::DeleteUser, Some(&after(Why::Look, 6)), Some(&deleted), GUARD),
            work(true, Some(PurgeKind::Full))
        );
    }

    #[test]
    fn a_user_who_is_not_deleted_yet_is_looked_at_again_up_to_the_last_look() {
        let lives = LIVE.map(row);
        let look = |look, row| decide(Action::DeleteUser, Some(&after(Why::Look, look)), row, GUARD);
        let first = |row| decide(Action::DeleteUser, None, row, GUARD);
        for live in &lives {
            assert_eq!(first(Some(live)), Decision::End(Ending::deferred(Reason::NotDeleted)));
            assert_eq!(look(5, Some(live)), Decision::End(Ending::deferred(Reason::NotDeleted)));
            assert_eq!(look(6, Some(live)), Decision::End(Ending::skipped(Reason::NotDeleted)));
        }
        assert_eq!(first(None), Decision::End(Ending::deferred(Reason::NotFound)));
        assert_eq!(look(5, None), Decision::End(Ending::deferred(Reason::NotFound)));
        assert_eq!(look(6, None), Decision::End(Ending::failed(Reason::NotFound)));
    }

    #[test]
    fn a_user_without_a_row_is_purged_only_where_the_guard_says_so() {
        let purge = Guard { purge_missing: true, ..GUARD };
        assert_eq!(decide(Action::DeleteUser, None, None, purge), work(false, Some(PurgeKind::Full)));
        assert_eq!(
            decide(Action::DeleteUser, Some(&after(Why::Sweep, 0)), None, purge),
            work(false, Some(PurgeKind::Sweep))
        );
        for action in [Action::ResyncUser, Action::RetireLocalUser] {
            assert_eq!(decide(action, None, None, purge), Decision::End(Ending::skipped(Reason::NotFound)));
        }
    }

    #[test]
    fn a_resync_needs_a_row_and_nothing_else() {
        for status in LIVE.into_iter().chain([Some(2)]) {
            assert_eq!(decide(Action::ResyncUser, None, Some(&row(status)), GUARD), work(true, None));
        }
        assert_eq!(decide(Action::ResyncUser, None, None, GUARD), Decision::End(Ending::skipped(Reason::NotFound)));
    }

    #[test]
    fn a_live_user_is_retired_and_the_purge_decides_the_rest() {
        for status in LIVE {
            let decision = decide(Action::RetireLocalUser, None, Some(&row(status)), GUARD);
            assert_eq!(decision, work(true, Some(PurgeKind::Retire)));
        }
    }

    #[test]
    fn a_follow_up_does_its_own_branch_only() {
        let deleted = row(Some(2));
        let decided = |action, why| decide(action, Some(&after(why, 0)), Some(&deleted), GUARD);
        assert_eq!(decided(Action::DeleteUser, Why::Sync), work(true, None));
        assert_eq!(decided(Action::DeleteUser, Why::Purge), work(false, Some(PurgeKind::Full)));
        assert_eq!(decided(Action::DeleteUser, Why::Sweep), work(false, Some(PurgeKind::Sweep)));
        assert_eq!(decided(Action::RetireLocalUser, Why::Purge), work(false, Some(PurgeKind::Full)));
        let live = row(Some(1));
        let retire = decide(Action::RetireLocalUser, Some(&after(Why::Purge, 0)), Some(&live), GUARD);
        assert_eq!(retire, work(false, Some(PurgeKind::Retire)));
    }

    #[test]
    fn a_user_restored_since_is_left_alone() {
        for status in LIVE {
            for why in [Why::Sweep, Why::Purge] {
                let decision = decide(Action::DeleteUser, Some(&after(why, 0)), Some(&row(status)), GUARD);
                assert_eq!(decision, Decision::End(Ending::skipped(Reason::Restored)), "{why:?} {status:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_purge_a_live_user(
            action in select(Action::ALL.to_vec()),
            follow_up in select([None].into_iter().chain(Why::ALL.map(Some)).collect::<Vec<_>>()),
            look in 0..9_u32,
            found in any::<Option<Option<i8>>>(),
            purge_missing: bool,
        ) {
            let row = found.map(|status| row(status.map(i32::from)));
            let follow_up = follow_up.map(|why| after(why, look));
            let decision = decide(action, follow_up.as_ref(), row.as_ref(), Guard { purge_missing, ..GUARD });
            if let Decision::Work { purge: Some(PurgeKind::Full | PurgeKind::Sweep), .. } = decision {
                prop_assert!(row.as_ref().map_or(purge_missing, |row| row.status == Some(2)));
            }
            if let Decision::Work { purge: Some(PurgeKind::Retire), .. } = decision {
                prop_assert!(row.is_some());
                prop_assert_eq!(action, Action::RetireLocalUser);
            }
            if let Decision::End(ending) = decision {
                prop_assert!(matches!(ending.status, Status::Deferred | Status::Skipped | Status::Failed));
                prop_assert!(ending.status != Status::Deferred || look_of(follow_up.as_ref()) < GUARD.looks);
            } else {
                prop_assert_ne!(decision, work(false, None));
            }
        }
    }
}
