//! Every recorded answer of the Sync API, and what it leads the worker to.
//!
//! At the adapter alone (`src/adapters/sync_api/tests.rs`): 13 and 14, types that lookup refuses before the service could,
//! and 37, an organisation.

use std::time::Duration;

use futures::stream::StreamExt as _;
use local_stack::events::request_all;
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use serde_json::json;

use crate::scene::{PATIENCE, Scene};
use crate::systems::playback::{Playback, Recording};

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Each id ends as the answer says: some are indexed, and so the others have to blame themselves.
    AsNamed,
    /// Nobody is indexed, whatever the answer says: everything waits until somebody is.
    Waits,
    /// A person must mend something; the reason.
    Held(&'static str),
    ElsewhereOnly,
}

fn outcome(number: u32) -> Outcome {
    match number {
        2 | 8 | 11 | 19..=22 | 26 | 38 | 50 | 52 | 55 | 56 | 60 | 61 | 63 => Outcome::Waits,
        4 | 5 | 9 => Outcome::Held("not_verified"),
        6 | 7 | 15..=17 | 25 | 29 => Outcome::Held("http_400"),
        30..=32 => Outcome::Held("http_404"),
        13 | 14 | 37 => Outcome::ElsewhereOnly,
        _ => Outcome::AsNamed,
    }
}

async fn ask(scene: &Scene, recording: &Recording) -> Vec<String> {
    let ids: Vec<String> = recording.ids.iter().cloned().collect();
    scene.users.put_all(&ids, 1).await.unwrap();
    scene.topics.publish(REQUEST, &[request_all("resync-user", &ids)]).await.unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_answer_leads_to_its_outcome() {
    let (scene, service) = (Scene::with(1, &[]).await, Playback::start().await);
    // An attempt counts when a probe passes afterwards, so one may fall on the end of an outage; no more than that. No follow-up: another answer will be on then.
    let overrides = [
        ("SYNC__ENDPOINT", service.endpoint.as_str()),
        ("RETRY__ATTEMPTS", "2"),
        ("DELAY__AFTER", "1h"),
        ("SYNC__AMBIGUITY", "0s"),
    ];
    let worker = scene.worker(&overrides).await;
    let mut failed = 0;
    for recording in Recording::all() {
        let outcome = outcome(recording.number);
        if !matches!(outcome, Outcome::AsNamed | Outcome::Waits) {
            continue;
        }
        service.play(&recording, outcome == Outcome::Waits);
        let ids = ask(&scene, &recording).await;
        if outcome == Outcome::Waits {
            let open = local_stack::eventually("the breaker opens", PATIENCE, async || {
                let state = worker.metric("user_purge_sync_breaker_state", &["stage=\"sync\""]).await.ok()?;
                (state > 0.5).then_some(())
            });
            open.await.unwrap_or_else(|error| panic!("{}: {error:?}\n{}", recording.name, worker.log()));
            assert!(ids.iter().all(|id| scene.statuses.of(id).is_empty()), "{}", recording.name);
            service.stop();
        }
        let endings = scene.final_endings(&ids).await;
        for id in &ids {
            let good = outcome == Outcome::Waits || recording.has_indexed(id);
            let expected = if good { "SUCCESS synced" } else { "FAILED sync_failed" };
            assert_eq!(endings[id], expected, "{}: {id}", recording.name);
            failed += usize::from(!good);
        }
    }
    assert_eq!(scene.failed_records(failed).await.len(), failed);
    assert!(failed > 300, "{failed} of 03, 12, 62, 64 and 65");
    scene.inputs_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_person_must_look_at_holds_the_syncs_with_its_reason() {
    let scene = Scene::with(1, &[]).await;
    let held = Recording::all().into_iter().filter_map(|recording| match outcome(recording.number) {
        Outcome::Held(reason) => Some((recording, reason)),
        Outcome::AsNamed | Outcome::Waits | Outcome::ElsewhereOnly => None,
    });
    let held: Vec<_> = held.collect();
    assert_eq!(held.len(), 13);
    // Everybody reads the same event, each in a group of its own.
    let ids = ask(&scene, &held[0].0).await;
    let workers = held.iter().map(|(recording, reason)| is_held(&scene, recording, reason));
    futures::stream::iter(workers).buffer_unordered(4).collect::<Vec<()>>().await;
    assert!(ids.iter().all(|id| scene.statuses.of(id).is_empty()));
    assert_eq!(scene.failed.count(), 0);
}

async fn is_held(scene: &Scene, recording: &Recording, reason: &str) {
    let service = Playback::start().await;
    service.play(recording, true);
    let group = format!("{}-{}-group", scene.topics.env, recording.name);
    let worker = scene.worker(&[("SYNC__ENDPOINT", &service.endpoint), ("KAFKA__GROUP", &group)]).await;
    let told = local_stack::eventually("the syncs are held", PATIENCE + Duration::from_secs(10), async || {
        let state = worker.metric("user_purge_sync_breaker_state", &["stage=\"sync\""]).await.ok()?;
        (state > 1.5).then_some(())
    });
    told.await.unwrap_or_else(|error| panic!("{}: {error:?}\n{}", recording.name, worker.log()));
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("a person must mend something")).unwrap_or_default();
    assert!(line.contains(&format!("\"reason\":\"{reason}")), "{}: {log}", recording.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_answer_left_in_doubt_is_synced_again_later() {
    let scene = Scene::set().await;
    let ids = new_ids(40);
    scene.users.put_all(&ids, 1).await.unwrap();
    let _worker = scene.worker(&[("SYNC__TIMEOUT", "1s"), ("RETRY__MAX_PAUSE", "500ms")]).await;
    let losses = [
        json!({"mode": "applyThenLoseAnswer", "calls": 2}),
        json!({"mode": "close", "calls": 2}),
        json!({"mode": "hang", "after": "2s", "calls": 2}),
        json!({"mode": "fail", "status": 500, "calls": 2}),
    ];
    for (loss, group) in losses.iter().zip(ids.chunks(10)) {
        scene.sync_api.behave(loss).await.unwrap();
        scene.topics.publish(REQUEST, &[request_all("resync-user", group)]).await.unwrap();
        let endings = scene.final_endings(group).await;
        assert!(group.iter().all(|id| endings[id] == "SUCCESS synced"), "{loss}: {endings:?}");
        // The follow-ups too, or they would take up the calls that are to be lost for the next group.
        scene.all_committed().await;
    }
    // A call may still have been at work when the next one was made: the last word is a call of which nothing was lost.
    for (loss, group) in losses.iter().zip(ids.chunks(10)) {
        let again = |id: &&String| scene.statuses.of(id).len() > 1;
        assert!(group.iter().any(|id| again(&id)), "{loss}: nobody was synced again");
        for id in group {
            let last = scene.statuses.of(id).pop().unwrap();
            assert_eq!(last.ending(), "SUCCESS synced", "{loss}: {}", last.record);
        }
    }
    assert_eq!(scene.failed.count(), 0);
}
