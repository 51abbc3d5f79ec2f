//! Two people at the failed topic at once.

use std::collections::BTreeSet;

use local_stack::Records;
use local_stack::topics::{FAILED, REQUEST};
use local_stack::users::new_ids;
use serde_json::{Value, json};

use super::redrive::{failure, told, users_in};
use crate::scene::{PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_parked_during_a_run_is_not_sent_by_it() {
    let scene = Scene::set().await;
    let ids = new_ids(60);
    let records = ids.iter().map(|id| failure(id, "resync-user", ("sync_failed: http_500", "sync"), true).on(0));
    scene.topics.publish(FAILED, &records.collect::<Vec<_>>()).await.unwrap();
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let (last, others) = ids.split_last().unwrap();
    let ((), parked) = tokio::join!(
        async {
            let sent = ["sent     59 records, 59 users"];
            told(&scene, &["run", "--rate", "4/s", "--execute"], 0, &sent).await;
        },
        async {
            requests.until("some are sent", PATIENCE, |all| all.len() >= 3).await.unwrap();
            let park = ["park", "--user", last, "--why", "a test account", "--execute", "--format", "json"];
            told(&scene, &park, 0, &[]).await
        }
    );
    let parked: Value = parked.parse().unwrap();
    assert_eq!(parked, json!({ "executed": true, "records": 1, "users": 1 }));
    let sent = requests.until("all others are sent", PATIENCE, |all| all.len() >= others.len()).await.unwrap();
    let wanted: BTreeSet<_> = others.iter().cloned().collect();
    assert_eq!((sent.len(), users_in(&sent).into_iter().collect()), (others.len(), wanted));
    told(&scene, &["list"], 0, &["0 records open, 59 redriven, 1 parked"]).await;
}
