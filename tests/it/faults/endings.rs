//! Workers that are asked to end, wherever they are.

use std::time::{Duration, Instant};

use serde_json::json;

use super::case::{Case, sized};
use super::storm::{Setting, Storm};
use crate::scene::{PATIENCE, breaker_of};

/// Far below the 25 s that a worker may take, and the 30 s that Kubernetes allows.
const SOON: Duration = Duration::from_secs(15);

const CLEAN: Case = Case {
    name: "after_sigterm_in_any_stage_nothing_is_done_again",
    promise: "SIGTERM finishes what is under way, commits it, and leaves the rest",
    fault: "SIGTERM at rest, at a random moment of the work, in the middle of slow syncs, while the breaker of the Sync API is open",
    oracle: "each ends within 15 s with exit code 0; no repeats at all",
    rows: &[3],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_in_any_stage_nothing_is_done_again() {
    let rounds = sized(1, 8);
    let setting = Setting::of(rounds * 3 * 60).beside(&["--per-id", "0"]);
    let mut storm = Storm::brew(CLEAN, setting).await;
    storm.publish_living().await;
    let waves = storm.people.waves(rounds * 3);
    for round in waves.chunks(3) {
        let [any, slow, shut] = round else { panic!("three waves a round") };
        storm.join().await;
        storm.scene.inputs_committed().await;
        ends_soon(&mut storm).await;

        storm.join().await;
        storm.scene.publish_deletions(any).await;
        let moment = storm.dice.moment(Duration::from_millis(400));
        storm.blow(moment).await;
        ends_soon(&mut storm).await;

        storm.scene.sync_api.behave(&json!({"perId": "40ms"})).await.unwrap();
        storm.join().await;
        storm.scene.publish_deletions(slow).await;
        storm.scene.until("syncs are in a call", async || in_sync_calls(&storm).await > 0.0).await;
        ends_soon(&mut storm).await;

        storm.scene.sync_api.behave(&json!({"mode": "fail", "status": 503})).await.unwrap();
        storm.join().await;
        storm.scene.publish_deletions(shut).await;
        storm.scene.until("the breaker is open", async || breaker_of(&storm.workers[0], "sync").await > 0.0).await;
        ends_soon(&mut storm).await;
        storm.scene.sync_api.behave_normally().await.unwrap();
    }
    storm.calm().await;
}

async fn ends_soon(storm: &mut Storm) {
    let took = storm.end(0).await;
    assert!(took < SOON, "{took:?}");
}

async fn in_sync_calls(storm: &Storm) -> f64 {
    let labels = ["stage=\"sync\"", "state=\"in_call\""];
    storm.workers[0].metric("user_purge_sync_stage_items", &labels).await.unwrap_or_default()
}

const HURRIED: Case = Case {
    name: "a_second_sigterm_hurries_and_loses_nothing",
    promise: "who is asked twice ends at once; what it leaves is done by the next",
    fault: "the Sync API takes calls and says nothing; SIGTERM, and once more while the calls are awaited",
    oracle: "still there after the first; gone within 5 s of the second",
    rows: &[3],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_hurries_and_loses_nothing() {
    let rounds = sized(1, 10);
    let mut storm = Storm::brew(HURRIED, Setting::of(rounds * 40)).await;
    storm.repeats_a_fault = 36;
    storm.publish_living().await;
    for wave in storm.people.waves(rounds) {
        storm.join().await;
        storm.scene.inputs_committed().await;
        storm.scene.sync_api.behave(&json!({"mode": "hang"})).await.unwrap();
        storm.scene.publish_deletions(&wave).await;
        storm.scene.until("syncs are in a call", async || in_sync_calls(&storm).await > 0.0).await;
        let mut worker = storm.workers.remove(0);
        worker.term().unwrap();
        storm.blow(Duration::from_secs(1)).await;
        assert!(worker.until_ended(Duration::ZERO).await.is_err(), "it waits for what is under way");
        worker.term().unwrap();
        let asked = Instant::now();
        worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        storm.cut();
        storm.scene.sync_api.behave_normally().await.unwrap();
        storm.join().await;
        storm.until_recovered().await;
        storm.until_final(&wave).await;
        storm.end(0).await;
    }
    storm.calm().await;
}

const MOVING: Case = Case {
    name: "sigterm_in_the_middle_of_a_rebalance_loses_nothing",
    promise: "a_stale_owner_is_harmless",
    fault: "a second worker comes; SIGTERM to the first while partitions are on their way",
    oracle: "both end with exit code 0",
    rows: &[3, 9],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_a_rebalance_loses_nothing() {
    let (users, rounds) = sized((600, 2), (5_000, 15));
    let mut storm = Storm::brew(MOVING, Setting::of(users).soon_missed().beside(&["--per-id", "10ms"])).await;
    // A call under way cannot be stopped, and its users are told by the new owner too.
    storm.owners_overlap = true;
    storm.repeats_a_fault = 400;
    storm.publish().await;
    storm.join().await;
    for _ in 0..rounds {
        let second = storm.start();
        storm.workers.push(second);
        let moment = storm.dice.moment(Duration::from_millis(2_500));
        storm.blow(moment).await;
        storm.end(0).await;
        storm.until_recovered().await;
    }
    storm.calm().await;
}
