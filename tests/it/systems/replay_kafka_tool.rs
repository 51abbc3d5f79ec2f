//! `kafka-consumer-groups --reset-offsets` while no worker runs: what it asks for is done again, also where the map in the
//! commit's metadata had it as settled.

use std::collections::BTreeMap;

use local_stack::Status;
use local_stack::topics::DELETE;
use serde_json::{Value, json};

use super::replay::{minutes_ago, publish_of, publish_on, replay, until_told_by, written};
use crate::scene::{PATIENCE, Scene, TIRELESS};

/// Events published at one time.
const WAVE: usize = 8;
/// Which of them is held, while those behind it are done.
const HELD: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafkas_own_tool_asks_for_is_done_again_and_nothing_else() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(3 * WAVE + 1).await;
    let (again, last) = (&ids[2 * WAVE..3 * WAVE], &ids[3 * WAVE..]);
    publish_of(&scene.topics, &ids[..WAVE], 0, minutes_ago(60)).await;
    publish_of(&scene.topics, &ids[WAVE..2 * WAVE], 0, minutes_ago(40)).await;
    hold_one(&scene, &ids, WAVE + HELD).await;
    let mut wanted: BTreeMap<String, usize> = ids[..2 * WAVE].iter().map(|id| (id.clone(), 1)).collect();
    wanted.remove(&ids[WAVE + HELD]);
    until_told(&scene, &wanted).await;

    let moved = reset_offsets(&scene, &["--shift-by", "-5", "--execute"]).await;
    assert_eq!(targets(&moved), [WAVE + HELD - 5], "{moved}");
    publish_of(&scene.topics, again, 0, minutes_ago(20)).await;
    hold_one(&scene, &ids, 2 * WAVE + HELD).await;
    tell_again(&mut wanted, &ids[WAVE + HELD - 5..3 * WAVE]);
    wanted.remove(&again[HELD]);
    until_told(&scene, &wanted).await;

    let exported = reset_offsets(&scene, &["--by-duration", "PT30M", "--dry-run", "--export"]).await;
    is_taken_by_a_plan(&scene, &exported).await;
    let time = written(minutes_ago(30));
    let moved = reset_offsets(&scene, &["--to-datetime", time.trim_end_matches('Z'), "--execute"]).await;
    assert_eq!(targets(&moved), [2 * WAVE], "{moved}");
    scene.sync_api.behave_normally().await.unwrap();
    let _worker = scene.worker(&[]).await;
    publish_on(&scene.topics, last, 0).await;
    // One partition of statuses too: whatever is before its own has been told.
    until_told_by(&scene, None, last).await;
    tell_again(&mut wanted, &ids[2 * WAVE..]);
    scene.inputs_committed().await;
    assert_eq!(told(&scene.statuses.all()), wanted);
}

/// A worker that is stopped when it has done all but one: the commit is before that one, its map has those behind.
async fn hold_one(scene: &Scene, ids: &[String], held: usize) {
    scene.sync_api.behave(&json!({ "falseIds": [&ids[held]] })).await.unwrap();
    let mut worker = scene.worker(&TIRELESS).await;
    let held = i64::try_from(held).unwrap();
    scene.until("all but one are done", async || scene.is_held_at(held).await).await;
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();
    assert!(scene.is_held_at(held).await, "so it is left");
}

/// What Kafka's tool prints.
async fn reset_offsets(scene: &Scene, arguments: &[&str]) -> String {
    let mut command = scene.stack.kafka_files.java(&["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    command.arg("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand");
    command.args(["--bootstrap-server", &scene.stack.kafka, "--group", &scene.topics.group()]);
    command.args(["--reset-offsets", "--topic", &scene.topics.name(DELETE)]).args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// `NEW-OFFSET` of each partition.
fn targets(table: &str) -> Vec<usize> {
    table.lines().filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect()
}

async fn is_taken_by_a_plan(scene: &Scene, exported: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offsets.csv");
    std::fs::write(&file, exported).unwrap();
    let plan = replay(scene, &["plan", "--file", &file.display().to_string(), "--format", "json"]).await;
    assert_eq!(plan.code, 0, "{exported}{}{}", plan.output, plan.errors);
    let plan: Value = plan.output.parse().unwrap();
    assert_eq!((&plan["partitions"][0]["new"], plan["partitions"].as_array().unwrap().len()), (&json!(2 * WAVE), 1));
}

fn tell_again(wanted: &mut BTreeMap<String, usize>, ids: &[String]) {
    for id in ids {
        *wanted.entry(id.clone()).or_default() += 1;
    }
}

/// How often each user's deletion was told; sweeps are not counted.
fn told(all: &[Status]) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for status in all.iter().filter(|status| status.is_final && status.mid.contains(".delete.user-")) {
        *told.entry(status.user.clone()).or_default() += 1;
    }
    told
}

async fn until_told(scene: &Scene, wanted: &BTreeMap<String, usize>) {
    let are_told = scene.statuses.until("who is wanted is told", PATIENCE, |all| told(all) == *wanted).await;
    are_told.unwrap_or_else(|error| panic!("{error:?}\n{:?}\n{wanted:?}", told(&scene.statuses.all())));
}
