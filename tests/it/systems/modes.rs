//! What `purge.mode` and `sync.mode` change.

use std::collections::BTreeMap;

use local_stack::events::{Record, USER_NAME, deletion, request, request_all};
use local_stack::topics::{DELAY, DELETE, REQUEST};
use local_stack::users::new_ids;

use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let scene = Scene::set().await;
    let [local, federated, clean, live, missing, resynced, moved, unmoved] = std::array::from_fn(|_| new_ids(2));
    for ids in [&local, &federated, &clean] {
        scene.users.put_all(ids, 2).await.unwrap();
    }
    for ids in [&live, &resynced, &moved, &unmoved] {
        scene.users.put_all(ids, 1).await.unwrap();
    }
    for ids in [&local, &live, &moved, &unmoved] {
        scene.rows.put_local(ids).await.unwrap();
    }
    for ids in [&federated, &moved] {
        scene.rows.put_federated(ids).await.unwrap();
    }
    let all = [&local[..], &federated, &clean, &live, &missing, &resynced, &moved, &unmoved].concat();
    let rows = scene.rows.of(&all).await.unwrap();
    // What a worker in earnest has left on the delay topic is none of a dry run's business.
    scene.topics.publish(DELAY, &[request("delete-user", &local[0])]).await.unwrap();
    let _worker = scene.worker(&[("PURGE__MODE", "dry-run")]).await;
    let deleted = [&local[..], &federated, &clean, &live, &missing].concat();
    let broken = Record::raw(format!("{{\"edata\": {{\"userName\": \"{USER_NAME}\"")).on(0);
    let sound = deleted.iter().map(|id| deletion(id).on(0));
    scene.topics.publish(DELETE, &[broken].into_iter().chain(sound).collect::<Vec<_>>()).await.unwrap();
    let retires = moved.iter().chain(&unmoved).map(|id| request("retire-local-user", id));
    let requests: Vec<_> = [request_all("resync-user", &resynced)].into_iter().chain(retires).collect();
    scene.topics.publish(REQUEST, &requests).await.unwrap();

    let endings = scene.final_endings(&all).await;
    let expected = [
        (&local, "SUCCESS would_purge"),
        (&federated, "SUCCESS would_purge"),
        (&clean, "SUCCESS already_clean"),
        (&live, "DEFERRED not_deleted"),
        (&missing, "DEFERRED not_found"),
        (&resynced, "SUCCESS synced"),
        (&moved, "SUCCESS would_purge"),
        (&unmoved, "SKIPPED credentials_not_moved"),
    ];
    for (ids, ending) in expected {
        assert!(ids.iter().all(|id| endings[id] == ending), "{ending}: {endings:?}");
    }
    let dry = scene.topics.dry_run_group();
    scene.topics.until_committed_by(&dry, &[DELETE, REQUEST], PATIENCE).await.unwrap();
    for status in scene.statuses.all() {
        assert!(status.mid.starts_with("dry-"), "{}", status.mid);
        assert_eq!(status.record["edata"]["dryRun"], true);
        assert_eq!(status.record["edata"]["access"], "unchanged");
        let sync = if expected[..3].iter().chain(&expected[5..]).any(|(ids, _)| ids.contains(&status.user)) {
            "DISABLED"
        } else {
            "SKIPPED"
        };
        assert_eq!(status.stage("sync"), sync, "{}", status.record);
    }
    let counted = &scene.statuses.of(&federated[0])[0].record["edata"]["stages"]["purge"]["rows"];
    assert_eq!(counted["fed_user_credential"], 1, "{counted}");
    assert_eq!(scene.statuses.count(), all.len(), "nothing is told twice, nothing of the broken record");
    assert_eq!(scene.rows.of(&all).await.unwrap(), rows);
    assert_nothing_else_is_written_read_or_called(&scene).await;
}

