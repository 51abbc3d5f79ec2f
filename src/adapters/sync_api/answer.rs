//! What an answer of the Sync API says: the only place that knows its fields.
//!
//! HTTP 200 with SUCCESS proves nothing: with its Cassandra or its index down the service says just that
//! (`facts/sunbird.md` 2.6). And a body may hold anything, so none of it ever gets into an error.

use std::time::SystemTime;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::failure::Trouble;
use super::retry_after;
use crate::domain::ids::UserId;
use crate::ports::Blame::Call;
use crate::ports::Disposition::Retry;
use crate::ports::{Failure, Synced};

/// A 200 and its body.
#[derive(Debug)]
pub(super) struct Answer {
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    response_code: String,
    result: Map<String, Value>,
}

#[derive(Deserialize)]
struct Refusal {
    params: RefusalParams,
}

#[derive(Deserialize)]
struct RefusalParams {
    err: String,
}

impl Answer {
    /// Reads a response to its end, or as far as `limit`.
    #[expect(clippy::disallowed_methods, reason = "a Retry-After may be a date: the edge where the calendar comes in")]
    pub(super) async fn read(mut response: Response, limit: usize) -> Result<Self, Trouble> {
        let status = response.status();
        let body = read_body(&mut response, limit).await;
        if status == StatusCode::OK {
            return Ok(Self { body: body? });
        }
        // Whatever became of its body, a status has been told.
        let body = body.unwrap_or_default();
        let headers = response.headers();
        Err(Trouble::Status {
            status,
            html: is_html(headers.get(CONTENT_TYPE).map_or(b"", |value| value.as_bytes()), &body),
            code: code_of(&body),
            rest: retry_after::rest(headers.get(RETRY_AFTER), SystemTime::now()),
        })
    }

    /// Verify mode: what is said of each id, in the call's order.
    ///
    /// | the answer says | the id is |
    /// | --- | --- |
    /// | `result.esSyncResponse[id] == true` | indexed |
    /// | `result[id] == false`: the service could not read its row, or it has none | `named_false` |
    /// | neither: the index took nothing | `not_named` |
    pub(super) fn verified(&self, ids: &[UserId]) -> Result<Vec<Result<Synced, Failure>>, Trouble> {
        let result = self.result()?;
        let indexed = match result.get("esSyncResponse") {
            Some(Value::Object(indexed)) => indexed,
            Some(_) => return Err(Trouble::Unreadable),
            None => return Err(Trouble::NotVerified),
        };
        Ok(ids
            .iter()
            .map(|id| {
                let said = |map: &Map<String, Value>| map.get(id.as_str()).and_then(Value::as_bool);
                match (said(indexed), said(&result)) {
                    (Some(true), _) => Ok(Synced::Indexed),
                    (Some(false), _) | (None, Some(false)) => Err(Failure::new(Retry(Call), "named_false")),
                    (None, Some(true) | None) => Err(Failure::new(Retry(Call), "not_named")),
                }
            })
            .collect())
    }

    /// Fire mode: the service has taken the call, and that is all it will ever say.
    pub(super) fn accepted(&self, ids: &[UserId]) -> Result<Vec<Result<Synced, Failure>>, Trouble> {
        self.result()?;
        Ok(ids.iter().map(|_| Ok(Synced::Unverified)).collect())
    }

    fn result(&self) -> Result<Map<String, Value>, Trouble> {
        // The parser's error is dropped: it quotes what it stumbles over.
        let envelope: Envelope = serde_json::from_slice(&self.body).map_err(|_| Trouble::Unreadable)?;
        if envelope.response_code == "OK" { Ok(envelope.result) } else { Err(Trouble::NotOk) }
    }
}

async fn read_body(response: &mut Response, limit: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(Trouble::Unreadable);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_html(content_type: &[u8], body: &[u8]) -> bool {
    content_type.to_ascii_lowercase().starts_with(b"text/html") || body.trim_ascii_start().starts_with(b"<")
}

/// `UOS_0072`, `UOS_ESSYNC0072`: the middle differs from version to version (`facts/sunbird.md` 2.4).
fn code_of(body: &[u8]) -> Option<u16> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let err = refusal.params.err;
    let digits = err.get(err.len().checked_sub(4)?..)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_their_last_four_digits() {
        let body = |err: &str| format!(r#"{{"params":{{"err":{err}}}}}"#);
        for (err, code) in [
            (r#""UOS_0072""#, Some(72)),
            (r#""UOS_ESSYNC0072""#, Some(72)),
            (r#""0003""#, Some(3)),
            (r#""UOS_ESSYNCnull""#, None),
            (r#""072""#, None),
            (r#""UOS_+072""#, None),
            (r#""\u00e4\u00e4\u00e4""#, None),
            ("null", None),
        ] {
            assert_eq!(code_of(body(err).as_bytes()), code, "{err}");
        }
        assert_eq!(code_of(b"<html>0072"), None);
        assert_eq!(code_of(b""), None);
    }

    #[test]
    fn pages_for_people_are_recognised() {
        assert!(is_html(b"text/html; charset=utf-8", b""));
        assert!(is_html(b"Text/HTML", b"{}"));
        assert!(is_html(b"application/json", b"\n <!DOCTYPE html>"));
        assert!(!is_html(b"application/json", b"{}"));
        assert!(!is_html(b"", b""));
    }
}
