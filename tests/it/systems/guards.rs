//! Who is kept, and what is looked at again: the rows of the table in section 3 of the design that need special users.

use local_stack::events::{deletion, deletion_with_managed, request};
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_and_service_accounts_are_kept_and_told() {
    let scene = Scene::set().await;
    let ids = new_ids(3);
    let [admin, service, denied] = [&ids[0], &ids[1], &ids[2]];
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_local(&ids).await.unwrap();
    let make_admin = "INSERT INTO user_role_mapping (role_id, user_id) SELECT r.id, $1 FROM keycloak_role r
                      JOIN client c ON c.id = r.client WHERE c.client_id = 'realm-management' AND r.name = 'manage-users'
                      AND c.realm_id = $2";
    let sql = scene.rows.sql();
    assert_eq!(sql.execute(make_admin, &[admin, &scene.rows.realm_id()]).await.unwrap(), 1);
    let make_service = "UPDATE user_entity SET service_account_client_link = 'a-client' WHERE id = $1";
    assert_eq!(sql.execute(make_service, &[service]).await.unwrap(), 1);
    let rows = scene.rows.of(&ids).await.unwrap();
    let _worker = scene.worker(&[("KEYCLOAK__DENY_LIST", denied.as_str())]).await;
    scene.publish_deletions(&ids).await;

    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending == "FAILED protected"), "{endings:?}");
    assert_eq!(scene.rows.of(&ids).await.unwrap(), rows);
    let indexed = scene.indexed().await;
    assert!(ids.iter().all(|id| indexed.contains(id)), "they are synced: {indexed:?}");
    scene.failed_records(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_realm_are_kept() {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(2).await;
    // The same external id under the other realm's component.
    let elsewhere: Vec<String> = ids.iter().map(|id| format!("f:otherfederationid:{id}")).collect();
    scene.rows.put_federated_in(&elsewhere, "other-realm-id", "otherfederationid").await.unwrap();
    // And a row of the other realm that names the very id that is purged here.
    let foreign = "INSERT INTO fed_user_attribute (id, name, user_id, realm_id, storage_provider_id, value)
                   VALUES (left(md5($1), 30), 'a', $1, 'other-realm-id', 'otherfederationid', 'kept')";
    let id = scene.stack.federated_id(&ids[0]);
    scene.rows.sql().execute(foreign, &[&id]).await.unwrap();
    let kept = scene.rows.of_exactly(&elsewhere).await.unwrap();
    let _worker = scene.worker(&[]).await;
    scene.publish_deletions(&ids).await;

    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending == "SUCCESS purged"), "{endings:?}");
    assert_eq!(scene.rows.of(&ids).await.unwrap(), [("fed_user_attribute", 1)].into());
    assert_eq!(scene.rows.of_exactly(&elsewhere).await.unwrap(), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_and_fifty_managed_users_are_users_like_any_other() {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(251).await;
    let _worker = scene.worker(&[]).await;
    scene.topics.publish(DELETE, &[deletion_with_managed(&ids[0], &ids[1..])]).await.unwrap();
    scene.final_endings(&ids).await;
    scene.assert_gone(&ids).await;
    scene.inputs_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_moved_credentials_is_not_retired() {
    let scene = Scene::set().await;
    let ids = new_ids(2);
    scene.users.put_all(&ids, 1).await.unwrap();
    scene.rows.put_local(&ids).await.unwrap();
    let rows = scene.rows.of(&ids).await.unwrap();
    let missing = new_ids(1);
    let _worker = scene.worker(&[]).await;
    let retires = ids.iter().map(|id| request("retire-local-user", id));
    let requests: Vec<_> = retires.chain([request("resync-user", &missing[0])]).collect();
    scene.topics.publish(REQUEST, &requests).await.unwrap();
    let endings = scene.final_endings(&[ids.clone(), missing.clone()].concat()).await;
    assert!(ids.iter().all(|id| endings[id] == "SKIPPED credentials_not_moved"), "{endings:?}");
    assert_eq!(endings[&missing[0]], "SKIPPED not_found");
    assert_eq!(scene.rows.of(&ids).await.unwrap(), rows);
    let indexed = scene.indexed().await;
    assert!(ids.iter().all(|id| indexed.contains(id)), "they are synced: {indexed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_came_too_early_is_done_when_the_row_says_so() {
    let scene = Scene::set().await;
    let ids = new_ids(1);
    scene.users.put_all(&ids, 1).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let _worker = scene.worker(&[]).await;
    scene.topics.publish(DELETE, &[deletion(&ids[0])]).await.unwrap();
    let deferred = scene.statuses.until("DEFERRED", crate::scene::PATIENCE, |all| {
        all.iter().any(|status| status.ending() == "DEFERRED not_deleted" && !status.is_final)
    });
    deferred.await.unwrap_or_else(|error| panic!("{error:?}"));
    scene.users.set_status(&ids[0], 2).await.unwrap();
    let endings = scene.final_endings(&ids).await;
    assert_eq!(endings[&ids[0]], "SUCCESS purged");
    scene.assert_gone(&ids).await;
    scene.all_committed().await;
}
