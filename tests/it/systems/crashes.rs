//! `kill -9` and SIGTERM: nothing is lost, little is done again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local_stack::Records;
use local_stack::events::{Record, deletion, deletion_with_managed, request_all};
use local_stack::topics::{DELAY, DELETE, REQUEST};
use local_stack::users::new_ids;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene, TIRELESS};

const EVENTS: usize = 5_000;
/// Long enough for work to be under way, short enough that ten of them end in the middle.
const KILLS: usize = 10;
/// Records that are no event.
const BROKEN: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_nothing() {
    let scene = Scene::with(4, &["--per-id", "1ms"]).await;
    let (deleted, live, resynced) = (new_ids(EVENTS - 400), new_ids(100), new_ids(100));
    scene.users.put_all(&deleted, 2).await.unwrap();
    scene.users.put_all(&[&live[..], &resynced].concat(), 1).await.unwrap();
    scene.rows.put_federated(&deleted).await.unwrap();
    let alive = [&live[..], &resynced].concat();
    scene.rows.put_local(&alive).await.unwrap();
    let untouched = scene.rows.of(&alive).await.unwrap();
    publish(&scene, &deleted, &live, &resynced).await;

    for kill in 1..=KILLS {
        let mut worker = scene.worker(&[("DELAY__LOOKS", "2")]).await;
        let (before, wanted) = (scene.statuses.count(), kill * EVENTS / (KILLS + 2));
        let moving =
            scene.statuses.until("some more statuses", PATIENCE, |all| all.len() > before || all.len() >= wanted);
        moving.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
        worker.kill9().unwrap();
    }
    let _worker = scene.worker(&[("DELAY__LOOKS", "2")]).await;
    let endings = scene.final_endings(&[&deleted[..], &alive].concat()).await;
    assert!(live.iter().all(|id| endings[id] == "SKIPPED not_deleted"), "{:?}", scene.statuses.endings());
    assert!(resynced.iter().all(|id| endings[id] == "SUCCESS synced"), "{:?}", scene.statuses.endings());
    assert!(deleted.iter().all(|id| endings[id].starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.all_committed().await;
    scene.assert_gone(&deleted).await;
    assert_eq!(scene.rows.of(&alive).await.unwrap(), untouched);
    let mut broken = 0;
    for topic in [DELETE, REQUEST, DELAY] {
        broken += assert_every_position_is_told(&scene, topic).await;
    }
    assert_eq!(broken, BROKEN);
    let failed: BTreeSet<String> = scene.failed.all().iter().map(|it| it.value["source"].to_string()).collect();
    assert_eq!(failed.len(), BROKEN, "{failed:?}");
}

/// Deletions, some of them of several users, with broken ones among them; and requests.
async fn publish(scene: &Scene, deleted: &[String], live: &[String], resynced: &[String]) {
    let (alone, managed) = deleted.split_at(deleted.len() - 200);
    let mut records: Vec<Record> = alone.iter().chain(live).map(|id| deletion(id)).collect();
    records.extend(managed.chunks(10).map(|ids| deletion_with_managed(&ids[0], &ids[1..])));
    for number in 0..BROKEN {
        records.insert(number * records.len() / BROKEN, Record::raw(format!("broken {number}")));
    }
    scene.topics.publish(DELETE, &records).await.unwrap();
    let requests: Vec<_> = resynced.chunks(10).map(|ids| request_all("resync-user", ids)).collect();
    scene.topics.publish(REQUEST, &requests).await.unwrap();
}

/// Each record has a status for each of its users, or its failed record. Gives back how many failed.
async fn assert_every_position_is_told(scene: &Scene, topic: &str) -> usize {
    let name = scene.topics.name(topic);
    let ends = scene.topics.progress(&[topic]).await.unwrap();
    let count = usize::try_from(ends.values().map(|place| place.end).sum::<i64>()).unwrap();
    let records = Records::follow(&scene.topics, topic).unwrap();
    let all = records.until("the whole topic", PATIENCE, |all| all.len() == count).await.unwrap();
    let told: BTreeSet<String> = scene.statuses.all().into_iter().map(|status| status.mid).collect();
    let failed: BTreeSet<_> = scene.failed.all().iter().map(|it| it.value["source"].clone().to_string()).collect();
    let mut broken = 0;
    for record in &all {
        let (partition, offset) = (record.partition, record.offset);
        let users = users_of(&record.value);
        if users.is_empty() {
            let position = json!({"topic": name, "partition": partition, "offset": offset}).to_string();
            assert!(failed.contains(&position), "nothing was told of {position}");
            broken += 1;
        }
        for user in users {
            let mid = format!("{name}-{partition}-{offset}-{user}");
            assert!(told.contains(&mid), "nothing was told of {mid}");
        }
    }
    broken
}

fn users_of(event: &Value) -> Vec<&str> {
    let edata = &event["edata"];
    let listed = ["userIds", "managed_users"].into_iter().filter_map(|name| edata[name].as_array()).flatten();
    [&edata["userId"]].into_iter().chain(listed).filter_map(Value::as_str).collect()
}

/// One user is stuck at the head of the partition, everybody behind is done: only the offset map knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_redoes_little() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = new_ids(400);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.sync_api.behave(&json!({"falseIds": [&ids[0]]})).await.unwrap();
    let mut worker = scene.worker(&TIRELESS).await;
    scene.publish_deletions(&ids).await;
    scene.final_endings(&ids[1..]).await;
    scene.until("all but the first are in the map", async || scene.is_held_at(0).await).await;
    worker.kill9().unwrap();

    let second = scene.worker(&TIRELESS).await;
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
    assert_eq!(again(&scene), BTreeSet::new());
}
