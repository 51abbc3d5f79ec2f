//! Answers as Sunbird's user service writes them: headers, key order and texts are those of the recordings.

use std::time::SystemTime;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use crate::block::BlockResult;
use crate::hash_order::in_hash_order;

pub(crate) type Answer = Response<Full<Bytes>>;

/// A refusal before any work: code and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientError(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const OBJECT_TYPE_MISSING: ClientError = ClientError("UOS_0003", "Data type of {0} should be {1}.");
pub(crate) const OBJECT_TYPE_UNKNOWN: ClientError = ClientError("UOS_0072", "Invalid Object Type.");
pub(crate) const BODY_INVALID: ClientError = ClientError("UOS_0028", "Requested data for this operation is not valid.");
pub(crate) const NOT_JSON: ClientError =
    ClientError("UOS_0061", "Mandatory header parameter Content-Type with value application/json is missing.");

/// What the service shows as `resmsgid` and `msgid`: the caller's `X-Request-ID`, else its `X-msgid`, else a new one.
pub(crate) fn message_id<B>(request: &Request<B>) -> String {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let given = header("x-request-id").or_else(|| header("x-msgid"));
    given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// The answer to a block that was worked through in sync mode.
pub(crate) fn block_done(message_id: &str, done: &BlockResult) -> Answer {
    if done.has_null_id {
        // The null becomes a key of the result, which the service cannot serialise (recording 20).
        return unserialisable();
    }
    let Some(indexed) = &done.indexed else { return accepted(message_id) };
    success(message_id, &result_json(&done.failed, indexed))
}

/// The answer in fire mode, and to an empty list: nothing but SUCCESS.
pub(crate) fn accepted(message_id: &str) -> Answer {
    success(message_id, r#"{"response":"SUCCESS"}"#)
}

fn success(message_id: &str, result: &str) -> Answer {
    let outcome = Outcome { error: None, status: "SUCCESS", message: None, code: "OK" };
    json_answer(StatusCode::OK, Some(result.len()), envelope(Some(message_id), &outcome, result))
}

pub(crate) fn client_error(message_id: &str, ClientError(code, message): ClientError) -> Answer {
    let outcome = Outcome::failed(code, Some(message), "CLIENT_ERROR");
    json_answer(StatusCode::BAD_REQUEST, None, envelope(Some(message_id), &outcome, "{}"))
}

/// The actor failed or did not answer within the limit (recordings 08, 19, 22, 52).
pub(crate) fn actor_failed(message_id: &str) -> Answer {
    let outcome = Outcome::failed("UOS_ESSYNCnull", None, "SERVER_ERROR");
    json_answer(StatusCode::INTERNAL_SERVER_ERROR, None, envelope(Some(message_id), &outcome, "{}"))
}

/// The controller itself failed: Play's error handler answers, without message id and without the filters' headers.
pub(crate) fn unserialisable() -> Answer {
    let outcome = Outcome::failed("UOS_0069", Some("server error"), "serverError");
    let response = Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR);
    finish(response, "application/json", envelope(None, &outcome, "{}"))
}

/// An HTML page by Play, with its filters' headers.
pub(crate) fn html(status: StatusCode, body: String) -> Answer {
    finish(filters(status, None, false), "text/html; charset=utf-8", body)
}

fn json_answer(status: StatusCode, result_length: Option<usize>, body: String) -> Answer {
    finish(filters(status, result_length, true), "application/json", body)
}

/// The headers of the service's filters, in its order.
fn filters(status: StatusCode, result_length: Option<usize>, by_controller: bool) -> hyper::http::response::Builder {
    let mut response = Response::builder()
        .status(status)
        .header("referrer-policy", "origin-when-cross-origin, strict-origin-when-cross-origin")
        .header("x-frame-options", "DENY")
        .header("x-xss-protection", "1; mode=block");
    if let Some(length) = result_length {
        response = response.header("x-response-length", length);
    }
    response = response.header("x-content-type-options", "nosniff");
    if by_controller {
        response = response.header("access-control-allow-origin", "*");
    }
    response.header("x-permitted-cross-domain-policies", "master-only")
}

/// Ends every answer: length, type, body.
pub(crate) fn finish(builder: hyper::http::response::Builder, content_type: &str, body: String) -> Answer {
    builder
        .header("content-length", body.len())
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(body)))
        .expect("names and values are constants, numbers, or were valid header values before")
}

/// What an envelope says of how it went.
struct Outcome {
    error: Option<&'static str>,
    status: &'static str,
    message: Option<&'static str>,
    code: &'static str,
}

impl Outcome {
    fn failed(error: &'static str, message: Option<&'static str>, code: &'static str) -> Self {
        Self { error: Some(error), status: "FAILED", message, code }
    }
}

fn envelope(message_id: Option<&str>, outcome: &Outcome, result: &str) -> String {
    let (id, error, message) = (json!(message_id), json!(outcome.error), json!(outcome.message));
    let Outcome { status, code, .. } = outcome;
    let now = timestamp(SystemTime::now());
    format!(
        r#"{{"id":"api.data.sync","ver":"v1","ts":"{now}","params":{{"resmsgid":{id},"msgid":{id},"err":{error},"status":"{status}","errmsg":{message}}},"responseCode":"{code}","result":{result}}}"#
    )
}

/// `2026-11-22 01:32:12:933+0000`.
fn timestamp(now: SystemTime) -> String {
    let rfc3339 = humantime::format_rfc3339_millis(now).to_string();
    rfc3339.replace('T', " ").replace('.', ":").replace('Z', "+0000")
}

/// Failed ids stand beside `response`, the others inside `esSyncResponse`; both are hash maps in the service.
fn result_json(failed: &[String], indexed: &[String]) -> String {
    let indexed = in_hash_order(indexed.iter().map(String::as_str));
    let indexed: Vec<String> = indexed.into_iter().map(|id| format!("{}:true", json!(id))).collect();
    let top = failed.iter().map(String::as_str).chain(["esSyncResponse", "response"]);
    let entries: Vec<String> = in_hash_order(top)
        .into_iter()
        .map(|key| match key {
            "response" => r#""response":"SUCCESS""#.to_owned(),
            "esSyncResponse" => format!(r#""esSyncResponse":{{{}}}"#, indexed.join(",")),
            id => format!("{}:false", json!(id)),
        })
        .collect();
    format!("{{{}}}", entries.join(","))
}
