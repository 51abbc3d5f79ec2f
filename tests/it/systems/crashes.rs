//! `kill -9` and SIGTERM: nothing is lost, little is done again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use local_stack::events::{Record, deletion};
use local_stack::topics::DELETE;
use local_stack::users::new_ids;
use serde_json::json;

use crate::scene::{PATIENCE, Scene};

const EVENTS: usize = 5_000;
/// Long enough for work to be under way, short enough that ten of them end in the middle.
const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_nothing() {
    let scene = Scene::with(4, &["--per-id", "1ms"]).await;
    let (deleted, live) = (new_ids(EVENTS - 100), new_ids(100));
    scene.users.put_all(&deleted, 2).await.unwrap();
    scene.users.put_all(&live, 1).await.unwrap();
    scene.rows.put_federated(&deleted).await.unwrap();
    scene.rows.put_local(&live).await.unwrap();
    let untouched = scene.rows.of(&live).await.unwrap();
    let records: Vec<Record> = deleted.iter().chain(&live).map(|id| deletion(id)).collect();
    scene.topics.publish(DELETE, &records).await.unwrap();

    for kill in 1..=KILLS {
        let mut worker = scene.worker(&[("DELAY__LOOKS", "2")]).await;
        let (before, wanted) = (scene.statuses.count(), kill * EVENTS / (KILLS + 2));
        let moving =
            scene.statuses.until("some more statuses", PATIENCE, |all| all.len() > before || all.len() >= wanted);
        moving.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
        worker.kill9().unwrap();
    }
    let _worker = scene.worker(&[("DELAY__LOOKS", "2")]).await;
    let ids = [deleted.clone(), live.clone()].concat();
    let endings = scene.final_endings_within(&ids, Duration::from_secs(90)).await;
    for id in &live {
        assert_eq!(endings[id], "SKIPPED not_deleted");
    }
    scene.all_committed().await;
    scene.assert_gone(&deleted).await;
    assert_eq!(scene.rows.of(&live).await.unwrap(), untouched);
    assert_eq!(scene.failed.count(), 0);
    assert!(deleted.iter().all(|id| endings[id].starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_nothing_is_done_again() {
    let scene = Scene::with(2, &["--per-id", "2ms"]).await;
    let ids = new_ids(1_000);
    scene.users.put_all(&ids, 2).await.unwrap();
    let records: Vec<Record> = ids.iter().map(|id| deletion(id)).collect();
    let mut worker = scene.worker(&[]).await;
    scene.topics.publish(DELETE, &records).await.unwrap();
    let begun = scene.statuses.until("a few statuses", PATIENCE, |all| all.len() >= 50).await;
    begun.unwrap_or_else(|error| panic!("{error:?}"));
    worker.term().unwrap();
    let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(exit.code(), Some(0));

    let _second = scene.worker(&[]).await;
    scene.final_endings(&ids).await;
    scene.inputs_committed().await;
    assert_nothing_told_twice(&scene);
}

fn assert_nothing_told_twice(scene: &Scene) {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for status in scene.statuses.all().into_iter().filter(|status| status.is_final) {
        *told.entry(status.mid).or_default() += 1;
    }
    let again: BTreeSet<_> = told.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "{} of {} were told twice", again.len(), told.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_leaves_a_backlog_to_the_next_worker() {
    // A minute of work, if all that was taken in had to be done first.
    let scene = Scene::with(2, &["--per-id", "60ms"]).await;
    let ids = new_ids(4_000);
    scene.users.put_all(&ids, 2).await.unwrap();
    let mut worker = scene.worker(&[("PURGE__MODE", "off")]).await;
    scene.publish_deletions(&ids).await;
    let begun = scene.statuses.until("a few statuses", PATIENCE, |all| !all.is_empty()).await;
    begun.unwrap_or_else(|error| panic!("{error:?}"));
    let asked = Instant::now();
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());

    scene.sync_api.behave(&json!({"perId": "0s"})).await.unwrap();
    let _second = scene.worker(&[("PURGE__MODE", "off")]).await;
    scene.final_endings(&ids).await;
    scene.inputs_committed().await;
    assert_nothing_told_twice(&scene);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_deletes_on_one_partition_take_less_than_twenty_seconds() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = new_ids(EVENTS);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let _worker = scene.worker(&[]).await;
    let records: Vec<Record> = ids.iter().map(|id| deletion(id)).collect();
    let since = Instant::now();
    scene.topics.publish(DELETE, &records).await.unwrap();
    scene.topics.until_committed(&[DELETE], PATIENCE * 2).await.unwrap_or_else(|error| panic!("{error:?}"));
    let took = since.elapsed();
    scene.assert_gone(&ids).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
}
