//! `replay live` when nobody answers, or not in time: each has its word and its code, and nothing moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_stack::Records;
use local_stack::topics::{CONTROL, DELETE};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use super::replay::{publish_on, replay, until_told_by};
use crate::scene::{PATIENCE, Scene};

async fn committed(scene: &Scene) -> i64 {
    let progress = scene.topics.progress(&[DELETE]).await.unwrap();
    progress.values().map(|place| place.committed).sum()
}

fn assert_nothing_was_replayed(scene: &Scene) {
    let marked = scene.statuses.all().into_iter().filter(|status| !status.record["edata"]["replayId"].is_null());
    assert_eq!(marked.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_answer_in_time_is_told_and_does_nothing_later() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(5).await;
    // Longer than it is stopped: its partitions stay its own.
    let mut worker = scene.worker(&[("KAFKA__SESSION_TIMEOUT", "45s")]).await;
    publish_on(&scene.topics, &ids, 0).await;
    until_told_by(&scene, None, &ids).await;
    scene.inputs_committed().await;
    assert_eq!(committed(&scene).await, 5);
    let asking = ["live", "--earliest", "--topic", "delete", "--timeout", "2s", "--replay-id", "r11"];
    let name = format!("{}-0", scene.topics.name(DELETE));

    worker.signal("STOP").unwrap();
    let asked = replay(&scene, &asking).await;
    worker.signal("CONT").unwrap();
    println!("{}", asked.output);
    assert_eq!(asked.code, 69, "{}{}", asked.output, asked.errors);
    let told = format!("{name}: no worker has answered within 2s: nobody owns it, or its owner is away\n");
    assert!(asked.output.ends_with(&told), "{}", asked.output);
    scene.until("it hears of it too late", async || worker.log().contains("asked to read again, too late")).await;

    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();
    let nobody = replay(&scene, &[&asking[..], &["--format", "json"]].concat()).await;
    assert_eq!(nobody.code, 69, "{}{}", nobody.output, nobody.errors);
    let told: Value = nobody.output.parse().unwrap();
    assert_eq!((&told["unanswered"], &told["answers"]), (&json!([name]), &json!([])), "{told}");
    assert_eq!((&told["plan"]["members"], &told["plan"]["partitions"][0]["old"]), (&json!([]), &json!(5)), "{told}");
    assert_eq!(committed(&scene).await, 5);
    assert_nothing_was_replayed(&scene);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_while_it_waits_cancels_it_and_nothing_moves() {
    let scene = Scene::with(1, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(2).await;
    let patient = [
        ("DRAIN_TIMEOUT", "30s"),
        ("SHUTDOWN_TIMEOUT", "40s"),
        ("KAFKA__SESSION_TIMEOUT", "65s"),
        ("SYNC__TIMEOUT", "70s"),
    ];
    let worker = scene.worker(&patient).await;
    publish_on(&scene.topics, &ids[..1], 0).await;
    until_told_by(&scene, None, &ids[..1]).await;
    scene.inputs_committed().await;
    // Somebody is in a call for so long: the owner cannot let go of the partition yet.
    scene.sync_api.behave(&json!({ "mode": "hang", "after": "60s" })).await.unwrap();
    publish_on(&scene.topics, &ids[1..], 0).await;
    scene.until("somebody is in a call", async || in_call(&worker).await > 0.5).await;

    let orders = Records::follow(&scene.topics, CONTROL).unwrap();
    let asking = ["live", "--earliest", "--topic", "delete", "--timeout", "60s", "--replay-id", "r12"];
    let (asked, newcomer) = tokio::join!(replay(&scene, &asking), async {
        orders.until("it is asked for", PATIENCE, |all| !all.is_empty()).await.unwrap();
        Newcomer::join(&scene)
    });
    println!("{}", asked.output);
    assert_eq!(asked.code, 70, "{}{}", asked.output, asked.errors);
    let told = ": the group rebalanced meanwhile, the partition went to another member\n";
    assert!(asked.output.contains("delete.user-0: cancelled by "), "{}", asked.output);
    assert!(asked.output.contains("nothing is changed") && asked.output.ends_with(told), "{}", asked.output);
    let cancelled = worker.metric("user_purge_sync_live_replays_total", &["outcome=\"cancelled\""]).await.unwrap();
    assert!((cancelled - 1.0).abs() < 0.5, "{cancelled}");
    assert_eq!(committed(&scene).await, 1);
    assert_nothing_was_replayed(&scene);
    drop(newcomer);
}

async fn in_call(worker: &local_stack::Worker) -> f64 {
    let labels = ["stage=\"sync\"", "state=\"in_call\""];
    worker.metric("user_purge_sync_stage_items", &labels).await.unwrap_or_default()
}

/// A member that wants deletions only: so the assignor can give it nothing else.
struct Newcomer(Arc<AtomicBool>);

impl Newcomer {
    fn join(scene: &Scene) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &scene.stack.kafka)
            .set("group.id", scene.topics.group())
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        consumer.subscribe(&[&scene.topics.name(DELETE)]).unwrap();
        let leaves = Arc::new(AtomicBool::new(false));
        let leaving = Arc::clone(&leaves);
        tokio::task::spawn_blocking(move || {
            while !leaving.load(Ordering::Relaxed) {
                consumer.poll(Duration::from_millis(200));
            }
        });
        Self(leaves)
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
