//! Two workers and one partition, in every order of things: the ledger, the offset map, the epochs and the mailbox are the
//! real ones, and the group around them does what `facts/kafka.md` 8.4 and 8.5 saw it do.
//!
//! The whole of each world below is explored, so it is small. What a process does with more than one partition, with users
//! and with failures is for `tests/model.rs`.

mod group;
mod steps;
mod worker;
mod world;

use stateright::{Checker, Model};

use world::World;

/// The worlds in which something is broken are told with the shortest way there.
const PROMISES: [&str; 3] = ["settled_before_committed", "a_stale_owner_is_harmless", "a_crash_redoes_little"];

const TWO: World = World::of(&[0, 2]);

/// Explores all of a world: which promises are broken, by what; and whether these sights were met.
fn broken_in(world: World, sights: &[&str], at_least: usize) -> Vec<String> {
    let name = format!("{world:?}");
    let explored = world.checker().threads(2).spawn_bfs().join();
    let (states, found) = (explored.unique_state_count(), explored.discoveries());
    println!("{name}: {states} states, up to {} steps", explored.max_depth());
    let broken: Vec<_> = PROMISES.into_iter().filter(|promise| found.contains_key(promise)).collect();
    for promise in &broken {
        println!("{promise}: {:?}", found[promise].clone().into_actions());
    }
    for sight in sights {
        assert!(found.contains_key(sight), "never seen: {sight}");
    }
    assert!(!broken.is_empty() || states >= at_least, "only {states} states: the world has become smaller");
    broken.into_iter().map(str::to_owned).collect()
}

fn holds(world: World, sights: &[&str], at_least: usize) {
    assert_eq!(broken_in(world, sights, at_least), Vec::<String>::new(), "the shortest ways there are told above");
}

/// A revocation: drained or not, answered in time or not, with commits under way.
#[test]
fn settled_before_committed() {
    let sights = [world::ALL_DONE, world::MOVED_MEANWHILE, world::NEVER_SENT];
    holds(World { moves: 1, ..TWO }, &sights, 60_000);
}

/// SIGSTOP past the session, and continued; thrown out while running, with answers that do not come.
#[test]
fn a_stale_owner_is_harmless() {
    let sights = [world::ALL_DONE, world::REFUSED, world::NEVER_SENT];
    holds(World { stops: 1, ..TWO }, &sights, 50_000);
    holds(World { expulsions: 1, lost_answers: 1, ..World::of(&[0]) }, &sights, 1_000);
}

#[test]
fn a_crash_redoes_little() {
    holds(World { crashes: 2, ..World::of(&[0, 1, 3]) }, &[world::ALL_DONE, world::SKIPPED], 30_000);
    holds(World { moves: 1, crashes: 1, ..World::of(&[0]) }, &[world::MOVED_MEANWHILE], 1_000);
}

/// The limit of the fence (`offsets.rs`): a commit that waits inside the client across a rejoin may rewind the offset.
/// Work is then done again, and nothing is lost.
#[test]
fn a_commit_that_leaves_the_client_late_loses_nothing() {
    let broken = broken_in(World { stops: 1, stamps_late: true, ..World::of(&[0]) }, &[], 0);
    assert_eq!(broken, ["a_stale_owner_is_harmless", "a_crash_redoes_little"]);
}
