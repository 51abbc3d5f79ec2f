//! `replay` as a program, on a stopped group and on running workers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use local_stack::events::{Record, deletion};
use local_stack::topics::DELETE;
use local_stack::{Status, Topics};
use serde_json::{Value, json};

use crate::program::{Ended, run, variables};
use crate::scene::{PATIENCE, Scene};

/// Deletions of all, in one partition.
pub(super) async fn publish_on(topics: &Topics, ids: &[String], partition: i32) {
    let records: Vec<Record> = ids.iter().map(|id| deletion(id).on(partition)).collect();
    topics.publish(DELETE, &records).await.unwrap();
}

/// The same, as if they had been published then, milliseconds since 1970.
pub(super) async fn publish_of(topics: &Topics, ids: &[String], partition: i32, time: i64) {
    let records: Vec<Record> = ids.iter().map(|id| deletion(id).on(partition).of(time)).collect();
    topics.publish(DELETE, &records).await.unwrap();
}

/// So many minutes ago, milliseconds since 1970.
pub(super) fn minutes_ago(minutes: u64) -> i64 {
    let time = UNIX_EPOCH.elapsed().unwrap().saturating_sub(Duration::from_mins(minutes));
    i64::try_from(time.as_millis()).unwrap()
}

/// As people and tools write it.
pub(super) fn written(time: i64) -> String {
    let since = Duration::from_millis(time.try_into().unwrap());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

/// Who was told by this replay of a deletion; their sweeps are told without its name.
pub(super) fn told_by(all: &[Status], replay: Option<&str>) -> BTreeSet<String> {
    let is_first = |status: &&Status| status.mid.contains(".delete.user-");
    let is_of = |status: &&Status| status.record["edata"]["replayId"].as_str() == replay;
    all.iter().filter(is_first).filter(is_of).map(|status| status.user.clone()).collect()
}

pub(super) fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

pub(super) async fn replay(scene: &Scene, arguments: &[&str]) -> Ended {
    let arguments: Vec<&str> = std::iter::once("replay").chain(arguments.iter().copied()).collect();
    let mut own = variables(&scene.topics.env);
    own.push(("USER_PURGE_SYNC__SYNC__ENDPOINT".to_owned(), scene.sync_api.endpoint()));
    run(&own, &arguments).await
}

pub(super) async fn until_told_by(scene: &Scene, replay: Option<&str>, ids: &[String]) -> Vec<Status> {
    let all = scene.statuses.until("all are told", PATIENCE, |all| told_by(all, replay).is_superset(&set(ids))).await;
    all.unwrap_or_else(|error| panic!("{error:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_applied_to_a_stopped_group_redoes_what_it_says_and_nothing_else() {
    let scene = Scene::with(2, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(50).await;
    let (early, rest) = ids.split_at(20);
    let (again, late) = rest.split_at(20);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut worker = scene.worker(&[]).await;
    for wave in [early, again] {
        publish_on(&scene.topics, wave, 0).await;
        until_told_by(&scene, None, wave).await;
    }
    scene.inputs_committed().await;

    let file = path("plan.json");
    let plan = replay(
        &scene,
        &["--shift", "-20", "--topic", "delete", "--partitions", "0", "--replay-id", "r7", "--output", &file],
    )
    .await;
    assert_eq!(plan.code, 0, "{}{}", plan.output, plan.errors);
    assert!(plan.output.contains("1 worker in it") && plan.output.contains("about 20 events"), "{}", plan.output);
    let refused = replay(&scene, &["apply", &file]).await;
    assert_eq!(refused.code, 70, "{}{}", refused.output, refused.errors);
    assert!(refused.output.contains("user-purge-sync on 127.0.0.1"), "{}", refused.output);
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();

    is_refused_when_stale(&scene, &file).await;
    is_refused_below_the_log(&scene, folder.path()).await;
    let applied = replay(&scene, &["apply", &file, "--format", "json"]).await;
    assert_eq!(applied.code, 0, "{}{}", applied.output, applied.errors);
    let told: Value = applied.output.parse().unwrap();
    assert_eq!(
        (&told["moved"][0]["new"], &told["again"], &told["refused"]),
        (&json!(20), &json!(20), &json!([])),
        "{told}"
    );
    assert_eq!(replay(&scene, &["apply", &file]).await.code, 70, "it is stale by then");

    let mut worker = scene.worker(&[]).await;
    until_told_by(&scene, Some("r7"), again).await;
    publish_on(&scene.topics, late, 0).await;
    let all = until_told_by(&scene, None, late).await;
    assert_eq!(told_by(&all, Some("r7")), set(again));
    let marked = all.iter().filter(|status| status.mid.ends_with("-r7"));
    assert_eq!(marked.count(), again.len(), "each once");
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();
}

/// Somebody else has moved the group since.
async fn is_refused_when_stale(scene: &Scene, plan: &str) {
    scene.topics.reset(&[(DELETE, 0, 39, "")]).await.unwrap();
    let stale = replay(scene, &["apply", plan]).await;
    assert_eq!(stale.code, 70, "{}{}", stale.output, stale.errors);
    assert!(stale.output.contains("it saw 40 committed and now it is 39"), "{}", stale.output);
    scene.topics.reset(&[(DELETE, 0, 40, "")]).await.unwrap();
}

/// Retention has taken what a plan wants.
async fn is_refused_below_the_log(scene: &Scene, folder: &Path) {
    let file = folder.join("old.json").display().to_string();
    let plan = replay(scene, &["--earliest", "--topic", "delete", "--partitions", "0", "--output", &file]).await;
    assert_eq!(plan.code, 0, "{}{}", plan.output, plan.errors);
    scene.topics.forget_before(DELETE, &[(0, 10)].into()).await.unwrap();
    let refused = replay(scene, &["apply", &file]).await;
    assert_eq!(refused.code, 70, "{}{}", refused.output, refused.errors);
    assert!(refused.output.contains("0 is below the log's start, 10"), "{}", refused.output);
}

/// Long enough that the program starts within it.
const BETWEEN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_the_last_minutes_on_live_workers_redoes_exactly_that() {
    let scene = Scene::with(2, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(120).await;
    let (early, rest) = ids.split_at(40);
    let (again, late) = rest.split_at(40);
    let workers = [scene.worker(&[]).await, scene.worker(&[]).await];
    scene.publish_deletions(early).await;
    until_told_by(&scene, None, early).await;
    let told = Instant::now();
    scene.until_lasted(told, BETWEEN * 2).await;
    let since = Instant::now();
    scene.publish_deletions(again).await;
    until_told_by(&scene, None, again).await;

    let last = format!("{}ms", (since.elapsed() + BETWEEN).as_millis());
    let asked = replay(&scene, &["live", "--last", &last, "--replay-id", "r8"]).await;
    assert_eq!(asked.code, 0, "{}{}", asked.output, asked.errors);
    assert!(asked.output.contains("2 workers in it"), "{}", asked.output);
    println!("{}", asked.output);
    until_told_by(&scene, Some("r8"), again).await;
    scene.publish_deletions(late).await;
    let all = until_told_by(&scene, None, late).await;
    assert_eq!(told_by(&all, Some("r8")), set(again));
    assert_eq!(all.iter().filter(|status| status.mid.ends_with("-r8")).count(), again.len(), "each once");
    scene.inputs_committed().await;
    scene.assert_nobody_failed();
    let mut replays = 0.0;
    for worker in &workers {
        replays += worker.metric("user_purge_sync_live_replays_total", &["outcome=\"done\""]).await.unwrap();
    }
    // Records without a key go where the producer likes: maybe all of a batch into one partition.
    let partitions = asked.output.matches(" -> ").count();
    assert!((replays - partitions as f64).abs() < 0.5, "{replays}: {}", asked.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_replay_does_its_stretch_and_leaves_the_workers_group_where_it_is() {
    let scene = Scene::with(2, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(30).await;
    let _worker = scene.worker(&[]).await;
    publish_on(&scene.topics, &ids, 0).await;
    until_told_by(&scene, None, &ids).await;
    scene.inputs_committed().await;
    let before = scene.topics.progress(&[DELETE]).await.unwrap();

    let some = ["side", "--earliest", "--user", &ids[3], "--user", &ids[7], "--replay-id", "r9"];
    let some = replay(&scene, &some).await;
    assert_eq!(some.code, 0, "{}{}", some.output, some.errors);
    assert!(some.output.contains("2 events done again, 28 passed over"), "{}", some.output);
    let stretch = ["side", "--offset", "5", "--until-offset", "15", "--partitions", "0", "--topic", "delete"];
    let stretch = [&stretch[..], &["--rate", "50/s", "--replay-id", "r10", "--format", "json"]].concat();
    let stretch = replay(&scene, &stretch).await;
    assert_eq!(stretch.code, 0, "{}{}", stretch.output, stretch.errors);
    let told: Value = stretch.output.parse().unwrap();
    assert_eq!((&told["settled"], &told["events"]["again"]), (&json!(true), &json!(10)), "{told}");
    assert_eq!((&told["endings"]["SUCCESS"], &told["plan"]["id"]), (&json!(10), &json!("r10")), "{told}");

    let all = until_told_by(&scene, Some("r10"), &ids[5..15]).await;
    assert_eq!(told_by(&all, Some("r10")), set(&ids[5..15]));
    assert_eq!(told_by(&all, Some("r9")), set(&[ids[3].clone(), ids[7].clone()]));
    assert_eq!(scene.topics.progress(&[DELETE]).await.unwrap(), before);
    scene.assert_nobody_failed();
}
