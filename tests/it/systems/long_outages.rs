//! Outages of the Sync API that last: longer than anybody's patience, longer than the budget.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local_stack::Status;
use local_stack::events::{Record, request};
use local_stack::topics::REQUEST;
use serde_json::{Value, json};

use crate::door::Door;
use crate::scene::{PATIENCE, Scene, breaker_of, counts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_without_a_sync_api_fails_nobody() {
    let scene = Scene::with(2, &["--per-id", "5ms"]).await;
    let ids = scene.deleted_people(400).await;
    let (before, during) = ids.split_at(200);
    let mut door = Door::shut(scene.sync_api.address());
    door.open();
    let endpoint = format!("http://127.0.0.1:{}/v1/data/sync", door.port());
    let hasty = [("RETRY__TIME", "3s"), ("RETRY__ATTEMPTS", "3"), ("RETRY__MAX_PAUSE", "1s")];
    let worker = scene.worker(&[&hasty[..], &[("SYNC__ENDPOINT", &endpoint)]].concat()).await;
    scene.publish_deletions(before).await;
    scene.until("it is in the middle", async || !scene.indexed().await.is_empty()).await;

    door.close().await;
    let since = Instant::now();
    scene.publish_deletions(during).await;
    scene.until("the purges go on", async || scene.rows.of(&ids).await.unwrap().is_empty()).await;
    scene.until("the breaker is open", async || breaker_of(&worker, "sync").await > 0.0).await;
    scene.until_lasted(since, Duration::from_secs(30)).await;

    door.open();
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.assert_indexed(&ids).await;
    assert!(breaker_of(&worker, "sync").await == 0.0, "the breaker is closed");
    scene.all_committed().await;
    scene.assert_nobody_failed();
}

/// Of each user, how often it was told to wait.
fn told_to_wait(all: &[Status]) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for status in all.iter().filter(|status| status.ending() == "DEFERRED waiting") {
        assert!(!status.is_final);
        *times.entry(status.user.as_str()).or_default() += 1;
    }
    times
}

/// More users than units: those who only wait for their sync make room, so every purge goes on.
async fn an_outage_that_outlasts_the_budget_stops_no_purge(behaviour: Value) {
    const BUDGET: usize = 40;
    let scene = Scene::set().await;
    let ids = scene.deleted_people(BUDGET * 5).await;
    let (deleted, requested) = ids.split_at(BUDGET * 4);
    scene.sync_api.behave(&behaviour).await.unwrap();
    let budget = BUDGET.to_string();
    let small = [("INTAKE__PAGE", "5"), ("INTAKE__BUDGET", &budget), ("SYNC__AMBIGUITY", "1s")];
    let hasty = [("RETRY__TIME", "3s"), ("RETRY__ATTEMPTS", "3")];
    let worker = scene.worker(&[small.as_slice(), &hasty].concat()).await;
    scene.publish_deletions(deleted).await;
    scene.until("all are purged", async || scene.rows.of(deleted).await.unwrap().is_empty()).await;
    let most = |all: &[Status]| told_to_wait(all).len() >= deleted.len() - BUDGET;
    scene.statuses.until("most are told to wait", PATIENCE, most).await.unwrap_or_else(|error| panic!("{error:?}"));
    // Fresh users hold every unit by now.
    let requests: Vec<Record> = requested.iter().map(|id| request("delete-user", id)).collect();
    scene.topics.publish(REQUEST, &requests).await.unwrap();
    scene.until("the others are purged too", async || scene.rows.of(requested).await.unwrap().is_empty()).await;
    // Follow-ups come round while the outage lasts.
    scene.until_lasted(Instant::now(), Duration::from_secs(5)).await;
    assert!(breaker_of(&worker, "sync").await > 0.0, "the outage goes on");
    let statuses = scene.statuses.all();
    assert!(told_to_wait(&statuses).values().all(|times| *times == 1), "{:?}", scene.statuses.endings());
    assert!(scene.indexed().await.is_empty());

    scene.sync_api.behave_normally().await.unwrap();
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", counts(&endings));
    scene.all_committed().await;
    scene.assert_indexed(&ids).await;
    scene.assert_nobody_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_is_told_outlasts_the_budget() {
    an_outage_that_outlasts_the_budget_stops_no_purge(json!({"mode": "fail", "status": 502})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_looks_like_success_outlasts_the_budget() {
    an_outage_that_outlasts_the_budget_stops_no_purge(json!({"mode": "cassandraDown"})).await;
}
