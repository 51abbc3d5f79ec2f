//! Each behaviour that can be told over HTTP, and how it is told.

mod support;

use std::time::Duration;

use serde_json::json;
use support::{stand, sync_request, usual};
use sync_api_stand_in::Settings;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn failing_lasts_for_as_many_calls_as_told() {
    let stand = usual().await;
    stand.tell(json!({"mode": "fail", "status": 502, "calls": 2})).await;
    for left in [json!({"mode": "fail", "status": 502, "calls": 1}), json!({"mode": "normal"})] {
        let answer = stand.sync(&["a"]).await.expect("an answer");
        assert_eq!((answer.status(), answer.header("Content-Type")), (502, Some("text/html")));
        assert!(answer.body.starts_with("<html>"), "{}", answer.body);
        assert_eq!(stand.get("/behaviour").await, left);
    }
    assert_eq!(stand.get("/documents").await["writes"], 0);
    assert_eq!(stand.outcome(&["a"]).await["esSyncResponse"], json!({"a": true}));
}

#[tokio::test(start_paused = true)]
async fn failing_without_a_number_of_calls_lasts_until_told_otherwise() {
    let stand = usual().await;
    stand.tell(json!({"mode": "fail", "status": 500})).await;
    for _ in 0..5 {
        let answer = stand.sync(&["a"]).await.expect("an answer");
        assert_eq!((answer.status(), answer.json()["params"]["err"].as_str()), (500, Some("UOS_ESSYNCnull")));
    }
    stand.ask("DELETE", "/behaviour", "").await;
    assert_eq!(stand.outcome(&["a"]).await["esSyncResponse"], json!({"a": true}));
}

