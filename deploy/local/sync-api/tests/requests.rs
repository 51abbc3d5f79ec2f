//! Requests at the edges, beyond those that were recorded.

mod support;

use serde_json::json;
use support::{Answer, Stand, usual};

const GOOD: &str = r#"{"request":{"objectType":"user","operationType":"sync","objectIds":["a"]}}"#;

async fn post(stand: &Stand, headers: &str, body: &str) -> Answer {
    let head = format!("POST /v1/data/sync HTTP/1.1\r\nHost: t\r\n{headers}Content-Length: {}", body.len());
    stand.send(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("an answer")
}

#[tokio::test(start_paused = true)]
async fn the_message_id_is_the_request_id_else_the_msgid_else_made_up() {
    let stand = usual().await;
    let json = "Content-Type: application/json\r\n";
    let cases = [
        ("X-Request-ID: q-1\r\nX-msgid: m-1\r\n", Some("q-1")),
        ("X-msgid: m-1\r\n", Some("m-1")),
        ("X-Request-ID: a\"b\r\n", Some("a\"b")),
        ("", None),
    ];
    for (headers, expected) in cases {
        let params = post(&stand, &format!("{json}{headers}"), GOOD).await.json()["params"].clone();
        assert_eq!(params["resmsgid"], params["msgid"]);
        let id = params["msgid"].as_str().expect("there is always one");
        match expected {
            Some(expected) => assert_eq!(id, expected),
            None => assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_for_json() {
    let stand = usual().await;
    for (content_type, status) in [
        ("application/json", 200),
        ("Application/JSON;charset=utf-8", 200),
        ("text/json", 200),
        ("application/jsonp", 400),
        ("application/x-www-form-urlencoded", 400),
    ] {
        let answer = post(&stand, &format!("Content-Type: {content_type}\r\n"), GOOD).await;
        assert_eq!(answer.status(), status, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_json_is_a_page_that_says_where() {
    let stand = usual().await;
    let json = "Content-Type: application/json\r\n";
    for (body, place) in [("{\"a\":\n\n 1,", "line: 3, column: 4]"), ("{\"a\":\n x}", "line: 2, column: 2]")] {
        let answer = post(&stand, json, body).await;
        assert_eq!((answer.status(), answer.header("Content-Type")), (400, Some("text/html; charset=utf-8")));
        assert!(answer.body.contains(place), "{body}: {}", answer.body);
    }
    // Jackson does not look at what follows the first value.
    assert_eq!(post(&stand, json, &format!("{GOOD}}}")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_page_shows_the_request_line_without_letting_it_be_html() {
    let stand = usual().await;
    let answer = stand.ask("POST", "/v1/data/{detail}/'x'?q=1&r=2", "{}").await;
    assert_eq!(answer.status(), 404);
    let line = "For request 'POST /v1/data/{detail}/&#x27;x&#x27;?q=1&amp;r=2'";
    assert!(answer.body.contains(line), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn fields_of_wrong_types_fail_where_the_service_casts_them() {
    let stand = usual().await;
    let cases = [
        (json!({"request": {"objectType": 1}}), 500, "UOS_0069"),
        (json!({"request": {"objectType": null}}), 400, "UOS_0003"),
        (json!({"request": "user"}), 400, "UOS_0028"),
        (json!({"request": {"objectType": "user", "operationType": "sync", "objectIds": {}}}), 500, "UOS_ESSYNCnull"),
    ];
    for (body, status, error) in cases {
        let answer = stand.ask("POST", "/v1/data/sync", &body.to_string()).await;
        assert_eq!((answer.status(), answer.json()["params"]["err"].as_str()), (status, Some(error)), "{body}");
    }
    // Without a mode of sync nobody waits for the cast.
    let fired = json!({"request": {"objectType": "user", "objectIds": "a"}});
    let answer = stand.ask("POST", "/v1/data/sync", &fired.to_string()).await;
    assert_eq!(answer.result(), json!({"response": "SUCCESS"}));
}
