//! What `redrive` writes: a failed event as a request again, and the decision that closes its failed record.

use serde::Serialize;

use super::again::{Again, Whom};
use super::{JOB_NAME, Named, USERS_PER_REQUEST, json, range_name};
use crate::domain::event::{Event, Subjects};
use crate::domain::failed::Decision;
use crate::domain::record::{OutputRecord, OutputTopic};

/// The event itself: with its own ids, so that whoever follows the first request sees what becomes of this one.
#[derive(Serialize)]
struct Request<'a> {
    actor: Named<'a>,
    #[serde(flatten)]
    event: Again<'a>,
}

/// The event once more, counted, for the request topic; more than one record only where it names more than a page of
/// users. `by`: who redrives.
pub fn request_records(event: &Event, by: &str) -> Vec<OutputRecord> {
    let request = |key: String, whom: Whom| {
        let redriven = event.origin.redriven.saturating_add(1);
        let actor = Named { id: JOB_NAME, kind: "System" };
        let payload = json(&Request { actor, event: Again::of(event, whom, redriven) });
        let headers = vec![("redriven", redriven.to_string()), ("redriven_by", by.to_owned())];
        OutputRecord { topic: OutputTopic::Request, key: Some(key.into_bytes()), payload, headers }
    };
    match &event.subjects {
        Subjects::Users(users) => {
            users.chunks(USERS_PER_REQUEST).map(|users| request(users[0].to_string(), Whom::Users(users))).collect()
        }
        Subjects::Range(range) => vec![request(range_name(*range), Whom::Range(*range))],
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
