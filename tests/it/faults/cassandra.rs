//! Cassandra is killed in the middle: for the worker, and for the Sync API that reads it too.

use std::time::{Duration, Instant};

use local_stack::users::new_ids;
use local_stack::{Faults, Service};

use crate::scene::{PATIENCE, Scene, breaker_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_without_cassandra_fails_nobody() {
    let faults = Faults::up().unwrap();
    let scene = Scene::on(faults.stack.clone(), 2, &["--per-id", "2ms"]).await;
    let ids = new_ids(1_200);
    let (before, during) = ids.split_at(1_000);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let worker = scene.worker(&[("RETRY__TIME", "3s"), ("RETRY__ATTEMPTS", "3")]).await;
    scene.publish_deletions(before).await;
    let some = scene.statuses.until("it is in the middle", PATIENCE, |all| !all.is_empty()).await;
    some.unwrap_or_else(|error| panic!("{error:?}"));

    faults.kill(Service::Cassandra).unwrap();
    let since = Instant::now();
    scene.publish_deletions(during).await;
    scene.until("the breaker is open", async || breaker_of(&worker, "lookup").await > 0.0).await;
    scene.until_lasted(since, Duration::from_secs(30)).await;
    assert!(during.iter().all(|id| scene.statuses.of(id).is_empty()), "nothing is decided without a row");

    faults.start(Service::Cassandra).unwrap();
    let endings = scene.final_endings_within(&ids, PATIENCE * 2).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    for stage in ["lookup", "sync"] {
        assert!(breaker_of(&worker, stage).await == 0.0, "the breaker of {stage} is closed");
    }
    scene.all_committed().await;
    scene.assert_gone(&ids).await;
    scene.assert_indexed(&ids).await;
    scene.assert_nobody_failed();
}
