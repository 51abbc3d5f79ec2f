use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::event::Action;
use crate::domain::verdict::{Guard, UserRow, decide};

const GUARD: Guard = Guard { purge_missing: false, looks: 6 };
const ROWS: PurgeEnd = PurgeEnd::Clean { rows_total: 7, residue: 0 };
const NO_ROWS: PurgeEnd = PurgeEnd::Clean { rows_total: 0, residue: 0 };
const RESIDUE: PurgeEnd = PurgeEnd::Clean { rows_total: 0, residue: 1 };
const BOTH: Decision = Decision::Work { sync: true, purge: Some(PurgeKind::Full) };

/// What is asked for, what Cassandra says, how the branches end; and what comes of it.
type TableRow<'a> = (Action, &'a Option<UserRow>, SyncEnd, PurgeEnd, Ending, &'a [Why]);

fn row(status: i32) -> Option<UserRow> {
    Some(UserRow { status: Some(status), ..UserRow::default() })
}

/// A request that is not a follow-up.
fn item(decision: Decision, sync: SyncEnd, purge: PurgeEnd) -> Branches {
    let class = Class::Other;
    Branches { follow_up: None, class, decision, sync, purge, answer_lost: false, dry_run: false }
}

fn decided(action: Action, row: Option<&UserRow>) -> Decision {
    decide(action, None, row, GUARD)
}

/// `design.md` section 3, row by row.
#[test]
fn every_row_of_the_table_ends_as_the_design_says() {
    use PurgeEnd as P;
    use SyncEnd as S;
    use {Action::DeleteUser as Delete, Action::ResyncUser as Resync, Action::RetireLocalUser as Retire};
    let (deleted, live, blocked) = (row(2), row(1), row(0));
    let old = Some(UserRow::default());
    let none: Option<UserRow> = None;
    let success = Ending::success;
    let rows: &[TableRow] = &[
        (Delete, &deleted, S::Indexed, ROWS, success(Reason::Purged), &[Why::Sweep]),
        (Delete, &deleted, S::Indexed, RESIDUE, success(Reason::AlreadyClean), &[Why::Sweep]),
        (Delete, &deleted, S::Indexed, NO_ROWS, success(Reason::AlreadyClean), &[]),
        (Delete, &deleted, S::Failed, ROWS, Ending::partial(Reason::SyncFailed), &[Why::Sweep]),
        (Delete, &deleted, S::Failed, NO_ROWS, Ending::partial(Reason::SyncFailed), &[]),
        (Delete, &deleted, S::Indexed, P::Failed, Ending::partial(Reason::PurgeFailed), &[]),
        (Delete, &deleted, S::Failed, P::Failed, Ending::failed(Reason::AllFailed), &[]),
        (Delete, &deleted, S::Indexed, P::Protected, Ending::failed(Reason::Protected), &[]),
        (Delete, &deleted, S::Failed, P::Protected, Ending::failed(Reason::Protected), &[]),
        (Delete, &deleted, S::Unverified, ROWS, success(Reason::Unverified), &[Why::Sweep]),
        (Delete, &deleted, S::Unverified, NO_ROWS, success(Reason::Unverified), &[]),
        (Delete, &deleted, S::Unverified, P::Failed, Ending::partial(Reason::PurgeFailed), &[]),
        (Delete, &deleted, S::Indexed, P::Disabled, success(Reason::Synced), &[]),
        (Delete, &deleted, S::Unverified, P::Disabled, success(Reason::Unverified), &[]),
        (Delete, &deleted, S::Failed, P::Disabled, Ending::failed(Reason::SyncFailed), &[]),
        (Delete, &live, S::NotDue, P::NotDue, Ending::deferred(Reason::NotDeleted), &[Why::Look]),
        (Delete, &blocked, S::NotDue, P::NotDue, Ending::deferred(Reason::NotDeleted), &[Why::Look]),
        (Delete, &old, S::NotDue, P::NotDue, Ending::deferred(Reason::NotDeleted), &[Why::Look]),
        (Delete, &none, S::NotDue, P::NotDue, Ending::deferred(Reason::NotFound), &[Why::Look]),
        (Resync, &live, S::Indexed, P::NotDue, success(Reason::Synced), &[]),
        (Resync, &deleted, S::Unverified, P::NotDue, success(Reason::Unverified), &[]),
        (Resync, &live, S::Failed, P::NotDue, Ending::failed(Reason::SyncFailed), &[]),
        (Resync, &none, S::NotDue, P::NotDue, Ending::skipped(Reason::NotFound), &[]),
        (Retire, &live, S::Indexed, ROWS, success(Reason::Purged), &[]),
        (Retire, &blocked, S::Indexed, NO_ROWS, success(Reason::AlreadyClean), &[]),
        (Retire, &live, S::Failed, ROWS, Ending::partial(Reason::SyncFailed), &[]),
        (Retire, &live, S::Indexed, P::Failed, Ending::partial(Reason::PurgeFailed), &[]),
        (Retire, &live, S::Failed, P::Failed, Ending::failed(Reason::AllFailed), &[]),
        (Retire, &live, S::Indexed, P::Protected, Ending::failed(Reason::Protected), &[]),
        (Retire, &live, S::Indexed, P::CredentialsNotMoved, Ending::skipped(Reason::CredentialsNotMoved), &[]),
        (Retire, &live, S::Unverified, P::CredentialsNotMoved, Ending::skipped(Reason::CredentialsNotMoved), &[]),
        (Retire, &live, S::Failed, P::CredentialsNotMoved, Ending::failed(Reason::SyncFailed), &[]),
        (Retire, &deleted, S::Indexed, ROWS, success(Reason::Purged), &[Why::Sweep]),
        (Retire, &none, S::NotDue, P::NotDue, Ending::skipped(Reason::NotFound), &[]),
    ];
    for (action, row, sync, purge, ending, follow_ups) in rows {
        let branches = item(decided(*action, row.as_ref()), *sync, *purge);
        assert_eq!(join(&branches), (*ending, follow_ups.to_vec()), "{action:?} {row:?} {branches:?}");
    }
}

