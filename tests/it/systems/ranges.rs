//! Token ranges through the whole worker, on a table of the test's own: in the shared one nobody knows how many rows a range has.

use std::collections::BTreeMap;

use local_stack::Status;
use local_stack::events::request_range;
use local_stack::topics::REQUEST;

use crate::cassandra::support::{Keyspace, USER_TABLE};
use crate::scene::{PATIENCE, Scene, holds_no_unit};

/// One more than a range may hold.
const ROWS: usize = 10_001;
/// About one row in sixteen.
const NARROW: i64 = i64::MIN + (1 << 60);
/// A few dozen rows more.
const NEXT: i64 = NARROW + (1 << 56);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_range_is_worked_page_by_page_and_summed_up_and_a_wide_one_is_refused() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    keyspace.fill(ROWS).await;
    let ids = ids_in(&keyspace, i64::MIN, NARROW).await;
    let deleted = ids_in(&keyspace, NARROW, NEXT).await;
    let scene = Scene::with(2, &["--per-id", "0", "--keyspace", &keyspace.name]).await;
    scene.sync_api.behave(&serde_json::json!({"falseIds": [&ids[0]]})).await.unwrap();
    scene.rows.put_federated(&deleted).await.unwrap();
    let overrides =
        [("CASSANDRA__KEYSPACE", keyspace.name.as_str()), ("RETRY__ATTEMPTS", "2"), ("INTAKE__PAGE", "100")];
    let worker = scene.worker(&overrides).await;
    assert!(ids.len() > 300, "{} users are at least four pages", ids.len());
    let requests = [
        request_range("resync-user", i64::MIN, NARROW),
        request_range("delete-user", NARROW, NEXT),
        request_range("resync-user", i64::MIN, i64::MAX),
        // Nobody is there.
        request_range("delete-user", i64::MAX - 1, i64::MAX),
    ];
    scene.topics.publish(REQUEST, &requests).await.unwrap();

    let summaries =
        scene.statuses.until("four summaries", PATIENCE, |all| all.iter().filter(|it| is_range(it)).count() == 4);
    let all = summaries.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
    let summary = |start: i64, end: i64| {
        let found = all.iter().find(|status| is_range(status) && status.user == format!("{start}:{end}"));
        found.unwrap_or_else(|| panic!("{start}:{end} is not summed up")).record["edata"].clone()
    };
    let worked = summary(i64::MIN, NARROW);
    assert_eq!((&worked["rows"], &worked["final"]), (&ids.len().into(), &true.into()));
    assert_eq!((&worked["counts"]["SUCCESS"], &worked["counts"]["FAILED"]), (&(ids.len() - 1).into(), &1.into()));
    let purged = summary(NARROW, NEXT);
    assert_eq!((&purged["rows"], &purged["counts"]["SUCCESS"]), (&deleted.len().into(), &deleted.len().into()));
    scene.assert_gone(&deleted).await;
    let wide = summary(i64::MIN, i64::MAX);
    assert_eq!((&wide["status"], &wide["reason"]), (&"FAILED".into(), &"range_too_wide".into()));
    let empty = summary(i64::MAX - 1, i64::MAX);
    assert_eq!((&empty["rows"], &empty["counts"]["SUCCESS"]), (&0.into(), &0.into()));

    let told = told(&all);
    assert_eq!(told.len(), ids.len() + deleted.len(), "of the wide range nobody is told one by one");
    assert_eq!(told[ids[0].as_str()], "FAILED sync_failed");
    assert!(ids[1..].iter().all(|id| told[id.as_str()] == "SUCCESS synced"), "{:?}", scene.statuses.endings());
    assert!(deleted.iter().all(|id| told[id.as_str()] == "SUCCESS purged"), "{:?}", scene.statuses.endings());
    let failed = scene.failed_records(2).await;
    let ranges: Vec<_> = failed.iter().filter(|record| !record.value["edata"]["tokenRange"].is_null()).collect();
    let [range] = ranges[..] else { panic!("{failed:?}") };
    assert_eq!(range.value["edata"]["tokenRange"]["start"], i64::MIN.to_string());
    assert_eq!(range.value["failInfo"]["error"], "range_too_wide");
    // Those who were purged are swept later.
    scene.all_committed().await;
    scene.until("no unit is held", async || holds_no_unit(&worker).await).await;
    keyspace.drop().await;
}

async fn ids_in(keyspace: &Keyspace, start: i64, end: i64) -> Vec<String> {
    let of = &keyspace.name;
    let statement = format!("SELECT id FROM {of}.user WHERE token(id) > {start} AND token(id) <= {end}");
    let rows = keyspace.session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
    rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect()
}

/// How each user ended, the ranges left out.
fn told(all: &[Status]) -> BTreeMap<&str, String> {
    let users = all.iter().filter(|status| status.is_final && !is_range(status));
    users.map(|status| (status.user.as_str(), status.ending())).collect()
}

fn is_range(status: &Status) -> bool {
    status.record["object"]["type"] == "TokenRange"
}
