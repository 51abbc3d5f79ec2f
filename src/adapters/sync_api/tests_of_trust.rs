//! Whom the adapter believes, where it sends things, and what it never says.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use super::stub::{Reply, Stub, respond, respond_with};
use super::tests::{ID, settings, sync_against, sync_with, users, whole};
use super::*;
use crate::adapters::tls::testing;
use crate::ports::Blame::Server;
use crate::ports::Disposition::{Hold, Retry};
use crate::ports::Failure;

/// Everything a log could print of it.
fn everything(failure: &Failure) -> String {
    let mut text = format!("{failure} {failure:?}");
    let mut next = failure.source();
    while let Some(error) = next {
        write!(text, " {error} {error:?}").unwrap();
        next = error.source();
    }
    text
}

fn refused(settings: &SyncSettings) -> String {
    format!("{:#}", SyncApi::new(settings).err().expect("the settings should be refused"))
}

#[tokio::test]
async fn a_server_is_believed_by_the_ca_file_alone() {
    let indexed = format!(r#"{{"responseCode":"OK","result":{{"esSyncResponse":{{"{ID}":true}}}}}}"#);
    let port = testing::serve(respond(200, &indexed));
    let ca = testing::pem_file(testing::CA);
    let other = testing::pem_file(testing::OTHER_CA);
    let over_tls = |host: &str, ca_file: Option<PathBuf>| SyncSettings {
        ca_file,
        ..settings(&format!("https://{host}:{port}/v1/data/sync"))
    };
    let believed = sync_with(&over_tls("localhost", Some(ca.path().into()))).await;
    assert_eq!(believed.unwrap().len(), 1);
    // Another authority; a name that the certificate does not have; the system's roots.
    for (host, ca_file) in [("localhost", Some(other.path())), ("127.0.0.1", Some(ca.path())), ("localhost", None)] {
        let result = sync_with(&over_tls(host, ca_file.map(Into::into))).await;
        assert_eq!(whole(result), (Hold, "certificate".into()), "{host} {ca_file:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start(Reply::Echo).await;
    for status in [301, 302, 303, 307, 308] {
        let reply = respond_with(status, &format!("location: {}", elsewhere.url), "");
        assert_eq!(whole(sync_against(Reply::Bytes(reply)).await), (Hold, format!("http_{status}")));
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn nothing_is_sent_twice() {
    let stub = Stub::start(Reply::Reset(vec![])).await;
    assert_eq!(whole(sync_with(&settings(&stub.url)).await).0, Retry(Server));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn no_answer_key_or_address_gets_into_an_error() {
    let secret = "zq-secret";
    let page = format!("<html>{secret}</html>");
    let json =
        format!(r#"{{"params":{{"err":"{secret}0072","errmsg":"{secret}"}},"responseCode":"{secret}","result":{{}}}}"#);
    let mut replies = vec![Reply::Reset(secret.into()), Reply::Reset(format!("HTTP/1.1 200 {secret}\r\n").into())];
    for body in [&page, &json, &format!(r#"{{"responseCode":{secret}"#)] {
        replies.extend(
            [200, 302, 400, 401, 404, 413, 429, 500, 502, 599].map(|status| Reply::Bytes(respond(status, body))),
        );
    }
    for reply in replies {
        let stub = Stub::start(reply).await;
        let mut with_key = settings(&format!("{}?q={secret}", stub.url));
        with_key.api_key = secret.into();
        let failure =
            SyncApi::new(&with_key).unwrap().sync(&ObjectType::user(), &users([ID]), secret).await.unwrap_err();
        assert!(!everything(&failure).contains(secret), "{failure:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_key() {
    for (endpoint, problem) in [
        ("", "sync.endpoint is empty"),
        ("userorg-service:9000/v1/data/sync", "sync.endpoint must begin with"),
        ("/v1/data/sync", "sync.endpoint is not a URL"),
        ("ftp://host/", "sync.endpoint must begin with"),
        ("http://", "sync.endpoint is not a URL"),
        ("http://me@host/", "sync.endpoint must not hold credentials"),
        ("https://me:zq-secret@host/", "sync.endpoint must not hold credentials"),
    ] {
        let message = refused(&settings(endpoint));
        assert!(message.contains(problem) && !message.contains("zq-secret"), "{message}");
    }
    let key = refused(&SyncSettings { api_key: "zq-secret\n".into(), ..settings("http://host/") });
    assert!(key.contains("sync.api_key") && !key.contains("zq-secret"), "{key}");
    let ca = refused(&SyncSettings { ca_file: Some("/no/such.pem".into()), ..settings("https://host/") });
    assert!(ca.contains("sync.ca_file") && ca.contains("/no/such.pem"), "{ca}");
}
