//! Statuses that are about more than one user: of a token range, and of a submission.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Envelope, Named, Source, Writer, range_name, status_id};
use crate::domain::event::{Action, Event, TokenRange};
use crate::domain::ids::ObjectType;
use crate::domain::outcome::{Ending, Status};
use crate::domain::record::{OutputRecord, OutputTopic};

/// What became of a token range.
#[derive(Clone, Debug)]
pub struct RangeTold {
    pub range: TokenRange,
    /// How many users it held; None when they were not read to the end.
    pub rows: Option<u64>,
    /// How many of them ended how.
    pub counts: Vec<(Status, u64)>,
    /// Only where the range ended as a whole, before its users did.
    pub ending: Option<Ending>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RangeEdata<'a> {
    action: &'static str,
    r#final: bool,
    status: Option<&'static str>,
    reason: Option<&'static str>,
    rows: Option<u64>,
    counts: BTreeMap<&'static str, u64>,
    dry_run: bool,
    request_id: Option<&'a str>,
    replay_id: Option<&'a str>,
}

/// The summary of a token range, on the status topic, by range. Every status is counted, from zero.
pub fn range_record(writer: &Writer, source: &Source, event: &Event, told: &RangeTold) -> OutputRecord {
    let name = range_name(told.range);
    let mut counts: BTreeMap<_, _> = Status::ALL.map(|status| (status.name(), 0)).into();
    for (status, count) in &told.counts {
        *counts.entry(status.name()).or_default() += count;
    }
    let edata = RangeEdata {
        action: event.action.name(),
        r#final: true,
        status: told.ending.map(|ending| ending.status.name()),
        reason: told.ending.map(|ending| ending.reason.name()),
        rows: told.rows,
        counts,
        dry_run: writer.dry_run,
        request_id: event.origin.request_id.as_deref(),
        replay_id: writer.replay_id,
    };
    let object = Named { id: &name, kind: "TokenRange" };
    let summary = Envelope::new(writer, status_id(writer, source, &name), object, edata).about(event, None);
    summary.into_record(OutputTopic::Status, &name)
}

/// What one `submit` has sent.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    pub request_id: &'a str,
    pub action: Action,
    pub object_type: &'a ObjectType,
    pub events: u64,
    pub size: Size,
}

/// How much was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    Users(u64),
    /// So many when the token ranges were cut; how many they hold when they are worked is told by their summaries.
    Rows(u64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubmissionEdata<'a> {
    action: &'static str,
    object_type: &'a str,
    request_id: &'a str,
    events: u64,
    users: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

/// The submission itself, on the status topic, by request: `watch` learns from it how much there is to wait for.
pub fn submission_record(writer: &Writer, submission: &Submission) -> OutputRecord {
    let Submission { request_id, action, object_type, events, size } = *submission;
    let (users, rows) = match size {
        Size::Users(users) => (Some(users), None),
        Size::Rows(rows) => (None, Some(rows)),
    };
    let object_type = object_type.as_str();
    let edata = SubmissionEdata { action: action.name(), object_type, request_id, events, users, rows };
    let object = Named { id: request_id, kind: "Submission" };
    let mut record = Envelope::new(writer, format!("submission-{request_id}"), object, edata);
    record.context.cdata = vec![Named { kind: "Request", id: request_id }];
    record.into_record(OutputTopic::Status, request_id)
}
