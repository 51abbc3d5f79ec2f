//! How long work takes, in seconds that a person would wait: one test after the other, with nothing beside it.
//!
//! `cargo test --test it -- --test-threads=1 speed::`

use std::time::{Duration, Instant};

use local_stack::topics::DELETE;

use crate::scene::Scene;

const EVENTS: usize = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_deletes_on_one_partition_take_less_than_twenty_seconds() {
    five_thousand_deletes_take_less_than(Duration::from_secs(20), "0s").await;
}

/// The default: other jobs of Sunbird write for thirty seconds what the Sync API reads. Nothing else waits meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_deletes_that_settle_first_take_less_than_a_minute() {
    five_thousand_deletes_take_less_than(Duration::from_mins(1), "30s").await;
}

async fn five_thousand_deletes_take_less_than(limit: Duration, settle_delay: &str) {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(EVENTS).await;
    let _worker = scene.worker(&[("SYNC__SETTLE_DELAY", settle_delay)]).await;
    let since = Instant::now();
    scene.publish_deletions(&ids).await;
    scene.topics.until_committed(&[DELETE], limit * 2).await.unwrap_or_else(|error| panic!("{error:?}"));
    let took = since.elapsed();
    scene.assert_gone(&ids).await;
    assert!(took < limit, "{took:?}");
}
