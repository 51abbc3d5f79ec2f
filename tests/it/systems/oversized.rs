//! Records as large as Kafka takes them: a clear end, and the worker goes on.

use local_stack::events::{Record, deletion, deletion_with_managed, request, request_all};
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;

use serde_json::json;

use crate::scene::{PATIENCE, Scene};

/// A topic's `max.message.bytes` by default, less what is around a lone record.
const LARGEST: usize = 1_048_588 - 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_records_end_clearly_and_the_worker_goes_on() {
    let scene = Scene::set().await;
    let (deleted, resynced, missing) = (new_ids(3), new_ids(1), new_ids(1_001));
    scene.users.put_all(&deleted, 2).await.unwrap();
    scene.users.put_all(&resynced, 1).await.unwrap();
    scene.rows.put_federated(&deleted).await.unwrap();
    let worker = scene.worker(&[]).await;
    let mut keyed = Record::raw("{");
    keyed.key = Some("k".repeat(LARGEST - 1));
    let mut event = deletion(&deleted[1]);
    event.key = Some("k".repeat(LARGEST - event.size()));
    let deletions = [deletion(&deleted[0]), Record::raw(vec![b'{'; LARGEST]), keyed, event, deletion(&deleted[2])];
    scene.topics.publish(DELETE, &deletions.map(|record| record.on(0))).await.unwrap();
    let requests = [
        request_all("resync-user", &missing),
        request_all("resync-user", &missing[..1_000]),
        request("resync-user", &resynced[0]),
    ];
    scene.topics.publish(REQUEST, &requests.map(|record| record.on(0))).await.unwrap();

    let told = [&deleted[..], &resynced, &missing[..1_000]].concat();
    let endings = scene.final_endings(&told).await;
    assert!(deleted.iter().all(|id| endings[id] == "SUCCESS purged"), "{:?}", scene.statuses.endings());
    assert!(missing[..1_000].iter().all(|id| endings[id] == "SKIPPED not_found"), "{:?}", scene.statuses.endings());
    assert_eq!(endings[&resynced[0]], "SUCCESS synced");
    assert!(!endings.contains_key(&missing[1_000]));
    let failed = scene.failed_records(3).await;
    let mut errors: Vec<_> = failed.iter().map(|it| it.value["failInfo"]["error"].as_str().unwrap()).collect();
    errors.sort_unstable();
    let expected = [
        "edata.userIds: has more than 1000 entries",
        "record: ends in the middle",
        "record: is not JSON, or nested too deeply",
    ];
    assert_eq!(errors, expected, "{}", worker.log());
    for record in &failed {
        assert!(record.value.to_string().len() < 1_000, "where it is and how it is recognised, not what it says");
    }
    scene.all_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_thousand_managed_users_are_worked_page_by_page() {
    let scene = Scene::set().await;
    let parent = new_ids(1);
    scene.users.put_all(&parent, 2).await.unwrap();
    scene.rows.put_federated(&parent).await.unwrap();
    // Nobody knows them: each is looked up and told.
    let managed: Vec<String> = (0..30_000).map(|number| format!("{}{number:07}", &parent[0][..24])).collect();
    let record = deletion_with_managed(&parent[0], &managed);
    assert!((LARGEST - 50_000..LARGEST).contains(&record.size()), "{} bytes", record.size());
    let _worker = scene.worker(&[("DELAY__LOOKS", "0")]).await;
    scene.topics.publish(DELETE, &[record, deletion(&parent[0])].map(|record| record.on(0))).await.unwrap();

    // Order: asking for thirty thousand endings again and again would take the worker its time.
    scene.topics.until_committed(&[DELETE], PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    let endings = scene.final_endings(&[&parent[..], &managed].concat()).await;
    assert_eq!(endings.values().filter(|ending| *ending == "FAILED not_found").count(), managed.len());
    assert!(endings[&parent[0]].starts_with("SUCCESS"), "{}", endings[&parent[0]]);
    assert_eq!(scene.failed_records(managed.len()).await.len(), managed.len());
    scene.assert_gone(&parent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_on_of_an_event_is_bounded() {
    let scene = Scene::set().await;
    let ids = new_ids(1);
    // What takes two bytes a character in JSON.
    let long = "\"".repeat(2_000);
    let cdata: Vec<_> = (0..100).map(|_| json!({"type": long, "id": long})).collect();
    let record = json!({
        "mid": long,
        "context": {"cdata": cdata},
        "edata": {"userId": ids[0], "organisationId": long, "managed_users": [long.trim()]},
    });
    let mut sound = record.clone();
    sound["edata"]["managed_users"] = json!([]);
    let _worker = scene.worker(&[("DELAY__LOOKS", "0")]).await;
    let records = [&record, &sound].map(|record| Record::raw(record.to_string()).on(0));
    assert!((700_000..LARGEST).contains(&records[0].size()), "{} bytes", records[0].size());
    scene.topics.publish(DELETE, &records).await.unwrap();

    let endings = scene.final_endings(&ids).await;
    assert_eq!(endings[&ids[0]], "FAILED not_found");
    let failed = scene.failed_records(2).await;
    let mut sizes: Vec<usize> = failed.iter().map(|record| record.value.to_string().len()).collect();
    sizes.sort_unstable();
    assert!(sizes[0] < 1_000, "of what is no event nothing travels on: {sizes:?}");
    assert!((30_000..50_000).contains(&sizes[1]), "four entries, and Kafka takes them: {sizes:?}");
    scene.all_committed().await;
}