#[tokio::test(start_paused = true)]
async fn every_status_has_the_body_of_its_real_sender() {
    let stand = usual().await;
    let expected = [
        (400, r#""err":"UOS_0028""#),
        (401, r#"{"message":"Unauthorized"}"#),
        (403, r#"{"message":"You cannot consume this service"}"#),
        (404, r#"{"message":"no API found with those values"}"#),
        (413, r#"{"message":"Request size limit exceeded"}"#),
        (429, r#"{"message":"API rate limit exceeded"}"#),
        (500, r#""err":"UOS_ESSYNCnull""#),
        (502, "<h1>502 Bad Gateway</h1>"),
        (503, "<h1>503 Service Temporarily Unavailable</h1>"),
    ];
    for (status, body) in expected {
        stand.tell(json!({"mode": "fail", "status": status})).await;
        let answer = stand.sync(&["a"]).await.expect("an answer");
        assert_eq!(answer.status(), status);
        assert!(answer.body.contains(body), "{status}: {}", answer.body);
        assert_eq!(answer.header("Retry-After"), None);
    }
    stand.tell(json!({"mode": "fail", "status": 429, "retryAfter": 7})).await;
    let answer = stand.sync(&["a"]).await.expect("an answer");
    assert_eq!(answer.header("Retry-After"), Some("7"));
    assert_eq!(answer.header("X-RateLimit-Remaining-hour"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_is_never_answered_or_answered_late() {
    let stand = usual().await;
    stand.tell(json!({"mode": "hang"})).await;
    let silent = tokio::time::timeout(Duration::from_secs(3600), stand.sync(&["a"])).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(stand.get("/calls").await["ends"], json!({"abandoned": 1}));
    stand.tell(json!({"mode": "hang", "after": "30s"})).await;
    let since = Instant::now();
    assert_eq!(stand.outcome(&["a"]).await["esSyncResponse"], json!({"a": true}));
    assert!(since.elapsed() >= Duration::from_secs(30), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_closed_call_does_nothing_and_a_lost_answer_does_all() {
    let stand = usual().await;
    stand.tell(json!({"mode": "close"})).await;
    assert!(stand.sync(&["a"]).await.is_none());
    assert_eq!(stand.get("/documents").await["writes"], 0);
    stand.tell(json!({"mode": "applyThenLoseAnswer"})).await;
    assert!(stand.sync(&["a"]).await.is_none());
    assert_eq!(stand.get("/documents").await["writes"], 1);
    assert_eq!(stand.get("/calls").await["ends"], json!({"closed": 2}));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_500_at_the_limit_with_the_work_done() {
    let stand = usual().await;
    stand.tell(json!({"mode": "timeout", "calls": 1})).await;
    let since = Instant::now();
    let answer = stand.sync(&["a", "b"]).await.expect("an answer");
    assert_eq!((answer.status(), since.elapsed().as_secs()), (500, 10));
    assert_eq!(stand.get("/documents").await["writes"], 2);
    assert_eq!(stand.sync(&["a"]).await.expect("an answer").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn some_ids_can_be_false_or_absent_or_slow() {
    let stand = usual().await;
    stand.tell(json!({"falseIds": ["a"], "absentIds": ["b", "x"], "slowIds": {"c": "3s"}})).await;
    let since = Instant::now();
    let result = stand.outcome(&["a", "b", "c", "d", "x", "y"]).await;
    let expected = json!({"response": "SUCCESS", "a": false, "y": false, "esSyncResponse": {"c": true, "d": true}});
    assert_eq!(result, expected);
    assert_eq!(since.elapsed().as_secs(), 3);
    assert_eq!(stand.get("/documents?ids=true").await["ids"], json!(["c", "d"]));
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_block_is_500_after_the_ids_before_the_poison() {
    let stand = usual().await;
    stand.tell(json!({"poisonIds": ["b"]})).await;
    let answer = stand.sync(&["a", "b", "c"]).await.expect("an answer");
    assert_eq!((answer.status(), answer.json()["params"]["err"].as_str()), (500, Some("UOS_ESSYNCnull")));
    assert_eq!(stand.get("/documents?ids=true").await["ids"], json!(["a"]));
    assert_eq!(stand.sync(&["a", "c"]).await.expect("an answer").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_outages_that_answer_success() {
    let stand = usual().await;
    let all_false = json!({"response": "SUCCESS", "a": false, "x": false, "esSyncResponse": {}});
    let in_neither_place = json!({"response": "SUCCESS", "x": false, "esSyncResponse": {}});
    stand.tell(json!({"mode": "cassandraDown"})).await;
    assert_eq!(stand.outcome(&["a", "x"]).await, all_false);
    stand.tell(json!({"mode": "indexDown"})).await;
    assert_eq!(stand.outcome(&["a", "x"]).await, in_neither_place);
    stand.tell(json!({"mode": "indexFrozen"})).await;
    let since = Instant::now();
    assert_eq!(stand.outcome(&["a", "x"]).await, in_neither_place);
    assert_eq!(since.elapsed().as_secs(), 5);
    assert_eq!(stand.get("/documents").await["writes"], 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_lets_the_calls_in_flight_go_on() {
    for outage in ["indexFrozen", "cassandraFrozen"] {
        let stand = usual().await;
        stand.tell(json!({"mode": outage})).await;
        let thaw = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stand.tell(json!({})).await;
        };
        let since = Instant::now();
        let (result, ()) = tokio::join!(stand.outcome(&["a", "b"]), thaw);
        assert_eq!(result["esSyncResponse"], json!({"a": true, "b": true}), "{outage}");
        assert_eq!(since.elapsed().as_secs(), 2, "{outage}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_ids_or_bytes_are_413() {
    let stand = usual().await;
    stand.tell(json!({"maxIds": 2})).await;
    assert_eq!(stand.sync(&["a", "b", "c"]).await.expect("an answer").status(), 413);
    assert_eq!(stand.sync(&["a", "b"]).await.expect("an answer").status(), 200);
    stand.tell(json!({"maxBytes": 100})).await;
    assert_eq!(stand.sync(&["a", "b"]).await.expect("an answer").status(), 413);
}

#[tokio::test(start_paused = true)]
async fn delays_are_per_id_per_missing_id_and_per_call() {
    let stand = usual().await;
    stand.tell(json!({"perId": "1s", "perMissingId": "100ms", "perCall": "2s"})).await;
    let since = Instant::now();
    stand.outcome(&["a", "b", "x"]).await;
    assert_eq!(since.elapsed().as_millis() / 100, 41);
}

#[tokio::test(start_paused = true)]
async fn a_behaviour_that_makes_no_sense_is_refused_by_name() {
    let stand = usual().await;
    stand.tell(json!({"maxIds": 9})).await;
    let refused = [
        (r#"{"mod": "fail"}"#, "mod"),
        (r#"{"mode": "broken"}"#, "mode"),
        (r#"{"mode": "fail"}"#, "needs status"),
        (r#"{"mode": "fail", "status": 418}"#, "418"),
        (r#"{"status": 500}"#, "status goes with"),
        (r#"{"retryAfter": 1}"#, "retryAfter goes with"),
        (r#"{"after": "1s"}"#, "after goes with"),
        (r#"{"mode": "close", "calls": 0}"#, "calls"),
        (r#"{"mode": "indexDown", "calls": 1}"#, "calls goes with"),
        (r#"{"perId": 5}"#, "perId: invalid type: integer `5`, expected a duration with its unit"),
        (r#"{"slowIds": {"a": "soon"}}"#, "slowIds.a: invalid value: string \"soon\""),
        (r#"{"maxIds": -1}"#, "maxIds"),
        (r#"{} {}"#, "trailing"),
        ("", "EOF"),
    ];
    for (body, expected) in refused {
        let answer = stand.ask("PUT", "/behaviour", body).await;
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status(), 400, "{body}");
        assert!(error.contains(expected), "{body}: {error}");
    }
    assert_eq!(stand.get("/behaviour").await, json!({"mode": "normal", "maxIds": 9}));
}

#[tokio::test(start_paused = true)]
async fn a_behaviour_is_shown_as_it_was_told() {
    let stand = usual().await;
    let told = json!({
        "mode": "hang", "after": "1m", "calls": 3, "perId": "5ms", "perMissingId": "0s", "perCall": "1s 500ms",
        "slowIds": {"a": "2s"}, "falseIds": ["b"], "absentIds": ["c"], "poisonIds": ["d"], "maxIds": 7, "maxBytes": 9,
    });
    stand.tell(told.clone()).await;
    assert_eq!(stand.get("/behaviour").await, told);
    assert_eq!(stand.ask("DELETE", "/behaviour", "").await.json(), json!({"mode": "normal"}));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_wants_its_key_and_publishes_its_path() {
    let stand =
        stand(Settings { api_key: Some("secret".to_owned()), max_body: Some(1_000), ..Settings::default() }).await;
    let with = |authorization: &str, path: &str, ids: &[&str]| {
        let request = String::from_utf8(sync_request("user", Some("sync"), ids)).expect("text");
        request
            .replace("/v1/data/sync", path)
            .replace("Host: t\r\n", &format!("Host: t\r\n{authorization}"))
            .into_bytes()
    };
    let long = "x".repeat(1_000);
    let cases = [
        ("", "/v1/data/sync", "a", 401),
        ("Authorization: Basic secret\r\n", "/v1/data/sync", "a", 401),
        ("Authorization: Bearer wrong\r\n", "/v1/data/sync", "a", 401),
        ("Authorization: Bearer secret\r\n", "/v1/data/sync", "a", 200),
        ("Authorization: bearer secret\r\n", "/api/data/v1/index/sync", "a", 200),
        ("Authorization: Bearer secret\r\n", "/v1/data/sync", &long, 413),
    ];
    for (authorization, path, id, status) in cases {
        let answer = stand.send(&with(authorization, path, &[id])).await.expect("an answer");
        assert_eq!(answer.status(), status, "{authorization}{path}: {}", answer.body);
    }
    // What a test looks at needs no key, and a refused call has used up nothing.
    assert_eq!(stand.get("/documents").await["writes"], 2);
    let without_gateway = usual().await;
    let answer = without_gateway.send(&with("", "/api/data/v1/index/sync", &["a"])).await.expect("an answer");
    assert_eq!(answer.status(), 404);
}
