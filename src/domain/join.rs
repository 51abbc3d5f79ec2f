//! Joins what lookup and the two branches came to into an item's ending: the right half of the table in `design.md`
//! section 3, and which follow-ups section 4 asks for. The left half, who takes which branch, is `verdict.rs`.

use super::event::{FollowUp, Why};
use super::ids::Class;
use super::outcome::{Ending, Reason, Status};
use super::verdict::{Decision, PurgeKind};

/// How the sync of an item ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SyncEnd {
    Indexed,
    /// `sync.mode = "fire"`.
    Unverified,
    /// For good.
    Failed,
    NotDue,
    /// Due, but a dry run calls nothing.
    Disabled,
    /// Behind an open breaker, and the item has to leave.
    Waiting,
}

/// How the purge of an item ended. In a dry run the rows are those that would go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PurgeEnd {
    Clean {
        rows_total: u64,
        residue: u64,
    },
    Protected,
    CredentialsNotMoved,
    /// For good.
    Failed,
    NotDue,
    /// Due, but `purge.mode = "off"`.
    Disabled,
    /// Behind an open breaker, and the item has to leave.
    Waiting,
}

/// Everything that an item's ending depends on. The action is not among it: the verdict has already made of it which
/// branches are due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branches {
    pub follow_up: Option<Why>,
    pub class: Class,
    pub decision: Decision,
    pub sync: SyncEnd,
    pub purge: PurgeEnd,
    /// A call of the sync ended without a definite answer before one succeeded: it may still land late.
    pub answer_lost: bool,
    pub dry_run: bool,
}

/// The item's ending and the follow-ups to write for it: at most one that does work again, and at most one sweep.
pub fn join(item: &Branches) -> (Ending, Vec<Why>) {
    let ending = match item.decision {
        Decision::End(ending) => ending,
        Decision::Work { .. } => worked(item),
    };
    // A dry run writes statuses only.
    let follow_ups =
        if item.dry_run { Vec::new() } else { again(item, ending).into_iter().chain(sweep(item)).collect() };
    (ending, follow_ups)
}

/// A failed record goes with every ending that somebody must look at, except in a dry run, which writes statuses only.
pub fn failed_record_due(ending: Ending, dry_run: bool) -> bool {
    matches!(ending.status, Status::Failed | Status::Partial) && !dry_run
}

/// A follow-up for one branch that finds the dependency away still. Its user was told before, and an outage of days would
/// tell everybody who waits in it again, each time the follow-ups come round.
pub fn waits_again(ending: Ending, follow_up: Option<&FollowUp>) -> bool {
    let for_one_branch = follow_up.is_some_and(|it| matches!(it.why, Why::Sync | Why::Purge));
    for_one_branch && ending == Ending::deferred(Reason::Waiting)
}

/// The follow-up `why` of an item that ended so and was itself `before`. Only waiting for the row counts as a look:
/// waiting for a dependency must not use up the looks.
pub fn follow_up(why: Why, before: Option<&FollowUp>, ending: Ending, of: String) -> FollowUp {
    let looked = before.map_or(0, |before| before.look);
    let look = if why == Why::Look && ending.reason != Reason::Waiting { looked + 1 } else { looked };
    FollowUp { why, look, of }
}

fn worked(item: &Branches) -> Ending {
    use PurgeEnd as P;
    use SyncEnd as S;
    match (item.purge, item.sync) {
        (P::Waiting, _) | (_, S::Waiting) => Ending::deferred(Reason::Waiting),
        (P::Protected, _) => Ending::failed(Reason::Protected),
        (P::CredentialsNotMoved, S::Failed) => Ending::failed(Reason::SyncFailed),
        (P::CredentialsNotMoved, _) => Ending::skipped(Reason::CredentialsNotMoved),
        (P::Failed, S::Failed) => Ending::failed(Reason::AllFailed),
        (P::Failed, S::Indexed | S::Unverified) => Ending::partial(Reason::PurgeFailed),
        (P::Failed, S::NotDue | S::Disabled) => Ending::failed(Reason::PurgeFailed),
        (P::Clean { .. }, S::Failed) => Ending::partial(Reason::SyncFailed),
        (P::Clean { .. }, S::Unverified) => Ending::success(Reason::Unverified),
        (P::Clean { rows_total: 0, .. }, _) => Ending::success(Reason::AlreadyClean),
        (P::Clean { .. }, _) if item.dry_run => Ending::success(Reason::WouldPurge),
        (P::Clean { .. }, _) => Ending::success(Reason::Purged),
        (P::NotDue | P::Disabled, S::Failed) => Ending::failed(Reason::SyncFailed),
        (P::NotDue | P::Disabled, S::Unverified) => Ending::success(Reason::Unverified),
        (P::NotDue | P::Disabled, S::Indexed | S::Disabled) => Ending::success(Reason::Synced),
        // Only the purge was due and it is switched off: neither done nor failed.
        (P::Disabled, S::NotDue) => Ending::skipped(Reason::WouldPurge),
        // A verdict that names no branch is a bug of ours: loud and redrivable, never a silent success.
        (P::NotDue, S::NotDue) => Ending::failed(Reason::LookupFailed),
    }
}

/// The follow-up that does work again, if one is due.
fn again(item: &Branches, ending: Ending) -> Option<Why> {
    match (ending.status, ending.reason) {
        (Status::Deferred, Reason::Waiting) => Some(waiting_for(item)),
        (Status::Deferred, _) => Some(Why::Look),
        // After a failure there is none: its success would be told last and hide the failure. A redrive syncs again.
        (Status::Success | Status::Skipped, _) if lost_and_synced(item) => Some(Why::Sync),
        (Status::Success | Status::Skipped | Status::Partial | Status::Failed, _) => None,
    }
}

/// A follow-up's own answer is not followed again: a service that is always slow would never come to an end.
fn lost_and_synced(item: &Branches) -> bool {
    item.answer_lost && is_whole(item) && matches!(item.sync, SyncEnd::Indexed | SyncEnd::Unverified)
}

/// One branch alone is done later only when nothing is left to tell of the other one. Otherwise the whole is done
/// again: a follow-up that ends well must not be the last word on an item whose other branch failed or was refused.
fn waiting_for(item: &Branches) -> Why {
    let sync_told = !matches!(item.sync, SyncEnd::Waiting | SyncEnd::Failed) && !lost_and_synced(item);
    let purge_told = matches!(item.purge, PurgeEnd::Clean { .. } | PurgeEnd::NotDue | PurgeEnd::Disabled);
    match (sync_told, purge_told) {
        (true, false) => Why::Purge,
        (false, true) => Why::Sync,
        (true, true) | (false, false) => Why::Look,
    }
}

/// A sweep follows a full purge that a login in flight may have outrun. Never a retired user: the user lives, and
/// what a sweep takes away is theirs.
fn sweep(item: &Branches) -> Option<Why> {
    let full = matches!(item.decision, Decision::Work { purge: Some(PurgeKind::Full), .. });
    let PurgeEnd::Clean { rows_total, residue } = item.purge else { return None };
    let worth_it = rows_total > 0 || residue > 0 || item.class == Class::Fresh;
    (full && worth_it && is_whole(item)).then_some(Why::Sweep)
}

/// An ordinary event or another look at one, not a follow-up for a part of the work.
fn is_whole(item: &Branches) -> bool {
    matches!(item.follow_up, None | Some(Why::Look))
}

#[cfg(test)]
mod tests;
