//! The broker is killed in the middle, and the worker goes on as the process that it is.

use local_stack::{Faults, Service};

use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_loses_nothing() {
    let faults = Faults::up().unwrap();
    let scene = Scene::on(faults.stack.clone(), 4, &["--per-id", "5ms"]).await;
    let ids = scene.deleted_people(2_200).await;
    let (before, after) = ids.split_at(2_000);
    // Records are given up during the outage, and must be published again before anything of theirs is committed.
    let given_up_soon = [("KAFKA__PROPERTIES__DELIVERY_TIMEOUT_MS", "2000"), ("KAFKA__SESSION_TIMEOUT", "30s")];
    let mut worker = scene.worker(&given_up_soon).await;
    scene.publish_deletions(before).await;
    let some = scene.statuses.until("it is in the middle", PATIENCE, |all| !all.is_empty()).await;
    assert!(some.unwrap_or_else(|error| panic!("{error:?}")).len() < before.len());

    faults.kill(Service::Kafka).unwrap();
    let given_up = async || worker.metric("user_purge_sync_publish_failures_total", &[]).await.unwrap() > 0.0;
    scene.until("records are given up", given_up).await;
    worker.wait_ready(PATIENCE).await.expect("an outage is no reason to restart");
    faults.start(Service::Kafka).unwrap();

    scene.publish_deletions(after).await;
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.all_committed().await;
    scene.assert_gone(&ids).await;
    scene.assert_indexed(&ids).await;
    scene.assert_nobody_failed();
}
