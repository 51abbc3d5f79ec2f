//! The adapter against a server that says exactly what a test wants: each recording of the real service, each failure.

use std::time::Instant;

use super::stub::{PATIENCE, Recording, Reply, Stub, recordings, respond, respond_with};
use super::*;
use crate::adapters::tls::testing;
use crate::ports::Blame::{Call, Server, Throttle};
use crate::ports::Disposition::{Hold, Retry};
use crate::ports::{Disposition, Failure};

pub(super) const ID: &str = "00000000-0000-4000-8000-000000000001";

pub(super) fn settings(endpoint: &str) -> SyncSettings {
    SyncSettings {
        endpoint: endpoint.to_owned(),
        api_key: "".into(),
        api_key_file: None,
        mode: SyncMode::Verify,
        block_size: 100,
        concurrency: 4,
        max_calls: None,
        linger: Duration::ZERO,
        timeout: PATIENCE,
        settle_delay: Duration::ZERO,
        ambiguity: Duration::ZERO,
        ca_file: None,
    }
}

pub(super) fn users<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<UserId> {
    ids.into_iter().map(|id| UserId::parse(id).unwrap()).collect()
}

pub(super) async fn sync_with(settings: &SyncSettings) -> CallResult<Synced> {
    SyncApi::new(settings).unwrap().sync(&ObjectType::user(), &users([ID]), "r-1").await
}

pub(super) async fn sync_against(reply: Reply) -> CallResult<Synced> {
    sync_with(&settings(&Stub::start(reply).await.url)).await
}

pub(super) fn whole(result: CallResult<Synced>) -> (Disposition, String) {
    let failure = result.expect_err("the whole call should fail");
    (failure.disposition, failure.to_string())
}

/// How many ids got which answer, or what became of the whole call.
fn summary(result: &CallResult<Synced>) -> String {
    let name = |failure: &Failure| format!("{:?} {failure}", failure.disposition);
    let items = match result {
        Ok(items) => items.iter().map(|item| item.as_ref().map_or_else(name, |synced| format!("{synced:?}"))),
        Err(failure) => return name(failure),
    };
    let mut counts = std::collections::BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_insert(0) += 1);
    counts.iter().map(|(item, count)| format!("{count} {item}")).collect::<Vec<_>>().join(", ")
}

/// What each recording means in verify mode; those that are not listed: every id indexed.
fn meaning(number: u32, ids: usize) -> String {
    match number {
        2 | 56 | 61 => "1 Retry(Call) named_false".into(),
        3 => "3 Indexed, 1 Retry(Call) named_false".into(),
        4 | 5 | 9 => "Hold not_verified".into(),
        6 | 7 | 15 | 16 | 17 | 25 | 29 => "Hold http_400".into(),
        8 | 19 | 20 | 22 | 26 | 52 => "Retry(Call) http_500".into(),
        11 => "200 Retry(Call) named_false".into(),
        12 => "100 Indexed, 100 Retry(Call) named_false".into(),
        13 | 14 => "Reject invalid_object_type".into(),
        // Its id was the empty string, which no user has.
        21 => "1 Retry(Call) not_named".into(),
        30..=32 => "Hold http_404".into(),
        38 => "1000 Retry(Call) named_false".into(),
        50 => "1 Retry(Call) not_named".into(),
        55 => "2 Retry(Call) not_named".into(),
        60 => "2 Retry(Call) named_false".into(),
        62 | 64 => "1 Indexed, 1 Retry(Call) named_false".into(),
        63 => "1 Retry(Call) named_false, 1 Retry(Call) not_named".into(),
        65 => "200 Indexed, 200 Retry(Call) named_false".into(),
        _ => format!("{ids} Indexed"),
    }
}

/// The recording's own ids and type, or one user where its request was broken.
fn asked(recording: &Recording) -> (ObjectType, Vec<UserId>) {
    let request = &recording.request.json()["request"];
    let ids: Vec<_> = request["objectIds"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).collect();
    let ids = ids.into_iter().filter_map(|id| UserId::parse(id).ok()).collect::<Vec<_>>();
    let object_type = request["objectType"].as_str().map_or_else(ObjectType::user, ObjectType::new);
    (object_type, if ids.is_empty() { users([ID]) } else { ids })
}

