//! How much the Sync API is asked for: as much as it can do, less when it is slow, and all of it again soon after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use local_stack::events::request_all;
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use serde_json::json;
use tokio::task::JoinSet;

use crate::faults::case::{Case, sized};
use crate::faults::storm::{Setting, Storm};
use crate::scene::PATIENCE;

const SECOND: Duration = Duration::from_secs(1);
/// Users whose index is made anew again and again: speed needs many, not many different ones.
const CROWD: usize = 1_200;

impl Storm {
    async fn put_crowd(&self) -> Vec<String> {
        let ids = new_ids(CROWD);
        self.scene.users.put_all(&ids, 1).await.unwrap();
        ids
    }

    /// So many requests for each of the crowd.
    async fn publish_resyncs(&self, crowd: &[String], rounds: usize) {
        for _ in 0..rounds {
            let records: Vec<_> = crowd.chunks(100).map(|ids| request_all("resync-user", ids)).collect();
            self.scene.topics.publish(REQUEST, &records).await.unwrap();
        }
    }

    /// Users a second, over some time.
    async fn rate(&self, time: Duration) -> f64 {
        let (since, before) = (Instant::now(), self.scene.statuses.count());
        self.blow(time).await;
        (self.scene.statuses.count() - before) as f64 / since.elapsed().as_secs_f64()
    }

    /// Users that may be in calls at once.
    async fn load(&self) -> f64 {
        let metric = async |name: &str| self.worker().metric(name, &[]).await.unwrap();
        metric("user_purge_sync_sync_block_size").await * metric("user_purge_sync_sync_concurrency").await
    }

    /// What the stand-in does in a second when it is called so, without a worker.
    async fn ceiling(&self, crowd: &[String], block: usize, calls: usize, time: Duration) -> f64 {
        let done = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        let since = Instant::now();
        for ids in crowd.chunks(crowd.len() / calls) {
            let (ids, done, endpoint) = (ids.to_vec(), Arc::clone(&done), self.scene.sync_api.endpoint());
            callers.spawn(async move {
                let http = reqwest::Client::new();
                for ids in ids.chunks(block).cycle().take_while(|_| since.elapsed() < time) {
                    let request = json!({"objectType": "user", "operationType": "sync", "objectIds": ids});
                    let call = http.post(&endpoint).json(&json!({ "request": request })).send().await.unwrap();
                    call.error_for_status().unwrap();
                    done.fetch_add(ids.len(), Ordering::Relaxed);
                }
            });
        }
        callers.join_all().await;
        done.load(Ordering::Relaxed) as f64 / since.elapsed().as_secs_f64()
    }
}

const BROWN_OUT: Case = Case {
    name: "a_brown_out_lowers_the_load_and_full_speed_is_back_within_seconds",
    promise: "an_outage_dead_letters_nothing",
    fault: "the Sync API becomes ten times slower for some seconds, again and again",
    oracle: "the load (block size times calls at once) falls, the breaker stays closed, nobody is failed, and within ten \
             seconds after it four fifths of the speed before are back",
    rows: &[22],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brown_out_lowers_the_load_and_full_speed_is_back_within_seconds() {
    let brown_outs = sized(1, 4);
    let mut storm = Storm::brew(BROWN_OUT, Setting { sync_api: &["--per-id", "8ms"], ..Setting::of(200) }).await;
    storm.join().await;
    let crowd = storm.put_crowd().await;
    storm.publish_resyncs(&crowd, sized(4, 6 * brown_outs)).await;
    storm.until_told(500).await;
    for _ in 0..brown_outs {
        let before = storm.rate(2 * SECOND).await;
        let load = storm.load().await;
        storm.scene.sync_api.behave(&json!({"perId": "80ms"})).await.unwrap();
        storm.strike();
        let lower = async || storm.load().await <= load / 2.0;
        storm.scene.until("the load is half of what it was", lower).await;
        storm.blow(sized(1, 6) * SECOND).await;
        storm.scene.sync_api.behave_normally().await.unwrap();
        let since = Instant::now();
        // The last slow calls may take their time; then it counts.
        while storm.rate(SECOND).await < before * 0.8 {
            assert!(since.elapsed() < 10 * SECOND, "{before:.0} users a second were done before, load {load}");
        }
    }
    let opened = storm.worker().metric("user_purge_sync_breaker_opened_total", &["stage=\"sync\""]).await.unwrap();
    assert!(opened < 0.5, "a brown-out is no outage, yet the breaker has opened {opened} times");
    storm.scene.assert_nobody_failed();
    storm.publish().await;
    storm.calm().await;
}

const LIMITS: Case = Case {
    name: "the_limits_find_what_the_sync_api_can_do",
    promise: "within 10 % of the best fixed setting, within a minute (design.md 13)",
    fault: "none: the stand-in with the timings of the real service, about 100 users a second, as one place or as four",
    oracle: "against the best of four fixed settings, measured without a worker in the same run, at least nine tenths \
             (short: two thirds after some seconds)",
    rows: &[22],
};

/// Users of a block, and calls at once.
const FIXED: [(usize, usize); 4] = [(50, 4), (100, 4), (100, 2), (100, 1)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_find_what_the_sync_api_can_do() {
    let quick: &[&'static [&'static str]] = &[&["--per-id", "8ms"]];
    let real: &[&'static [&'static str]] =
        &[&["--per-id", "10ms", "--blocks", "1"], &["--per-id", "40ms", "--blocks", "4"]];
    for sync_api in sized(quick, real) {
        let mut storm = Storm::brew(LIMITS, Setting { sync_api, ..Setting::of(100) }).await;
        let crowd = storm.put_crowd().await;
        let mut best = 0_f64;
        for (block, calls) in sized(&FIXED[1..2], &FIXED) {
            best = best.max(storm.ceiling(&crowd, *block, *calls, sized(2, 6) * SECOND).await);
        }
        storm.join().await;
        storm.publish_resyncs(&crowd, sized(4, 8)).await;
        storm.until_told(100).await;
        storm.blow(sized(3, 60) * SECOND).await;
        let found = storm.rate(sized(4, 15) * SECOND).await;
        let share = found / best;
        println!("{sync_api:?}: {found:.0} of {best:.0} users a second");
        assert!(share >= sized(0.66, 0.9), "{found:.0} of {best:.0} users a second, load {}", storm.load().await);
        storm.topics_done().await;
        storm.publish().await;
        storm.calm().await;
    }
}

impl Storm {
    /// Everything that was published is settled.
    async fn topics_done(&self) {
        let done = self.scene.topics.until_committed(&[REQUEST], 2 * PATIENCE).await;
        done.unwrap_or_else(|error| panic!("{error:?}"));
    }
}