async fn assert_nothing_else_is_written_read_or_called(scene: &Scene) {
    assert_eq!(scene.failed.count(), 0);
    let written: i64 = scene.topics.progress(&[DELAY]).await.unwrap().values().map(|place| place.end).sum();
    assert_eq!(written, 1, "the test's own record alone");
    let dry_run = scene.topics.progress_of(&scene.topics.dry_run_group(), &[DELAY]).await.unwrap();
    let in_earnest = scene.topics.progress(&[DELETE, REQUEST, DELAY]).await.unwrap();
    for progress in [dry_run, in_earnest] {
        assert!(progress.values().all(|place| place.committed == 0), "{progress:?}");
    }
    assert_eq!(scene.sync_api.calls().await.unwrap()["calls"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_purge_off_users_are_only_synced() {
    let scene = Scene::set().await;
    let (deleted, live, refused) = (new_ids(3), new_ids(1), new_ids(1));
    scene.users.put_all(&[&deleted[..], &refused].concat(), 2).await.unwrap();
    scene.users.put_all(&live, 1).await.unwrap();
    let all = [&deleted[..], &live, &refused].concat();
    scene.rows.put_federated(&all).await.unwrap();
    let rows = scene.rows.of(&all).await.unwrap();
    scene.sync_api.behave(&serde_json::json!({"falseIds": refused})).await.unwrap();
    // Not even the database is needed.
    let off = [("PURGE__MODE", "off"), ("KEYCLOAK__PORT", "1"), ("DELAY__LOOKS", "1"), ("RETRY__ATTEMPTS", "2")];
    let _worker = scene.worker(&off).await;
    scene.publish_deletions(&all).await;

    let endings = scene.final_endings(&all).await;
    assert!(deleted.iter().all(|id| endings[id] == "SUCCESS synced"), "{endings:?}");
    assert_eq!(endings[&live[0]], "SKIPPED not_deleted");
    assert_eq!(endings[&refused[0]], "FAILED sync_failed");
    for id in &deleted {
        let status = &scene.statuses.of(id)[0];
        assert_eq!((status.stage("sync"), status.stage("purge")), ("OK", "DISABLED"), "{}", status.record);
        assert_eq!(status.record["edata"]["access"], "unchanged");
    }
    let indexed = scene.indexed().await;
    assert!(deleted.iter().all(|id| indexed.contains(id)), "{indexed:?}");
    assert_eq!(scene.rows.of(&all).await.unwrap(), rows);
    scene.failed_records(1).await;
    scene.all_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_fired_is_told_as_unverified() {
    let scene = Scene::set().await;
    let (deleted, clean, resynced) = (new_ids(2), new_ids(1), new_ids(2));
    scene.users.put_all(&[&deleted[..], &clean].concat(), 2).await.unwrap();
    scene.users.put_all(&resynced, 1).await.unwrap();
    scene.rows.put_federated(&deleted).await.unwrap();
    // What the service says later is never heard: it refuses one of them, and nobody is failed.
    scene.sync_api.behave(&serde_json::json!({"falseIds": [&resynced[1]]})).await.unwrap();
    let _worker = scene.worker(&[("SYNC__MODE", "fire")]).await;
    let deletions: Vec<_> = deleted.iter().chain(&clean).map(|id| deletion(id)).collect();
    scene.topics.publish(DELETE, &deletions).await.unwrap();
    scene.topics.publish(REQUEST, &[request_all("resync-user", &resynced)]).await.unwrap();

    let all = [&deleted[..], &clean, &resynced].concat();
    let endings = scene.final_endings(&all).await;
    assert!(endings.values().all(|ending| ending == "SUCCESS unverified"), "{endings:?}");
    let purges: BTreeMap<String, String> = scene
        .statuses
        .all()
        .iter()
        .filter(|status| status.is_final)
        .map(|status| {
            assert_eq!(status.stage("sync"), "UNVERIFIED", "{}", status.record);
            (status.user.clone(), status.stage("purge").to_owned())
        })
        .collect();
    assert!(deleted.iter().all(|id| purges[id] == "OK"), "{purges:?}");
    assert_eq!(purges[&clean[0]], "ALREADY_CLEAN");
    assert!(resynced.iter().all(|id| purges[id] == "SKIPPED"), "{purges:?}");
    scene.assert_gone(&deleted).await;
    let fired = local_stack::eventually("the service works it off by itself", PATIENCE, async || {
        let indexed = scene.indexed().await;
        deleted.iter().all(|id| indexed.contains(id)).then_some(indexed)
    });
    let indexed = fired.await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(!indexed.contains(&resynced[1]));
    scene.all_committed().await;
    assert_eq!(scene.failed.count(), 0);
}
