//! Keycloak's database is killed in the middle.

use local_stack::users::new_ids;
use local_stack::{Faults, KeycloakRows, Service};

use crate::scene::{PATIENCE, Scene, breaker_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_syncs_go_on_and_purges_wait() {
    let faults = Faults::up().unwrap();
    let mut scene = Scene::on(faults.stack.clone(), 2, &["--per-id", "0"]).await;
    let ids = new_ids(2_200);
    let (before, during) = ids.split_at(2_000);
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    // Small blocks, so that it is killed between two of them or inside one.
    let hasty = [("RETRY__TIME", "3s"), ("RETRY__ATTEMPTS", "3"), ("PURGE__BLOCK_SIZE", "50")];
    let worker = scene.worker(&hasty).await;
    scene.publish_deletions(before).await;
    let some = scene.statuses.until("it is in the middle", PATIENCE, |all| !all.is_empty()).await;
    some.unwrap_or_else(|error| panic!("{error:?}"));

    faults.kill(Service::Postgres).unwrap();
    scene.publish_deletions(during).await;
    let indexed = async || scene.indexed().await.is_superset(&during.iter().cloned().collect());
    scene.until("syncs go on", indexed).await;
    scene.until("the breaker is open", async || breaker_of(&worker, "purge").await > 0.0).await;
    assert!(during.iter().all(|id| scene.statuses.of(id).is_empty()), "nobody is told before the purge");
    scene.assert_nobody_failed();

    faults.start(Service::Postgres).unwrap();
    let endings = scene.final_endings_within(&ids, PATIENCE * 2).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{:?}", scene.statuses.endings());
    scene.rows = KeycloakRows::connect(&scene.stack).await.unwrap();
    scene.assert_gone(&ids).await;
    assert!(breaker_of(&worker, "purge").await == 0.0, "the breaker is closed");
    scene.all_committed().await;
    scene.assert_nobody_failed();
}
