//! How the service works through its calls: in what order, how long, how many at once, and what can be seen of it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use support::{exchange, stand, stand_over, sync_request, usual};
use sync_api_stand_in::Settings;
use sync_api_stand_in::rows::{ObjectType, Reading, Row, RowSource};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn documents_show_the_row_and_the_order_of_writing() {
    let stand = usual().await;
    stand.outcome(&["c", "a", "c"]).await;
    stand.outcome(&["d"]).await;
    let document = stand.get("/documents/c").await;
    assert!(document["indexedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{document}");
    let expected = json!({
        "id": "c", "objectType": "user", "status": 2, "isDeleted": true, "rootOrgId": null,
        "indexedAt": document["indexedAt"], "writes": 2, "order": 3,
    });
    assert_eq!(document, expected);
    let summary = stand.get("/documents?ids=true").await;
    let by_status = json!({"1": 1, "2": 1, "null": 1});
    assert_eq!(summary, json!({"documents": 3, "writes": 4, "byStatus": by_status, "ids": ["a", "c", "d"]}));
    assert_eq!(stand.ask("GET", "/documents/x", "").await.status(), 404);
    stand.ask("DELETE", "/documents", "").await;
    assert_eq!(stand.get("/documents").await, json!({"documents": 0, "writes": 0, "byStatus": {}}));
}

#[tokio::test(start_paused = true)]
async fn ids_take_their_time_one_after_the_other() {
    let stand = usual().await;
    for number in 0..100 {
        stand.rows.put(ObjectType::User, &format!("u{number}"), Row::default());
    }
    let existing: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
    let missing: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    for (ids, milliseconds) in [(existing, 800..820), (missing, 200..220)] {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let since = Instant::now();
        stand.outcome(&ids).await;
        assert!(milliseconds.contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn four_blocks_are_worked_on_at_once_and_the_others_wait_in_line() {
    let stand = stand(Settings { per_id: Duration::from_secs(1), ..Settings::default() }).await;
    let since = Instant::now();
    let calls = (0..6).map(|_| async {
        stand.outcome(&["a"]).await;
        since.elapsed().as_secs()
    });
    let mut ended = join_all(calls).await;
    ended.sort_unstable();
    assert_eq!(ended, [1, 1, 1, 1, 2, 2]);
    let calls = stand.get("/calls").await;
    assert_eq!((&calls["maxInFlight"], &calls["maxConcurrentPerUser"]), (&json!(6), &json!(6)));
}

#[tokio::test(start_paused = true)]
async fn after_the_limit_comes_500_and_the_work_goes_on() {
    let stand = stand(Settings { per_id: Duration::from_secs(4), ..Settings::default() }).await;
    let since = Instant::now();
    let answer = stand.sync(&["a", "b", "c", "d"]).await.expect("an answer");
    assert_eq!((answer.status(), since.elapsed().as_secs()), (500, 10));
    assert_eq!(stand.get("/documents").await["writes"], 2);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(stand.get("/documents").await["writes"], 4);
}

#[tokio::test(start_paused = true)]
async fn fire_mode_answers_before_the_work_and_cannot_fail() {
    let stand = stand(Settings { per_id: Duration::from_secs(20), ..Settings::default() }).await;
    for operation in [None, Some(""), Some(" ")] {
        stand.ask("DELETE", "/documents", "").await;
        let since = Instant::now();
        let answer = stand.send(&sync_request("user", operation, &["a"])).await.expect("an answer");
        assert_eq!((answer.result(), since.elapsed().as_secs()), (json!({"response": "SUCCESS"}), 0));
        assert_eq!(stand.get("/documents").await["writes"], 0);
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert_eq!(stand.get("/documents").await["writes"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn another_operation_type_does_the_work_and_is_500_at_the_limit() {
    let stand = usual().await;
    let since = Instant::now();
    let answer = stand.send(&sync_request("user", Some("async"), &["a"])).await.expect("an answer");
    assert_eq!((answer.status(), since.elapsed().as_secs()), (500, 10));
    assert_eq!(stand.get("/documents").await["writes"], 1);
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_when_the_client_is_gone() {
    let stand = stand(Settings { per_id: Duration::from_secs(2), ..Settings::default() }).await;
    let gone = tokio::time::timeout(Duration::from_secs(1), stand.sync(&["a", "b"])).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stand.get("/documents").await["writes"], 2);
    assert_eq!(stand.get("/calls").await["ends"], json!({"abandoned": 1}));
}

#[tokio::test(start_paused = true)]
async fn the_call_log_shows_overlaps_of_users() {
    let stand = stand(Settings { per_id: Duration::from_secs(1), ..Settings::default() }).await;
    // One after the other is no overlap, whatever the ids; an id twice in one call is none either.
    stand.outcome(&["a", "a"]).await;
    stand.outcome(&["a"]).await;
    let calls = stand.get("/calls").await;
    assert_eq!((&calls["maxConcurrentPerUser"], &calls["overlappingUsers"]), (&json!(1), &json!({})));
    tokio::join!(stand.outcome(&["a", "b"]), stand.outcome(&["b", "c"]));
    let calls = stand.get("/calls?last=1").await;
    assert_eq!((&calls["maxConcurrentPerUser"], &calls["overlappingUsers"]), (&json!(2), &json!({"b": 2})));
    assert_eq!((&calls["calls"], &calls["ids"], &calls["inFlight"]), (&json!(4), &json!(7), &json!(0)));
    assert_eq!((&calls["largestCall"], &calls["callsWithDuplicates"]), (&json!(2), &json!(1)));
    assert_eq!(calls["recent"].as_array().map(Vec::len), Some(1));
    let last = &calls["recent"][0];
    assert_eq!((&last["requestId"], &last["end"], &last["tookMs"]), (&json!("r-1"), &json!("200"), &json!(2_000)));
    stand.ask("DELETE", "/calls", "").await;
    assert_eq!(stand.get("/calls").await["calls"], 0);
    assert_eq!(stand.ask("GET", "/calls?last=all", "").await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn organisations_and_locations_are_in_neither_place_when_missing_and_500_when_unreadable() {
    let stand = usual().await;
    for (object_type, name) in [(ObjectType::Organisation, "organisation"), (ObjectType::Location, "location")] {
        stand.rows.put(object_type, "o", Row::default());
        let request = sync_request(name, Some("sync"), &["o", "x"]);
        let answer = stand.send(&request).await.expect("an answer");
        assert_eq!(answer.result(), json!({"response": "SUCCESS", "esSyncResponse": {"o": true}}));
        stand.tell(json!({"mode": "cassandraDown"})).await;
        assert_eq!(stand.send(&request).await.expect("an answer").status(), 500);
        stand.ask("DELETE", "/behaviour", "").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_breaks_at_an_id_has_done_the_ids_before_it() {
    let stand = usual().await;
    let request = String::from_utf8(sync_request("user", Some("sync"), &["a", "1", "b"])).expect("text");
    // Without its quotes the id is two bytes shorter; a space each keeps the length.
    let answer = stand.send(request.replace(r#""1""#, " 1 ").as_bytes()).await.expect("an answer");
    assert_eq!(answer.status(), 500);
    assert_eq!(stand.get("/documents?ids=true").await["ids"], json!(["a"]));
}

#[tokio::test(start_paused = true)]
async fn one_connection_serves_many_calls_and_ends_with_a_closed_one() {
    let stand = usual().await;
    let connection = stand.connect();
    let (mut reader, mut writer) = tokio::io::split(connection);
    let request = sync_request("user", Some("sync"), &["a"]);
    let both = [request.clone(), request].concat();
    tokio::io::AsyncWriteExt::write_all(&mut writer, &both).await.expect("the pipe takes it");
    let mut read = Vec::new();
    while String::from_utf8_lossy(&read).matches(r#"{"a":true}"#).count() < 2 {
        let some = tokio::io::AsyncReadExt::read_buf(&mut reader, &mut read).await.expect("the pipe gives it");
        assert!(some > 0, "closed early");
    }
    stand.tell(json!({"mode": "close"})).await;
    assert!(exchange(stand.connect(), &sync_request("user", None, &["a"])).await.is_none());
}

/// Every id exists, and to read it takes a millisecond.
struct RowsFromAfar;

impl RowSource for RowsFromAfar {
    fn read<'a>(&'a self, _: ObjectType, _: &'a str) -> Reading<'a> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Some(Row::default()))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn with_no_time_per_id_a_blocks_rows_are_read_side_by_side_and_indexed_in_order() {
    let settings = Settings { per_id: Duration::ZERO, per_missing_id: Duration::ZERO, ..Settings::default() };
    let stand = stand_over(Arc::new(RowsFromAfar), settings).await;
    let ids: Vec<String> = (0..6_400).map(|number| format!("user-{number}")).collect();
    let since = Instant::now();
    stand.outcome(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // 64 at a time; one after the other it would be 6.4 s at least.
    assert!(since.elapsed() < Duration::from_millis(300), "{:?}", since.elapsed());
    assert_eq!(stand.get("/documents?ids=true").await["ids"], json!(ids));
}
