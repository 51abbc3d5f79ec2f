//! Answers of the Sync API that come too late or never: the work may be done all the same.

use local_stack::Records;
use local_stack::records::Written;
use local_stack::topics::DELAY;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene, followed, in_calls, is_probe};

async fn scene_of(users: usize) -> (Scene, Records, Vec<String>) {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(users).await;
    let delayed = Records::follow(&scene.topics, DELAY).unwrap();
    (scene, delayed, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_made_again_after_an_answer_was_lost() {
    let (scene, delayed, ids) = scene_of(40).await;
    let losing = 2;
    scene.sync_api.behave(&json!({"mode": "applyThenLoseAnswer", "calls": losing})).await.unwrap();
    let _worker = scene.worker(&[("RETRY__MAX_PAUSE", "1s")]).await;
    scene.publish_deletions(&ids).await;

    scene.final_endings(&ids).await;
    assert_eq!(scene.told("SUCCESS purged").len(), ids.len(), "{:?}", scene.statuses.endings());
    let calls = scene.sync_api.calls().await.unwrap();
    assert_eq!(calls["ends"]["closed"], losing);
    let lost = in_calls(&calls, |call| call["end"] == "closed" && !is_probe(call));
    let written = |all: &[Written]| lost.is_subset(&followed(all, "sync"));
    let all = delayed.until("a follow-up for each lost answer", PATIENCE, written).await;
    // A probe's too: its controls are users who wait.
    let unheard = in_calls(&calls, |call| call["end"] == "closed");
    assert!(followed(&all.unwrap_or_else(|error| panic!("{error:?}")), "sync").is_subset(&unheard));
    let synced_again = || scene.told("SUCCESS synced");
    scene.until("they are synced again", async || lost.is_subset(&synced_again())).await;
    scene.all_committed().await;
    assert!(synced_again().is_subset(&unheard), "{:?}", scene.statuses.endings());
    scene.assert_nobody_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_api_that_is_slower_than_its_timeout_fails_nobody() {
    let (scene, delayed, ids) = scene_of(60).await;
    // A first block takes longer than the timeout; its work goes on although nobody listens any more.
    scene.sync_api.behave(&json!({"perId": "80ms"})).await.unwrap();
    let patient = [("SYNC__TIMEOUT", "1s"), ("RETRY__MAX_PAUSE", "1s"), ("RETRY__ATTEMPTS", "3")];
    let _worker = scene.worker(&patient).await;
    scene.publish_deletions(&ids).await;

    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.all_committed().await;
    let calls = scene.sync_api.calls().await.unwrap();
    let lost = in_calls(&calls, |call| call["end"] == "abandoned" && !is_probe(call));
    assert!(!lost.is_empty(), "no call was too slow");
    let written = |all: &[Written]| lost.is_subset(&followed(all, "sync"));
    let all = delayed.until("a follow-up for each lost answer", PATIENCE, written).await;
    let followed = followed(&all.unwrap_or_else(|error| panic!("{error:?}")), "sync");
    // The service may have answered in time, and the worker not have read it in time.
    let is_late = |call: &Value| call["end"] == "abandoned" || call["tookMs"].as_u64().unwrap() >= 500;
    assert!(followed.is_subset(&in_calls(&calls, is_late)), "a follow-up of who was heard");
    scene.assert_gone(&ids).await;
    scene.assert_indexed(&ids).await;
    scene.assert_nobody_failed();
}
