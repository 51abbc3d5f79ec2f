//! Several workers in one group.

use local_stack::events::{Record, deletion};
use local_stack::topics::DELETE;

use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_worker_may_join_and_leave_under_load() {
    let scene = Scene::with(6, &["--per-id", "2ms"]).await;
    let ids = scene.deleted_people(3_000).await;
    let _first = scene.worker(&[]).await;
    let _second = scene.worker(&[]).await;
    let records: Vec<Record> = ids.iter().map(|id| deletion(id)).collect();
    let (early, late) = records.split_at(1_500);
    scene.topics.publish(DELETE, early).await.unwrap();
    let mut third = scene.worker(&[]).await;
    scene.topics.publish(DELETE, late).await.unwrap();
    let some = scene.statuses.until("a third is done", PATIENCE, |all| all.len() >= 1_000).await;
    some.unwrap_or_else(|error| panic!("{error:?}"));
    third.term().unwrap();
    third.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.inputs_committed().await;
    scene.assert_gone(&ids).await;
    assert_eq!(scene.failed.count(), 0);
}
