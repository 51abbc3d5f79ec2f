//! What is to come unless a person does something, as the worker tells it.

use std::time::Duration;

use local_stack::topics::DELETE;
use local_stack::users::new_ids;
use local_stack::{Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use crate::scene::{PATIENCE, Scene};

/// The topic keeps its records for so long.
async fn keep(scene: &Scene, topic: &str, time: Duration) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &scene.stack.kafka).create().unwrap();
    let (name, time) = (scene.topics.name(topic), time.as_millis().to_string());
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", &time);
    admin.alter_configs([&change], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
}

async fn used(worker: &Worker) -> Option<f64> {
    worker.metric("user_purge_sync_retention_used_ratio", &["topic=\"delete\""]).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_waits_tells_how_much_of_its_retention_has_passed() {
    let scene = Scene::set().await;
    keep(&scene, DELETE, Duration::from_secs(12)).await;
    let ids = new_ids(1);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.sync_api.behave(&json!({"mode": "fail", "status": 503})).await.unwrap();
    scene.publish_deletions(&ids).await;
    let worker = scene.worker(&[]).await;
    let near = eventually("most of the retention has passed", PATIENCE, async || {
        used(&worker).await.filter(|used| *used > 0.75)
    });
    near.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
    scene.sync_api.behave_normally().await.unwrap();
    scene.final_endings(&ids).await;
    let over = eventually("nothing waits", PATIENCE, async || used(&worker).await.filter(|used| *used == 0.0));
    over.await.unwrap();
}
