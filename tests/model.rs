//! The promises of the engine, held against random scripts of events, failures, rebalances and crashes.
//!
//! No clock and no socket: the script is the world. After every step the books are checked; at the end the world heals
//! and everything must be settled.
//!
//! A check that fails names its promise. Two are held only as far as there is something to hold: `purge_is_all_or_nothing` not
//! at all, since the model has no database (the transaction is for `tests/it/keycloak/` and `tests/it/faults/` to show), and of
//! `access_ends` the order of purge, clearing of the cache and status, since it has no Keycloak either.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::cast_possible_wrap, reason = "logs of a few dozen records")]

#[path = "model/script.rs"]
mod script;
#[path = "model/world.rs"]
mod world;

use proptest::prelude::*;
use user_purge_sync::pipeline::engine::{Effect, StageName};

use script::{Fault, Step, USERS, steps};
use world::Play;

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    /// See `model/checks.rs` and `model/world.rs` for where each is checked.
    #[test]
    fn the_promises_hold_in_every_order_of_things(script in prop::collection::vec(steps(), 1..120)) {
        let mut play = Play::new();
        for step in &script {
            play.step(step);
        }
        play.heal();
        play.all_is_settled();
    }
}

/// A small table: no control is free, because every user waits for the service to come back.
#[test]
fn an_outage_ends_although_every_user_is_in_work() {
    let mut play = Play::new();
    for user in 0..USERS {
        play.step(&Step::Delete { user });
        play.step(&Step::Deliver { user, partition: 0 });
    }
    play.until_fails(|call| matches!(call, Effect::Sync(..)), Fault::Held);
    play.heal();
    play.all_is_settled();
}

/// An open Admin API breaker is an open purge breaker, and what waits behind it is not waited for.
#[test]
fn closing_does_not_wait_for_the_admin_api() {
    let mut play = Play::new();
    for user in [0, 1] {
        play.step(&Step::Delete { user });
        play.step(&Step::Deliver { user, partition: 0 });
        for _ in 0..400 {
            play.go_on(Some(StageName::Clear));
        }
    }
    play.close(Some(StageName::Clear));
    play.heal();
    play.all_is_settled();
}

/// What nobody has begun is the next owner's: a backlog of it would use up the whole time.
#[test]
fn closing_begins_nothing() {
    let mut play = Play::new();
    for user in 0..USERS {
        play.step(&Step::Delete { user });
        play.step(&Step::Deliver { user, partition: 0 });
    }
    play.close(None);
    assert_eq!((0..USERS).map(|user| play.purges_of(user)).sum::<usize>(), 0);
    play.heal();
    play.all_is_settled();
}

/// Every call with this user fails, whatever the stage; the probes say that the dependencies work.
#[test]
fn one_bad_user_hurts_nobody() {
    const BAD: u8 = 3;
    let mut play = Play::new();
    for user in 0..USERS {
        play.step(&Step::Delete { user });
        play.step(&Step::Deliver { user, partition: 0 });
    }
    play.heal_but(|call| match call {
        Effect::Sync(_, _, users) => users.iter().any(|user| user.as_str() == format!("u{BAD}")),
        Effect::Purge(_, orders) => orders.iter().any(|order| order.user.as_str() == format!("u{BAD}")),
        _ => false,
    });
    play.all_is_settled();
    assert_eq!(play.failed, 1);
    for user in 0..USERS {
        assert_eq!(play.purges_of(user), usize::from(user != BAD), "{user}");
    }
}

fn open_the_breaker_of_syncs(play: &mut Play) {
    for _ in 0..5 {
        play.until_fails(|call| matches!(call, Effect::Sync(..)), Fault::Away);
    }
}

/// The row is blanked while a probe, which read the old one, is still at work.
#[test]
fn a_probe_whose_answer_is_lost_is_never_the_last_to_write() {
    let mut play = Play::new();
    play.step(&Step::Resync { user: 1, partition: 0 });
    play.heal();
    play.step(&Step::Resync { user: 2, partition: 0 });
    open_the_breaker_of_syncs(&mut play);
    play.until_fails(|call| matches!(call, Effect::ProbeSync(..)), Fault::Away);
    play.step(&Step::Delete { user: 1 });
    play.step(&Step::Resync { user: 1, partition: 0 });
    play.heal();
    play.all_is_settled();
}

/// The same where every user is in work, and who waits is the control.
#[test]
fn a_probe_of_who_waits_is_never_the_last_to_write() {
    let mut play = Play::new();
    play.step(&Step::Resync { user: 0, partition: 0 });
    open_the_breaker_of_syncs(&mut play);
    (1..USERS).for_each(|user| play.step(&Step::Resync { user, partition: 0 }));
    play.until_fails(|call| matches!(call, Effect::ProbeSync(..)), Fault::Away);
    (1..USERS).for_each(|user| play.step(&Step::Delete { user }));
    play.heal();
    play.all_is_settled();
}

/// The row is blanked between a call whose answer is lost and the next one.
#[test]
fn a_lost_answer_is_never_the_last_to_write() {
    let mut play = Play::new();
    play.step(&Step::Resync { user: 1, partition: 0 });
    play.until_fails(|call| matches!(call, Effect::Sync(..)), Fault::Away);
    play.step(&Step::Delete { user: 1 });
    play.heal();
    play.all_is_settled();
}

/// The watchdog ends a process that is stuck, not one that had nothing to do for long.
#[test]
fn who_has_waited_for_work_is_not_stalled() {
    let mut play = Play::new();
    let idle = Step::Wait { seconds: 130 };
    play.step(&idle);
    assert!(!play.is_stalled(), "there is no work");
    play.step(&Step::Deliver { user: 1, partition: 0 });
    assert!(!play.is_stalled(), "it has just come");
    play.step(&idle);
    assert!(play.is_stalled(), "nobody answers");
}

#[test]
fn an_event_goes_all_the_way() {
    let mut play = Play::new();
    play.step(&Step::Deliver { user: 1, partition: 0 });
    play.step(&Step::Delete { user: 1 });
    play.heal();
    play.all_is_settled();
    assert_eq!(play.purges_of(1), 1);
    assert_eq!((play.called_again, play.sent_again), (0, 0));
}

#[test]
fn what_is_done_again_is_counted() {
    let mut play = Play::new();
    for user in [1, 2] {
        play.step(&Step::Delete { user });
        play.step(&Step::Deliver { user, partition: 0 });
    }
    play.until_fails(|call| matches!(call, Effect::Lookup(..)), Fault::Away);
    assert_eq!(play.called_again, 2, "an outage");
    // Two users who fail together are called alone, and one of them fails once more.
    play.until_fails(|call| matches!(call, Effect::Purge(..)), Fault::Whole);
    play.until_fails(|call| matches!(call, Effect::Purge(..)), Fault::Whole);
    play.until_fails(|call| matches!(call, Effect::Publish(..)), Fault::Away);
    play.heal();
    play.all_is_settled();
    assert_eq!(play.called_again, 2 + 2 + 1);
    assert!(play.sent_again > 0);
}
