//! What `redrive` writes: a failed event as a request again, and the decision that closes its failed record.

use serde::Serialize;

use super::{JOB_NAME, Named, is_never, json, range_name};
use crate::domain::event::{Event, Subjects, TokenRange};
use crate::domain::failed::Decision;
use crate::domain::ids::UserId;
use crate::domain::record::{OutputRecord, OutputTopic};

/// Users of one request: a page.
const USERS_PER_REQUEST: usize = 250;

/// The event itself: with its own ids, so that whoever follows the first request sees what becomes of this one.
#[derive(Serialize)]
struct Request<'a> {
    eid: &'static str,
    ets: Option<i64>,
    mid: Option<&'a str>,
    actor: Named<'a>,
    context: Context<'a>,
    edata: Edata<'a>,
}

#[derive(Serialize)]
struct Context<'a> {
    cdata: Vec<Named<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edata<'a> {
    action: &'static str,
    object_type: &'a str,
    organisation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ids: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_range: Option<Range>,
    #[serde(skip_serializing_if = "is_never")]
    redriven: u32,
}

/// Tokens as text: JavaScript cannot hold them in numbers.
#[derive(Serialize)]
struct Range {
    start: String,
    end: String,
}

/// The event once more, counted, for the request topic; more than one record only where it names more than a page of
/// users. `by`: who redrives.
pub fn request_records(event: &Event, by: &str) -> Vec<OutputRecord> {
    let request = |key: String, user_ids: Option<&[&str]>, token_range: Option<Range>| {
        let redriven = event.origin.redriven.saturating_add(1);
        let payload = json(&Request {
            eid: "BE_JOB_REQUEST",
            ets: event.origin.ets,
            mid: event.origin.mid.as_deref(),
            actor: Named { id: JOB_NAME, kind: "System" },
            context: Context { cdata: event.origin.cdata.iter().map(|(kind, id)| Named { kind, id }).collect() },
            edata: Edata {
                action: event.action.name(),
                object_type: event.object_type.as_str(),
                organisation_id: event.origin.organisation_id.as_deref(),
                user_ids,
                token_range,
                redriven,
            },
        });
        let headers = vec![("redriven", redriven.to_string()), ("redriven_by", by.to_owned())];
        OutputRecord { topic: OutputTopic::Request, key: Some(key.into_bytes()), payload, headers }
    };
    match &event.subjects {
        Subjects::Users(users) => users
            .chunks(USERS_PER_REQUEST)
            .map(|users| {
                let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
                request(ids[0].to_owned(), Some(&ids), None)
            })
            .collect(),
        Subjects::Range(range) => {
            let TokenRange { start, end } = range;
            let told = Range { start: start.to_string(), end: end.to_string() };
            vec![request(range_name(*range), None, Some(told))]
        }
    }
}

/// Who decided what about a failed record, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    pub decision: Decision,
    /// The offset of the failed record; the decision goes into the same partition.
    pub of: i64,
    pub by: &'a str,
    pub why: Option<&'a str>,
    /// Milliseconds since 1970.
    pub now: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Closed<'a> {
    decision: &'static str,
    of: i64,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    ets: i64,
    job_name: &'static str,
}

/// By the key of what it is about.
pub fn decision_record(decided: &Decided, key: Option<&[u8]>) -> OutputRecord {
    let Decided { decision, of, by, why, now } = *decided;
    let closed = Closed { decision: decision.name(), of, by, why, ets: now, job_name: JOB_NAME };
    let headers = vec![("decision", decision.name().to_owned()), ("of_offset", of.to_string())];
    OutputRecord { topic: OutputTopic::Failed, key: key.map(Vec::from), payload: json(&closed), headers }
}
