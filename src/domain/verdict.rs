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
