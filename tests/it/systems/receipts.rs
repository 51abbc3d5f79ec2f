//! What the statuses say of rows, and what the fuses do, through the whole worker.

use std::collections::BTreeMap;

use local_stack::events::deletion;
use local_stack::topics::DELETE;
use local_stack::users::new_ids;
use serde_json::Value;

use crate::scene::{PATIENCE, Scene, breaker_of};

fn receipt(edata: &Value) -> BTreeMap<&str, i64> {
    let rows = edata["stages"]["purge"]["rows"].as_object().unwrap();
    rows.iter().map(|(table, rows)| (table.as_str(), rows.as_i64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_says_which_rows_went_and_a_sweeps_are_counted_apart() {
    let (scene, ids) = (Scene::set().await, new_ids(1));
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_local(&ids).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let purged = scene.rows.of(&ids).await.unwrap();
    let worker = scene.worker(&[("DELAY__AFTER", "4s")]).await;
    scene.publish_deletions(&ids).await;
    assert_eq!(scene.final_endings(&ids).await[&ids[0]], "SUCCESS purged");
    // As a login in flight would.
    scene.rows.put_federated(&ids).await.unwrap();
    let swept = scene.rows.of(&ids).await.unwrap();

    let two = scene.statuses.until("two statuses", PATIENCE, |all| all.len() == 2).await.unwrap();

    assert_eq!(receipt(&two[0].record["edata"]), purged);
    assert_eq!(receipt(&two[1].record["edata"]), swept);
    assert!(!two[1].is_final);
    scene.assert_gone(&ids).await;
    for (metric, rows) in [("deleted", &purged), ("swept", &swept)] {
        let name = format!("user_purge_sync_keycloak_rows_{metric}_total");
        for (table, rows) in rows {
            let label = format!("table=\"{table}\"");
            assert_eq!(worker.metric(&name, &[&label]).await.unwrap() as i64, *rows, "{metric} {table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fuses_keep_a_user_with_too_many_rows_and_hold_a_flood_without_failing_anybody() {
    let (scene, full, flood) = (Scene::set().await, new_ids(1), new_ids(5));
    let all = [&full[..], &flood].concat();
    scene.users.put_all(&all, 2).await.unwrap();
    scene.rows.put_local(&all).await.unwrap();
    let many = "INSERT INTO user_attribute (id, name, value, user_id) \
                SELECT left(md5($1 || n), 36), 'a', 'b', $1 FROM generate_series(1, 60) n";
    scene.rows.sql().execute(many, &[&full[0]]).await.unwrap();
    let kept = scene.rows.of(&full).await.unwrap();
    let fuses = [("PURGE__MAX_ROWS_PER_USER", "50"), ("PURGE__MAX_USERS_PER_HOUR", "3")];
    let mut worker = scene.worker(&fuses).await;
    scene.publish_deletions(&full).await;
    assert_eq!(scene.final_endings(&full).await[&full[0]], "FAILED protected");
    assert_eq!(scene.statuses.of(&full[0])[0].record["edata"]["stages"]["purge"]["error"], "too_many_rows");
    assert_eq!(scene.rows.of(&full).await.unwrap(), kept);

    let records: Vec<_> = flood.iter().map(|id| deletion(id)).collect();
    scene.topics.publish(DELETE, &records).await.unwrap();
    scene.until("three are told", async || scene.statuses.count() == 4).await;
    scene.until("the purge is held", async || breaker_of(&worker, "purge").await > 1.5).await;
    let mut left = 0;
    for id in &flood {
        left += usize::from(!scene.rows.of(std::slice::from_ref(id)).await.unwrap().is_empty());
    }
    assert_eq!(left, 2);
    let held = ["stage=\"purge\"", "reason=\"users_per_hour\""];
    assert!(worker.metric("user_purge_sync_retries_total", &held).await.unwrap() > 0.0);
    let lines = worker.log().lines().filter(|line| line.contains("purge.max_users_per_hour: 3 users")).count();
    assert_eq!(lines, 1, "{}", worker.log());
    assert_eq!(scene.failed.count(), 1, "only the one that is protected");

    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();
    let _unlimited = scene.worker(&fuses[..1]).await;
    let endings = scene.final_endings(&flood).await;
    assert!(endings.iter().all(|(id, ending)| *id == full[0] || ending.starts_with("SUCCESS")), "{endings:?}");
    scene.assert_gone(&flood).await;
}
