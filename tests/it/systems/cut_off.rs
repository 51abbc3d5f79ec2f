//! Clients that Kafka answers no more, though it answers others.

use std::time::{Duration, Instant};

use local_stack::{Records, Statuses, Topics, Worker, topics};

use crate::scene::{Scene, counts};
use crate::tls::broker::Broker;
use crate::tls::certificates::Authority;

/// Its session ends long before its next heartbeat: most of the time it is not in the cluster's list, as a single broker is not
/// that has just stood still. Who asks for the list then is told of no broker at all.
const UNLISTED: &str = "broker.heartbeat.interval.ms=4000\n";
/// In which clients that can connect again do so, and tell it.
const RECONNECTED: Duration = Duration::from_secs(12);

async fn is_unreachable(worker: &Worker) -> bool {
    worker.metric("user_purge_sync_kafka_trouble", &["trouble=\"unreachable\""]).await.unwrap() > 0.0
}

async fn renewals(worker: &Worker) -> f64 {
    worker.metric("user_purge_sync_client_renewals_total", &["cause=\"cut_off\""]).await.unwrap()
}

async fn delete_twenty(scene: &Scene) -> Vec<String> {
    let ids = scene.deleted_people(20).await;
    scene.publish_deletions(&ids).await;
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_kafka_answers_no_more_are_replaced_by_others() {
    let mut broker = Broker::start(&Authority::new("kafka")).await;
    let mut scene = Scene::on(broker.stack(), 2, &["--per-id", "100ms"]).await;
    let worker = scene.worker(&[]).await;
    let under_way = delete_twenty(&scene).await;
    scene.until("some are told", async || scene.statuses.count() > 0).await;
    broker.configure(UNLISTED);
    broker.restart().await;
    let mut since = Instant::now();
    let cut_off = async || {
        if !is_unreachable(&worker).await {
            since = Instant::now();
        }
        since.elapsed() > RECONNECTED
    };
    scene.until("they do not come back", cut_off).await;
    assert!(renewals(&worker).await < 0.5, "not while kafka answers nobody");

    broker.configure("");
    broker.restart().await;
    // The test's own have forgotten the broker as well.
    scene.topics = Topics::of(&scene.stack, &scene.topics.env).unwrap();
    scene.statuses = Statuses::follow(&scene.topics).unwrap();
    scene.failed = Records::follow(&scene.topics, topics::FAILED).unwrap();
    let ids = [under_way, delete_twenty(&scene).await].concat();
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", counts(&endings));
    scene.assert_gone(&ids).await;
    scene.assert_nobody_failed();
    assert!((0.5..1.5).contains(&renewals(&worker).await), "once");
    scene.until("the metric tells it", async || !is_unreachable(&worker).await).await;
    assert!(worker.log().contains("kafka answers, but not these clients: others take over"), "{}", worker.log());
    scene.all_committed().await;
}