#[test]
fn a_user_without_a_row_is_purged_alone_where_the_guard_says_so() {
    let decision = decide(Action::DeleteUser, None, None, Guard { purge_missing: true, ..GUARD });
    let ends = |purge| join(&item(decision, SyncEnd::NotDue, purge));
    assert_eq!(ends(ROWS), (Ending::success(Reason::Purged), vec![Why::Sweep]));
    assert_eq!(ends(NO_ROWS), (Ending::success(Reason::AlreadyClean), vec![]));
    assert_eq!(ends(PurgeEnd::Failed), (Ending::failed(Reason::PurgeFailed), vec![]));
    assert_eq!(ends(PurgeEnd::Protected), (Ending::failed(Reason::Protected), vec![]));
    assert_eq!(ends(PurgeEnd::Disabled), (Ending::skipped(Reason::WouldPurge), vec![]));
    assert_eq!(ends(PurgeEnd::Waiting), (Ending::deferred(Reason::Waiting), vec![Why::Purge]));
}

#[test]
fn a_fresh_event_is_swept_even_when_there_was_nothing_to_purge() {
    let fresh = Branches { class: Class::Fresh, ..item(BOTH, SyncEnd::Indexed, NO_ROWS) };
    assert_eq!(join(&fresh), (Ending::success(Reason::AlreadyClean), vec![Why::Sweep]));
    let kept = Branches { class: Class::Fresh, ..item(BOTH, SyncEnd::Indexed, PurgeEnd::Protected) };
    assert_eq!(join(&kept).1, []);
}

#[test]
fn the_branch_that_waits_is_done_later_and_told_once() {
    let waits = |sync, purge| join(&item(BOTH, sync, purge));
    let deferred = Ending::deferred(Reason::Waiting);
    assert_eq!(waits(SyncEnd::Indexed, PurgeEnd::Waiting), (deferred, vec![Why::Purge]));
    assert_eq!(waits(SyncEnd::Unverified, PurgeEnd::Waiting), (deferred, vec![Why::Purge]));
    assert_eq!(waits(SyncEnd::Waiting, NO_ROWS), (deferred, vec![Why::Sync]));
    assert_eq!(waits(SyncEnd::Waiting, ROWS), (deferred, vec![Why::Sync, Why::Sweep]));
    assert_eq!(waits(SyncEnd::Waiting, PurgeEnd::Disabled), (deferred, vec![Why::Sync]));
}

#[test]
fn a_failed_branch_is_not_forgotten_while_the_other_waits() {
    for (sync, purge) in [
        (SyncEnd::Failed, PurgeEnd::Waiting),
        (SyncEnd::Waiting, PurgeEnd::Failed),
        (SyncEnd::Waiting, PurgeEnd::Protected),
        (SyncEnd::Waiting, PurgeEnd::CredentialsNotMoved),
        (SyncEnd::Waiting, PurgeEnd::Waiting),
    ] {
        assert_eq!(join(&item(BOTH, sync, purge)), (Ending::deferred(Reason::Waiting), vec![Why::Look]));
    }
}

