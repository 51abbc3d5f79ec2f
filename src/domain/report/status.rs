//! One `BE_JOB_STATUS` per item: what was done for a user, for auditors and for `watch`.

use std::time::Duration;

use serde::Serialize;

use super::{Envelope, Named, Source, Writer, object_kind, status_id};
use crate::domain::event::{Event, Why};
use crate::domain::ids::UserId;
use crate::domain::outcome::{Access, Ending, RowCounts, StageReport, StageReports, Status};
use crate::domain::record::{OutputRecord, OutputTopic};

/// What became of an item.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub user: &'a UserId,
    pub ending: Ending,
    pub access: Access,
    pub stages: &'a StageReports,
    /// From the user's row; without a row the event's organisation is told.
    pub root_org_id: Option<&'a str>,
    /// From receipt to outcome.
    pub duration: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edata<'a> {
    action: &'static str,
    look: u32,
    r#final: bool,
    status: &'static str,
    reason: &'static str,
    access: &'static str,
    dry_run: bool,
    request_id: Option<&'a str>,
    replay_id: Option<&'a str>,
    stages: Stages<'a>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct Stages<'a> {
    lookup: Stage<'a>,
    sync: Stage<'a>,
    purge: Stage<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stage<'a> {
    status: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// The purge's: of the others there are none to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<&'a RowCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The status of one item, on the status topic, by user.
pub fn status_record(writer: &Writer, source: &Source, event: &Event, told: &Told) -> OutputRecord {
    let mid = status_id(writer, source, told.user.as_str());
    let edata = Edata {
        action: event.action.name(),
        look: event.follow_up.as_ref().map_or(0, |follow_up| follow_up.look),
        r#final: is_final(writer, event, told.ending.status),
        status: told.ending.status.name(),
        reason: told.ending.reason.name(),
        access: told.access.name(),
        dry_run: writer.dry_run,
        request_id: event.origin.request_id.as_deref(),
        replay_id: writer.replay_id,
        stages: Stages {
            lookup: Stage::of(&told.stages.lookup),
            sync: Stage::of(&told.stages.sync),
            purge: Stage { rows: Some(&told.stages.purge.rows), ..Stage::of(&told.stages.purge) },
        },
        duration_ms: milliseconds(told.duration),
    };
    let object = Named { id: told.user.as_str(), kind: object_kind(&event.object_type) };
    let status = Envelope::new(writer, mid, object, edata).about(event, told.root_org_id);
    status.into_record(OutputTopic::Status, told.user.as_str())
}

/// Readers let a user's last final status win. So a sweep, which comes after the user's outcome, is final only when it
/// failed: what it did not find must not hide a failure told before. A dry run is never followed by anything.
fn is_final(writer: &Writer, event: &Event, status: Status) -> bool {
    let sweep = event.follow_up.as_ref().is_some_and(|follow_up| follow_up.why == Why::Sweep);
    match status {
        Status::Deferred => writer.dry_run,
        Status::Success | Status::Skipped => !sweep,
        Status::Partial | Status::Failed => true,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> Stage<'a> {
    fn of(report: &'a StageReport) -> Self {
        let StageReport { status, attempts, took, rows: _, error } = report;
        let (status, duration_ms) = (status.name(), took.map(milliseconds));
        Self { status, attempts: *attempts, duration_ms, rows: None, error: error.as_deref() }
    }
}
