//! Users of whom one branch cannot be done, and users who are kept: each is told, and nobody beside them suffers.

use local_stack::Status;
use local_stack::events::{Record, request};
use local_stack::records::Written;
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use serde_json::json;

use crate::scene::Scene;

const FEW_CHANCES: [(&str, &str); 3] =
    [("RETRY__ATTEMPTS", "2"), ("RETRY__MAX_PAUSE", "500ms"), ("KEYCLOAK__LOCK_TIMEOUT", "200ms")];

/// The final status of a user, the whole of it.
fn last(scene: &Scene, id: &str) -> Status {
    scene.statuses.of(id).into_iter().rev().find(|status| status.is_final).unwrap()
}

/// The failed record of a user, by error.
fn failure(failed: &[Written], id: &str) -> (String, bool) {
    let named = |record: &&Written| record.value["edata"]["userIds"] == json!([id]);
    let record = failed.iter().find(named).unwrap_or_else(|| panic!("{id} has no failed record: {failed:?}"));
    let info = &record.value["failInfo"];
    (info["error"].as_str().unwrap().to_owned(), info["retriable"] == true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_branch_cannot_do_is_partial_and_what_neither_can_is_failed() {
    let scene = Scene::set().await;
    let (well, unsynced, locked, neither) = (new_ids(5), new_ids(1), new_ids(1), new_ids(1));
    let all = [&well[..], &unsynced, &locked, &neither].concat();
    scene.users.put_all(&all, 2).await.unwrap();
    scene.rows.put_local(&all).await.unwrap();
    scene.sync_api.behave(&json!({"falseIds": [&unsynced[0], &neither[0]]})).await.unwrap();
    // Somebody works on their rows and does not come to an end.
    let busy = [&locked[..], &neither].concat();
    scene.rows.sql().batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT FROM user_entity WHERE id = ANY($1) FOR UPDATE";
    assert_eq!(scene.rows.sql().query(lock, &[&busy]).await.unwrap().len(), 2);
    let _worker = scene.worker(&FEW_CHANCES).await;
    scene.publish_deletions(&all).await;

    let endings = scene.final_endings(&all).await;
    assert!(well.iter().all(|id| endings[id] == "SUCCESS purged"), "{endings:?}");
    assert_eq!(endings[&unsynced[0]], "PARTIAL sync_failed");
    assert_eq!(endings[&locked[0]], "PARTIAL purge_failed");
    assert_eq!(endings[&neither[0]], "FAILED all_failed");
    let status = last(&scene, &unsynced[0]);
    assert_eq!((status.stage("sync"), status.stage("purge")), ("FAILED", "OK"), "{}", status.record);
    let status = last(&scene, &locked[0]);
    assert_eq!((status.stage("sync"), status.stage("purge")), ("OK", "FAILED"), "{}", status.record);
    assert_eq!(status.record["edata"]["access"], "unchanged");
    let failed = scene.failed_records(3).await;
    assert_eq!(failed.len(), 3);
    assert_eq!(failure(&failed, &unsynced[0]), ("sync_failed: named_false".to_owned(), true));
    assert_eq!(failure(&failed, &locked[0]), ("purge_failed: sqlstate_55p03".to_owned(), true));
    assert_eq!(failure(&failed, &neither[0]), ("all_failed: named_false, sqlstate_55p03".to_owned(), true));
    scene.rows.sql().batch_execute("ROLLBACK").await.unwrap();
    scene.assert_gone(&[&well[..], &unsynced].concat()).await;
    assert_eq!(scene.rows.of(&busy).await.unwrap()["user_entity"], 2);
    scene.all_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_table_for_retired_users() {
    let scene = Scene::set().await;
    let [deleted, moved, unsynced, unmoved, neither, missing] = std::array::from_fn(|_| new_ids(1));
    scene.users.put_all(&deleted, 2).await.unwrap();
    let live = [&moved[..], &unsynced, &unmoved, &neither].concat();
    scene.users.put(&[(moved[0].clone(), None)]).await.unwrap();
    scene.users.put_all(&live[1..], 0).await.unwrap();
    let all = [&deleted[..], &live, &missing].concat();
    scene.rows.put_local(&all).await.unwrap();
    let federated = [&deleted[..], &moved, &unsynced, &unmoved].concat();
    scene.rows.put_federated(&federated).await.unwrap();
    // A second credential of the local copy is not on the other side yet.
    let one_time = "INSERT INTO credential (id, type, user_id, created_date, secret_data, credential_data, priority)
                    VALUES (left($1, 30) || '-otp', 'otp', $1, 0, '{}', '{}', 20)";
    scene.rows.sql().execute(one_time, &[&unmoved[0]]).await.unwrap();
    let kept = [&unmoved[..], &neither, &missing].concat();
    let rows = scene.rows.of(&kept).await.unwrap();
    scene.sync_api.behave(&json!({"falseIds": [&unsynced[0], &neither[0]]})).await.unwrap();
    let _worker = scene.worker(&FEW_CHANCES).await;
    let retires: Vec<Record> = all.iter().map(|id| request("retire-local-user", id)).collect();
    scene.topics.publish(REQUEST, &retires).await.unwrap();

    let endings = scene.final_endings(&all).await;
    assert_eq!(endings[&deleted[0]], "SUCCESS purged");
    assert_eq!(endings[&moved[0]], "SUCCESS purged");
    assert_eq!(endings[&unsynced[0]], "PARTIAL sync_failed");
    assert_eq!(endings[&unmoved[0]], "SKIPPED credentials_not_moved");
    assert_eq!(endings[&neither[0]], "FAILED sync_failed");
    assert_eq!(endings[&missing[0]], "SKIPPED not_found");
    scene.assert_gone(&deleted).await;
    for id in [&moved, &unsynced] {
        assert!(scene.rows.of_exactly(id).await.unwrap().is_empty(), "the local copy is gone");
        assert_eq!(scene.rows.of(id).await.unwrap()["fed_user_credential"], 1, "the user is not");
    }
    assert_eq!(scene.rows.of(&kept).await.unwrap(), rows);
    let failed = scene.failed_records(2).await;
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|record| record.value["edata"]["action"] == "retire-local-user"), "{failed:?}");
    for id in [&unsynced[0], &neither[0]] {
        assert_eq!(failure(&failed, id), ("sync_failed: named_false".to_owned(), true));
    }
    scene.all_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_a_row_is_purged_where_the_guard_says_so() {
    let scene = Scene::set().await;
    let (missing, live) = (new_ids(2), new_ids(1));
    scene.users.put_all(&live, 1).await.unwrap();
    scene.rows.put_federated(&[&missing[..1], &live].concat()).await.unwrap();
    let rows = scene.rows.of(&live).await.unwrap();
    let _worker = scene.worker(&[("GUARD__MISSING_USER", "purge"), ("DELAY__LOOKS", "1")]).await;
    let all = [&missing[..], &live].concat();
    scene.publish_deletions(&all).await;

    let endings = scene.final_endings(&all).await;
    assert_eq!(endings[&missing[0]], "SUCCESS purged");
    assert_eq!(endings[&missing[1]], "SUCCESS already_clean");
    assert_eq!(endings[&live[0]], "SKIPPED not_deleted");
    for id in &missing {
        assert_eq!(last(&scene, id).stage("sync"), "SKIPPED");
    }
    scene.assert_gone(&missing).await;
    assert_eq!(scene.rows.of(&live).await.unwrap(), rows);
    scene.all_committed().await;
    let indexed = scene.indexed().await;
    assert!(!missing.iter().any(|id| indexed.contains(id)), "ids known to be missing are never sent");
    assert_eq!(scene.failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_user_is_kept_and_told() {
    let scene = Scene::set().await;
    let (linked, well) = (new_ids(1), new_ids(1));
    let all = [&linked[..], &well].concat();
    scene.users.put_all(&all, 2).await.unwrap();
    scene.rows.put_local(&all).await.unwrap();
    let link = "UPDATE user_entity SET federation_link = 'ldap' WHERE id = $1";
    assert_eq!(scene.rows.sql().execute(link, &[&linked[0]]).await.unwrap(), 1);
    let rows = scene.rows.of(&linked).await.unwrap();
    let _worker = scene.worker(&[]).await;
    scene.publish_deletions(&all).await;

    let endings = scene.final_endings(&all).await;
    assert_eq!((&*endings[&linked[0]], &*endings[&well[0]]), ("FAILED protected", "SUCCESS purged"));
    let status = last(&scene, &linked[0]);
    assert_eq!((status.stage("sync"), status.stage("purge")), ("OK", "FAILED"), "{}", status.record);
    assert_eq!(scene.rows.of(&linked).await.unwrap(), rows);
    scene.assert_gone(&well).await;
    let failed = scene.failed_records(1).await;
    assert_eq!(failure(&failed, &linked[0]), ("protected: linked".to_owned(), false));
    scene.all_committed().await;
}