#[test]
fn a_lost_answer_is_followed_by_another_sync() {
    let lost = |sync, purge| join(&Branches { answer_lost: true, ..item(BOTH, sync, purge) }).1;
    assert_eq!(lost(SyncEnd::Indexed, NO_ROWS), [Why::Sync]);
    assert_eq!(lost(SyncEnd::Indexed, ROWS), [Why::Sync, Why::Sweep]);
    assert_eq!(lost(SyncEnd::Indexed, PurgeEnd::Waiting), [Why::Look], "one record does both");
    assert_eq!(lost(SyncEnd::Indexed, PurgeEnd::Failed), [], "its success would hide the failure");
    assert_eq!(lost(SyncEnd::Failed, NO_ROWS), []);
    let again = item(Decision::Work { sync: true, purge: None }, SyncEnd::Indexed, PurgeEnd::NotDue);
    assert_eq!(join(&Branches { follow_up: Some(Why::Sync), answer_lost: true, ..again }).1, []);
}

#[test]
fn a_follow_up_tells_its_own_branch_only() {
    let ends = |why, purge_kind, sync, purge| {
        let decision = Decision::Work { sync: sync != SyncEnd::NotDue, purge: purge_kind };
        join(&Branches { follow_up: Some(why), class: Class::Fresh, ..item(decision, sync, purge) })
    };
    let purge = |why, kind, end| ends(why, Some(kind), SyncEnd::NotDue, end);
    let done = |ending| (ending, vec![]);
    assert_eq!(purge(Why::Sweep, PurgeKind::Sweep, ROWS), done(Ending::success(Reason::Purged)));
    assert_eq!(purge(Why::Sweep, PurgeKind::Sweep, NO_ROWS), done(Ending::success(Reason::AlreadyClean)));
    assert_eq!(purge(Why::Sweep, PurgeKind::Sweep, PurgeEnd::Failed), done(Ending::failed(Reason::PurgeFailed)));
    assert_eq!(purge(Why::Purge, PurgeKind::Full, ROWS), done(Ending::success(Reason::Purged)));
    assert_eq!(
        purge(Why::Purge, PurgeKind::Retire, PurgeEnd::CredentialsNotMoved),
        done(Ending::skipped(Reason::CredentialsNotMoved))
    );
    let sync = |end| ends(Why::Sync, None, end, PurgeEnd::NotDue);
    assert_eq!(sync(SyncEnd::Indexed), done(Ending::success(Reason::Synced)));
    assert_eq!(sync(SyncEnd::Failed), done(Ending::failed(Reason::SyncFailed)));
    assert_eq!(sync(SyncEnd::Waiting), (Ending::deferred(Reason::Waiting), vec![Why::Sync]));
}

#[test]
fn a_dry_run_tells_what_would_be_and_writes_nothing() {
    let dry = |decision, sync, purge| {
        join(&Branches { dry_run: true, answer_lost: true, class: Class::Fresh, ..item(decision, sync, purge) })
    };
    let told = |ending| (ending, vec![]);
    let wait = Decision::End(Ending::deferred(Reason::NotDeleted));
    assert_eq!(dry(BOTH, SyncEnd::Disabled, ROWS), told(Ending::success(Reason::WouldPurge)));
    assert_eq!(dry(BOTH, SyncEnd::Disabled, NO_ROWS), told(Ending::success(Reason::AlreadyClean)));
    assert_eq!(dry(BOTH, SyncEnd::Disabled, PurgeEnd::Protected), told(Ending::failed(Reason::Protected)));
    assert_eq!(dry(BOTH, SyncEnd::Disabled, PurgeEnd::Failed), told(Ending::failed(Reason::PurgeFailed)));
    assert_eq!(dry(wait, SyncEnd::NotDue, PurgeEnd::NotDue), told(Ending::deferred(Reason::NotDeleted)));
    assert!(!failed_record_due(Ending::failed(Reason::Protected), true));
}