#[tokio::test]
async fn every_recording_means_what_the_facts_say() {
    let recordings = recordings();
    assert_eq!(recordings.len(), 53);
    for recording in recordings {
        let number = recording.name.split('-').nth(1).unwrap().parse().unwrap();
        let (object_type, ids) = asked(&recording);
        let stub = Stub::start(Reply::Bytes(recording.response.clone())).await;
        let api = SyncApi::new(&settings(&stub.url)).unwrap();
        let result = api.sync(&object_type, &ids, "r-1").await;
        assert_eq!(summary(&result), meaning(number, ids.len()), "{}", recording.name);
    }
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_ids() {
    let recording = recordings().into_iter().find(|recording| recording.name == "sync-03-mixed").unwrap();
    let (object_type, ids) = asked(&recording);
    let stub = Stub::start(Reply::Bytes(recording.response)).await;
    let api = SyncApi::new(&settings(&stub.url)).unwrap();
    let indexed: Vec<_> = api.sync(&object_type, &ids, "r-1").await.unwrap().iter().map(Result::is_ok).collect();
    assert_eq!(indexed, [true, false, true, true]);
}

#[tokio::test]
async fn what_is_sent_is_what_the_real_service_was_sent() {
    let recording = recordings().into_iter().find(|recording| recording.name == "sync-03-mixed").unwrap();
    let (object_type, ids) = asked(&recording);
    let stub = Stub::start(Reply::Echo).await;
    let api = SyncApi::new(&settings(&stub.url)).unwrap();
    api.sync(&object_type, &ids, "5f0e").await.unwrap();
    let [request] = &stub.requests()[..] else { panic!("one request") };
    assert_eq!(request.body, recording.request.body);
    assert_eq!(request.head.lines().next(), recording.request.head.lines().next());
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-request-id"), Some("5f0e"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn a_key_is_sent_as_a_bearer_token_and_a_strange_request_id_is_left_out() {
    let stub = Stub::start(Reply::Echo).await;
    let with_key = SyncSettings { api_key: "k.e-y".into(), ..settings(&stub.url) };
    SyncApi::new(&with_key).unwrap().sync(&ObjectType::user(), &users([ID]), "a\nb").await.unwrap();
    assert_eq!(stub.requests()[0].header("authorization"), Some("Bearer k.e-y"));
    assert_eq!(stub.requests()[0].header("x-request-id"), None);
}

#[tokio::test]
async fn fire_mode_asks_for_no_answer_and_claims_none() {
    let stub =
        Stub::start(Reply::Bytes(respond(200, r#"{"responseCode":"OK","result":{"response":"SUCCESS"}}"#))).await;
    let fire = SyncSettings { mode: SyncMode::Fire, ..settings(&stub.url) };
    let result = SyncApi::new(&fire).unwrap().sync(&ObjectType::user(), &users([ID, "b"]), "r").await;
    assert_eq!(summary(&result), "2 Unverified");
    let asynchronous = recordings().into_iter().find(|recording| recording.name == "sync-09-no-operationType").unwrap();
    let request = stub.requests()[0].json();
    assert_eq!(request["request"].get("operationType"), asynchronous.request.json()["request"].get("operationType"));
    assert_eq!(request["request"]["objectIds"], serde_json::json!([ID, "b"]));
}

#[tokio::test]
async fn ids_are_any_text() {
    let odd = users(["o'brien", "100%", "a:b:c", "\"quoted\"", "ümläut-漢字", "back\\slash", "response"]);
    let stub = Stub::start(Reply::Echo).await;
    let result = SyncApi::new(&settings(&stub.url)).unwrap().sync(&ObjectType::user(), &odd, "r").await;
    assert_eq!(summary(&result), "7 Indexed");
}

#[tokio::test]
async fn only_true_beside_the_id_is_success() {
    for (result, expected) in [
        (r#"{"esSyncResponse":{"a":true}}"#, "1 Indexed"),
        (r#"{"esSyncResponse":{"a":false}}"#, "1 Retry(Call) named_false"),
        (r#"{"esSyncResponse":{},"a":true}"#, "1 Retry(Call) not_named"),
        (r#"{"esSyncResponse":{"a":"true"}}"#, "1 Retry(Call) not_named"),
        (r#"{"esSyncResponse":{"A":true}}"#, "1 Retry(Call) not_named"),
        (r#"{"esSyncResponse":null}"#, "Retry(Server) unreadable_body"),
        (r#"{"response":"SUCCESS"}"#, "Hold not_verified"),
    ] {
        let body = format!(r#"{{"responseCode":"OK","result":{result}}}"#);
        let stub = Stub::start(Reply::Bytes(respond(200, &body))).await;
        let api = SyncApi::new(&settings(&stub.url)).unwrap();
        assert_eq!(summary(&api.sync(&ObjectType::user(), &users(["a"]), "r").await), expected, "{result}");
    }
}

#[tokio::test]
async fn a_200_that_is_not_the_service_is_an_outage() {
    let html = respond_with(200, "content-type: text/html", "<html>maintenance</html>");
    let other = respond(200, r#"{"message":"hello"}"#);
    let cut = respond(200, r#"{"responseCode":"OK","result":{"esSync"#);
    for reply in [html, other, cut, respond(200, "")].map(Reply::Bytes).into_iter().chain([Reply::Endless]) {
        assert_eq!(whole(sync_against(reply).await), (Retry(Server), "unreadable_body".into()));
    }
    let failed = respond(200, r#"{"responseCode":"SERVER_ERROR","result":{}}"#);
    assert_eq!(whole(sync_against(Reply::Bytes(failed)).await), (Hold, "response_code".into()));
}

#[tokio::test]
async fn the_service_s_json_counts_whatever_its_content_type() {
    let body = format!(r#"{{"responseCode":"OK","result":{{"esSyncResponse":{{"{ID}":true}}}}}}"#);
    let result = sync_against(Reply::Bytes(respond_with(200, "content-type: text/plain", &body))).await;
    assert_eq!(summary(&result), "1 Indexed");
}

#[tokio::test]
async fn a_gateway_may_ask_for_rest() {
    for (headers, seconds) in [("retry-after: 7", 7), ("x: y", 1), ("retry-after: Thu, 01 Jan 2970 00:00:00 GMT", 3600)]
    {
        let reply = Reply::Bytes(respond_with(429, headers, r#"{"message":"API rate limit exceeded"}"#));
        let expected = Retry(Throttle(Duration::from_secs(seconds)));
        assert_eq!(whole(sync_against(reply).await), (expected, "http_429".into()));
    }
}

#[tokio::test]
async fn silence_is_a_timeout_of_the_call() {
    for sent in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"resp"] {
        let stub = Stub::start(Reply::Stall(sent.into())).await;
        let impatient = SyncSettings { timeout: Duration::from_millis(200), ..settings(&stub.url) };
        let begun = Instant::now();
        assert_eq!(whole(sync_with(&impatient).await), (Retry(Call), "timeout".into()), "{sent:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_status_counts_although_its_body_never_comes() {
    let stub = Stub::start(Reply::Stall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 9\r\n\r\n".into())).await;
    let impatient = SyncSettings { timeout: Duration::from_millis(200), ..settings(&stub.url) };
    assert_eq!(whole(sync_with(&impatient).await), (Retry(Server), "http_502".into()));
}

#[tokio::test]
async fn a_lost_connection_is_an_outage() {
    for sent in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"resp"] {
        let result = sync_against(Reply::Reset(sent.into())).await;
        assert!(result.as_ref().is_err_and(|failure| failure.may_have_acted), "{sent:?}");
        assert_eq!(whole(result), (Retry(Server), "connection".into()), "{sent:?}");
    }
    let cut = Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"resp".into());
    assert_eq!(whole(sync_against(cut).await), (Retry(Server), "connection".into()));
}

#[tokio::test]
async fn a_host_that_is_not_there_is_an_outage() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in
        [format!("http://{free}/"), "http://no-such-host.invalid/".into(), "https://no-such-host.invalid/".into()]
    {
        let ca = testing::pem_file(testing::CA);
        // A resolver may take longer than this to say no: that is an outage too.
        let timeout = Duration::from_secs(1);
        let settings = SyncSettings { timeout, ca_file: Some(ca.path().into()), ..settings(&endpoint) };
        let result = sync_with(&settings).await;
        assert!(result.as_ref().is_err_and(|failure| !failure.may_have_acted), "{endpoint}");
        assert_eq!(whole(result), (Retry(Server), "connection".into()), "{endpoint}");
    }
    // Not TLS at all.
    let plain = Stub::start(Reply::Bytes(respond(200, "{}"))).await.url.replace("http://", "https://");
    let ca = testing::pem_file(testing::CA);
    let settings = SyncSettings { ca_file: Some(ca.path().into()), ..settings(&plain) };
    assert_eq!(whole(sync_with(&settings).await), (Retry(Server), "connection".into()));
}
