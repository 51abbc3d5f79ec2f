//! The Sync API in its ways to fail, also those that look like success.

use std::time::Duration;

use local_stack::users::new_ids;
use serde_json::{Value, json};

use crate::door::Door;
use crate::scene::{PATIENCE, Scene, breaker_of, is_probe};

const USERS: usize = 150;

/// While the Sync API behaves so, purges go on, nothing is failed and the log says why it waits; afterwards all are indexed.
async fn an_outage_dead_letters_nothing(behaviour: Value, reason: &str) {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(USERS).await;
    scene.sync_api.behave(&behaviour).await.unwrap();
    let worker = scene.worker(&[("RETRY__TIME", "3s"), ("RETRY__ATTEMPTS", "3"), ("RETRY__MAX_PAUSE", "1s")]).await;
    scene.publish_deletions(&ids).await;
    scene.until("the purges go on", async || scene.rows.of(&ids).await.unwrap().is_empty()).await;
    scene.until("the breaker is open", async || breaker_of(&worker, "sync").await > 0.0).await;
    // Longer than retry.time: an outage that counted would have failed someone by now.
    let calls = scene.sync_api.calls().await.unwrap()["calls"].as_u64().unwrap();
    let outlasted = std::time::Instant::now();
    let held = local_stack::eventually("the outage outlasts the budget of retries", PATIENCE, async || {
        let made = scene.sync_api.calls().await.ok()?["calls"].as_u64()?;
        (made > calls && outlasted.elapsed() > Duration::from_secs(5)).then_some(())
    });
    held.await.unwrap_or_else(|error| panic!("{error:?}"));
    scene.assert_nobody_failed();
    let calls = scene.sync_api.calls().await.unwrap();
    let last = calls["recent"].as_array().unwrap().last().unwrap();
    assert!(is_probe(last), "behind an open breaker there are probes alone, and they say so: {last}");
    let log = worker.log();
    let opened = log.lines().find(|line| line.contains("the dependency is away")).unwrap_or_else(|| panic!("{log}"));
    assert!(opened.contains(&format!("\"reason\":\"{reason}\"")), "{opened}");

    scene.sync_api.behave_normally().await.unwrap();
    scene.final_endings(&ids).await;
    assert_eq!(scene.told("SUCCESS purged").len(), USERS, "{:?}", scene.statuses.endings());
    scene.assert_indexed(&ids).await;
    scene.inputs_committed().await;
    assert_eq!(scene.failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_gateway_without_its_service_everything_waits() {
    an_outage_dead_letters_nothing(json!({"mode": "fail", "status": 502}), "http_502").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_without_cassandra_is_an_outage() {
    an_outage_dead_letters_nothing(json!({"mode": "cassandraDown"}), "controls_not_indexed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_without_the_index_is_an_outage() {
    an_outage_dead_letters_nothing(json!({"mode": "indexDown"}), "controls_not_indexed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_user_hurts_nobody() {
    let scene = Scene::set().await;
    let ids = new_ids(40);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.sync_api.behave(&json!({"poisonIds": [&ids[7]], "falseIds": [&ids[9]]})).await.unwrap();
    let worker = scene.worker(&[("RETRY__ATTEMPTS", "3"), ("RETRY__MAX_PAUSE", "1s")]).await;
    scene.publish_deletions(&ids).await;
    let endings = scene.final_endings(&ids).await;
    let failed: Vec<&String> = ids.iter().filter(|id| !endings[*id].starts_with("SUCCESS")).collect();
    assert_eq!(failed, [&ids[7], &ids[9]], "{endings:?}");
    scene.until("the breaker is closed", async || breaker_of(&worker, "sync").await == 0.0).await;
    scene.failed_records(2).await;
    scene.inputs_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_too_many_and_broken_calls_are_done_in_the_end() {
    let scene = Scene::set().await;
    let ids = new_ids(60);
    scene.users.put_all(&ids, 2).await.unwrap();
    let _worker = scene.worker(&[("RETRY__MAX_PAUSE", "1s")]).await;
    let behaviours = [
        json!({"maxIds": 7}),
        json!({"mode": "fail", "status": 429, "retryAfter": 1, "calls": 2}),
        json!({"mode": "fail", "status": 500, "calls": 3}),
    ];
    for (behaviour, group) in behaviours.iter().zip(ids.chunks(20)) {
        scene.sync_api.behave(behaviour).await.unwrap();
        scene.publish_deletions(group).await;
        let endings = scene.final_endings(group).await;
        assert!(group.iter().all(|id| endings[id].starts_with("SUCCESS")), "{behaviour}: {endings:?}");
    }
    assert_eq!(scene.failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_restored_while_the_purge_waits_is_not_purged() {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(3).await;
    let rows = scene.rows.of(&ids[..1]).await.unwrap();
    // Nobody listens at the door yet: the database is away.
    let postgres = &scene.stack.postgres;
    let mut door = Door::shut(&format!("{}:{}", postgres.host, postgres.port));
    let port = door.port().to_string();
    let overrides = [("KEYCLOAK__HOST", "127.0.0.1"), ("KEYCLOAK__PORT", port.as_str()), ("GUARD__MAX_AGE", "1s")];
    let _worker = scene.worker(&overrides).await;
    scene.publish_deletions(&ids).await;
    let synced = local_stack::eventually("syncs go on", PATIENCE, async || {
        let indexed = scene.indexed().await;
        ids.iter().all(|id| indexed.contains(id)).then_some(())
    });
    synced.await.unwrap_or_else(|error| panic!("{error:?}"));
    scene.users.set_status(&ids[0], 1).await.unwrap();
    let since = std::time::Instant::now();
    let old = async || (since.elapsed() > Duration::from_secs(2)).then_some(());
    local_stack::eventually("the verdicts are older than guard.max_age", PATIENCE, old).await.unwrap();
    door.open();
    let endings = scene.final_endings(&ids[1..]).await;
    assert!(ids[1..].iter().all(|id| endings[id] == "SUCCESS purged"), "{endings:?}");
    scene.inputs_committed().await;
    assert_eq!(scene.rows.of(&ids[..1]).await.unwrap(), rows);
}
