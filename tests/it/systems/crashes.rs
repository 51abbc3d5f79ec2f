//! `kill -9` and SIGTERM: nothing is lost, little is done again.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::events::{Record, deletion};
use local_stack::eventually;
use local_stack::topics::DELETE;
use local_stack::users::new_ids;
use serde_json::json;
use user_purge_sync::domain::offset_map::OffsetMap;

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

/// One user is stuck at the head of the partition, everybody behind is done: only the offset map knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_redoes_little() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = new_ids(400);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.sync_api.behave(&json!({"falseIds": [&ids[0]]})).await.unwrap();
    let patient = [("RETRY__ATTEMPTS", "1000"), ("RETRY__TIME", "10min"), ("RETRY__MAX_PAUSE", "1s")];
    let mut worker = scene.worker(&patient).await;
    scene.topics.publish(DELETE, &ids.iter().map(|id| deletion(id)).collect::<Vec<_>>()).await.unwrap();
    scene.final_endings(&ids[1..]).await;
    let mapped = eventually("all but the first are in the map", PATIENCE, async || {
        let progress = scene.topics.progress(&[DELETE]).await.ok()?;
        let place = progress.into_values().next()?;
        let map = OffsetMap::decode(&place.metadata, place.committed)?;
        (place.committed == 0 && (1..400).all(|offset| map.settles(offset, Some(0)))).then_some(())
    });
    mapped.await.unwrap_or_else(|error| panic!("{error:?}"));
    worker.kill9().unwrap();

    let second = scene.worker(&patient).await;
    scene.sync_api.behave_normally().await.unwrap();
    scene.final_endings(&ids).await;
    scene.inputs_committed().await;
    assert_eq!(again(&scene), BTreeSet::new());
    let passed_over = second.metric("user_purge_sync_events_settled_before_total", &["topic=\"delete\""]).await;
    assert!((passed_over.unwrap() - 399.0).abs() < f64::EPSILON);
}

/// The ids of statuses that were told more than once.
fn again(scene: &Scene) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let finals = scene.statuses.all().into_iter().filter(|status| status.is_final);
    finals.filter_map(|status| (!told.insert(status.mid.clone())).then_some(status.mid)).collect()
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
    assert_eq!(again(&scene), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_deletes_on_one_partition_take_less_than_twenty_seconds() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = new_ids(EVENTS);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let _worker = scene.worker(&[]).await;
    let records: Vec<Record> = ids.iter().map(|id| deletion(id)).collect();
    let since = std::time::Instant::now();
    scene.topics.publish(DELETE, &records).await.unwrap();
    scene.topics.until_committed(&[DELETE], PATIENCE * 2).await.unwrap_or_else(|error| panic!("{error:?}"));
    let took = since.elapsed();
    scene.assert_gone(&ids).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
}
