//! `replay live` when nobody answers, or not in time: each has its word and its code, and nothing moves.

use local_stack::topics::DELETE;
use serde_json::{Value, json};

use super::replay::{people, publish_on, replay, until_told_by};
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
    let ids = people(&scene, 5).await;
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