#[test]
fn only_waiting_for_the_row_counts_as_a_look() {
    let before = FollowUp { why: Why::Look, look: 2, of: "earlier".into() };
    let look = |why, before, reason| follow_up(why, before, Ending::deferred(reason), "this".into()).look;
    assert_eq!(look(Why::Look, None, Reason::NotDeleted), 1);
    assert_eq!(look(Why::Look, Some(&before), Reason::NotFound), 3);
    assert_eq!(look(Why::Look, Some(&before), Reason::Waiting), 2);
    assert_eq!(look(Why::Sweep, Some(&before), Reason::Purged), 2);
}

#[test]
fn a_verdict_without_a_branch_is_never_a_silent_success() {
    let decision = Decision::Work { sync: false, purge: None };
    assert_eq!(join(&item(decision, SyncEnd::NotDue, PurgeEnd::NotDue)).0, Ending::failed(Reason::LookupFailed));
}

/// Every combination that the pipeline can bring about: a branch has an end exactly where the verdict names it.
fn any_item() -> impl Strategy<Value = Branches> {
    let kind = select(vec![None, Some(PurgeKind::Full), Some(PurgeKind::Retire), Some(PurgeKind::Sweep)]);
    let follow_up = select([None].into_iter().chain(Why::ALL.map(Some)).collect::<Vec<_>>());
    (any::<bool>(), kind, follow_up, any::<[bool; 3]>())
        .prop_filter("a verdict names a branch", |(sync, kind, ..)| *sync || kind.is_some())
        .prop_flat_map(|(sync, purge, follow_up, [fresh, answer_lost, dry_run])| {
            use SyncEnd::{Disabled, Failed, Indexed, NotDue, Unverified, Waiting};
            let syncs = match (sync, dry_run) {
                (false, _) => vec![NotDue],
                (true, true) => vec![Disabled],
                (true, false) => vec![Indexed, Unverified, Failed, Waiting],
            };
            let waits = if dry_run { PurgeEnd::Failed } else { PurgeEnd::Waiting };
            let mut purges = vec![ROWS, NO_ROWS, RESIDUE, PurgeEnd::Protected, PurgeEnd::Failed, waits];
            match purge {
                None => purges = vec![PurgeEnd::NotDue],
                Some(PurgeKind::Retire) => purges.push(PurgeEnd::CredentialsNotMoved),
                Some(PurgeKind::Full | PurgeKind::Sweep) => purges.push(PurgeEnd::Disabled),
            }
            let class = if fresh { Class::Fresh } else { Class::Other };
            let decision = Decision::Work { sync, purge };
            (select(syncs), select(purges)).prop_map(move |(sync, purge)| Branches {
                follow_up,
                class,
                decision,
                sync,
                purge,
                answer_lost,
                dry_run,
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_failed_or_was_refused_is_told_and_recorded(item in any_item()) {
        let (ending, _) = join(&item);
        let wrong = item.sync == SyncEnd::Failed || matches!(item.purge, PurgeEnd::Failed | PurgeEnd::Protected);
        let waits = item.sync == SyncEnd::Waiting || item.purge == PurgeEnd::Waiting;
        prop_assert_eq!(failed_record_due(ending, item.dry_run), wrong && !waits && !item.dry_run);
        prop_assert_eq!(ending.status == Status::Deferred, waits);
    }

    #[test]
    fn a_deferred_item_comes_back_exactly_once(item in any_item()) {
        let (ending, follow_ups) = join(&item);
        let work = follow_ups.iter().filter(|&&why| why != Why::Sweep).count();
        let lost = item.answer_lost && !item.dry_run;
        if ending.status == Status::Deferred {
            prop_assert_eq!(work, 1);
        } else {
            prop_assert!(work == 0 || (lost && follow_ups[0] == Why::Sync), "{ending:?} {follow_ups:?}");
        }
        prop_assert!(follow_ups.iter().filter(|&&why| why == Why::Sweep).count() <= 1);
        prop_assert!(!item.dry_run || follow_ups.is_empty());
        if matches!(item.follow_up, Some(Why::Sweep | Why::Sync | Why::Purge)) {
            prop_assert!(!follow_ups.contains(&Why::Sweep));
        }
    }
}

#[test]
fn to_wait_is_told_once() {
    let waiting = Ending::deferred(Reason::Waiting);
    let after = |why| FollowUp { why, look: 0, of: String::new() };
    assert!(!waits_again(waiting, None) && !waits_again(waiting, Some(&after(Why::Look))));
    for why in [Why::Sync, Why::Purge] {
        assert!(waits_again(waiting, Some(&after(why))));
        assert!(!waits_again(Ending::success(Reason::Synced), Some(&after(why))));
    }
}
