//! Wrong settings, absent services, records that are no events: what a person must mend is told, an outage is survived.

use local_stack::Worker;
use local_stack::events::{Record, deletion};
use local_stack::topics::DELETE;
use local_stack::users::new_ids;

use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_setting_is_held_at_start_and_named() {
    let scene = Scene::set().await;
    let wrong = [
        ("CASSANDRA__KEYSPACE", "nowhere", "cassandra.keyspace"),
        ("KEYCLOAK__REALM", "nowhere", "keycloak.realm"),
        ("KEYCLOAK__PROVIDER_ID", "nowhere", "keycloak.provider_id"),
        ("ENV", "nowhere", "check --create-topics"),
    ];
    for (key, value, named) in wrong {
        let mut worker = scene.starting(&[(key, value)]);
        let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        assert_eq!(exit.code(), Some(70), "{key}: {}", worker.log());
        assert!(worker.log().contains(named), "{key}: {named} is not in {}", worker.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_dependencies_it_starts_and_waits() {
    let scene = Scene::set().await;
    let nobody = [("CASSANDRA__HOSTS", "127.0.0.1:1"), ("KEYCLOAK__PORT", "1")];
    for (key, value) in nobody {
        let worker = scene.worker(&[(key, value)]).await;
        assert!(worker.log().contains("away at the start"), "{key}: {}", worker.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_broken_records_in_a_row_hold_their_partition_only() {
    let scene = Scene::set().await;
    let ids = new_ids(2);
    scene.users.put_all(&ids, 2).await.unwrap();
    let mut records: Vec<Record> = (0..60).map(|number| Record::raw(format!("not an event {number}")).on(0)).collect();
    records.push(deletion(&ids[0]).on(0));
    records.push(deletion(&ids[1]).on(1));
    scene.topics.publish(DELETE, &records).await.unwrap();
    // A restart loop moves nothing either.
    for _ in 0..2 {
        let mut worker = scene.worker(&[]).await;
        until_held(&worker).await;
        scene.final_endings(&ids[1..]).await;
        assert_eq!(scene.failed.count(), 0);
        assert!(scene.statuses.of(&ids[0]).is_empty());
        let progress = scene.topics.progress(&[DELETE]).await.unwrap();
        assert_eq!(progress[&(DELETE.to_owned(), 0)].committed, 0);
        worker.kill9().unwrap();
    }
    // A person has looked at them and lets them pass.
    let _worker = scene.worker(&[("INTAKE__REJECT_LIMIT", "100")]).await;
    scene.final_endings(&ids).await;
    scene.failed_records(60).await;
    scene.inputs_committed().await;
}

async fn until_held(worker: &Worker) {
    let held = local_stack::eventually("the partition is held", PATIENCE, async || {
        let held = worker.metric("user_purge_sync_partition_held", &["topic=\"delete\"", "partition=\"0\""]).await;
        held.is_ok_and(|held| held == 1.0).then_some(())
    });
    held.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
}
