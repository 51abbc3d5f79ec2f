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
        ("KEYCLOAK__PASSWORD", "hunter2-wrong", "keycloak.password"),
        ("KEYCLOAK__USERNAME", "nobody", "keycloak.username"),
        ("KEYCLOAK__DATABASE", "nowhere", "keycloak.database"),
        ("KEYCLOAK__SCHEMA", "nowhere", "keycloak.schema"),
        ("ENV", "nowhere", "check --create-topics"),
    ];
    for (key, value, named) in wrong {
        let mut worker = scene.starting(&[(key, value)]);
        let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        assert_eq!(exit.code(), Some(70), "{key}: {}", worker.log());
        let log = worker.log();
        let held: Vec<&str> = log.lines().filter(|line| line.contains("held at start")).collect();
        assert!(held.len() == 1 && held[0].contains(named), "{key}: {named} is not in {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_of_the_admin_api_is_held_at_start_and_named() {
    let scene = Scene::set().await;
    let wrong = [("KEYCLOAK__ADMIN_API__ENABLED", "true"), ("KEYCLOAK__ADMIN_API__CLIENT_SECRET", "hunter2-wrong")];
    let mut worker = scene.starting(&wrong);
    let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    let log = worker.log();
    assert_eq!(exit.code(), Some(70), "{log}");
    assert!(log.contains("keycloak.admin_api.client_secret") && !log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_of_the_sync_api_holds_the_syncs_and_nothing_else() {
    let scene = Scene::with(2, &["--per-id", "0", "--api-key", "the-right-one"]).await;
    let ids = scene.deleted_people(20).await;
    scene.publish_deletions(&ids).await;
    let mut worker = scene.worker(&[("SYNC__API_KEY", "hunter2-wrong")]).await;
    let held = local_stack::eventually("the syncs are held, the purges go on", PATIENCE, async || {
        let state = worker.metric("user_purge_sync_breaker_state", &["stage=\"sync\""]).await.ok()?;
        let gone = scene.rows.of(&ids).await.ok()?.is_empty();
        (state > 1.5 && gone).then_some(())
    });
    held.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
    let log = worker.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("a person must mend something")).collect();
    assert!(lines.len() == 1 && lines[0].contains("http_401"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!((scene.statuses.count(), scene.failed.count()), (0, 0));
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));

    let _mended = scene.worker(&[("SYNC__API_KEY", "the-right-one")]).await;
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{endings:?}");
    scene.inputs_committed().await;
    assert_eq!(scene.failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_that_is_not_there_is_told_and_waited_for() {
    let scene = Scene::set().await;
    let mut worker = scene.starting(&[("KAFKA__BROKERS", "127.0.0.1:1")]);
    let told = |log: &str| log.lines().filter(|line| line.contains("kafka.brokers")).count();
    let waiting = local_stack::eventually("it is told which key to change", PATIENCE, async || {
        (told(&worker.log()) > 0).then_some(())
    });
    waiting.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
    assert!(!worker.is_ready().await);
    worker.term().unwrap();
    let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((exit.code(), told(&worker.log())), (Some(0), 1), "{}", worker.log());
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
        held.is_ok_and(|held| held > 0.5).then_some(())
    });
    held.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
}
