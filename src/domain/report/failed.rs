//! Records of the failed topic: what somebody must look at, and enough of it to do it again.

use serde::Serialize;

use super::again::{Again, Whom};
use super::{JOB_NAME, Source, json};
use crate::domain::event::{Event, Rejection, Subjects};
use crate::domain::ids::UserId;
use crate::domain::outcome::{Ending, Reason, StageReports};
use crate::domain::record::{OutputRecord, OutputTopic};

/// Why it failed, in bounded words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FailInfo {
    /// The ending's reason, and the failure's word where a dependency gave one: `sync_failed: http_500`.
    pub error: String,
    pub stage: &'static str,
    /// Counted attempts of that stage.
    pub attempts: u32,
    /// Whether doing it again, as it is, can end better.
    pub retriable: bool,
}

/// What a PARTIAL or FAILED item's failed record says of it.
pub fn fail_info(ending: Ending, stages: &StageReports) -> FailInfo {
    let StageReports { lookup, sync, purge } = stages;
    let (stage, reports, retriable) = match ending.reason {
        Reason::SyncFailed => ("sync", vec![sync], true),
        Reason::PurgeFailed => ("purge", vec![purge], true),
        Reason::AllFailed => ("sync,purge", vec![sync, purge], true),
        Reason::Protected => ("purge", vec![purge], false),
        Reason::RangeTooWide => ("lookup", vec![], false),
        Reason::Purged
        | Reason::AlreadyClean
        | Reason::Synced
        | Reason::Unverified
        | Reason::NotDeleted
        | Reason::NotFound
        | Reason::Restored
        | Reason::CredentialsNotMoved
        | Reason::Waiting
        | Reason::LookupFailed
        | Reason::WouldPurge => ("lookup", vec![lookup], true),
    };
    let errors: Vec<&str> = reports.iter().filter_map(|report| report.error.as_deref()).collect();
    let reason = ending.reason.name();
    let error = if errors.is_empty() { reason.to_owned() } else { format!("{reason}: {}", errors.join(", ")) };
    FailInfo { error, stage, attempts: reports.iter().map(|report| report.attempts).max().unwrap_or(0), retriable }
}

/// The source event, reduced to what failed: a request that can be sent again as it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    #[serde(flatten)]
    event: Again<'a>,
    job_name: &'static str,
    fail_info: &'a FailInfo,
}

/// Says that these users of an event failed, or, when none are named, the event as a whole.
pub fn failed_record(source: &Source, event: &Event, users: &[UserId], info: &FailInfo) -> OutputRecord {
    let whom = match &event.subjects {
        Subjects::Range(range) if users.is_empty() => Whom::Range(*range),
        Subjects::Users(all) if users.is_empty() => Whom::Users(all),
        Subjects::Range(_) | Subjects::Users(_) => Whom::Users(users),
    };
    let failed = Failed { event: Again::of(event, whom, event.origin.redriven), job_name: JOB_NAME, fail_info: info };
    record(source, json(&failed))
}

/// A record that is no event: its place, and how to recognise it; never what stands in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejected<'a> {
    source: Position<'a>,
    size: usize,
    sha256: &'a str,
    job_name: &'static str,
    fail_info: FailInfo,
}

#[derive(Serialize)]
struct Position<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

pub fn rejected_record(source: &Source, rejection: &Rejection) -> OutputRecord {
    let Source { topic, partition, offset, .. } = *source;
    let rejected = Rejected {
        source: Position { topic, partition, offset },
        size: rejection.size,
        sha256: &rejection.hash,
        job_name: JOB_NAME,
        fail_info: FailInfo { error: rejection.to_string(), stage: "decode", attempts: 1, retriable: false },
    };
    record(source, json(&rejected))
}

/// By the source's key, so that a partitioner keeps together what was together.
fn record(source: &Source, payload: Vec<u8>) -> OutputRecord {
    let headers = vec![
        ("source_topic", source.topic.to_owned()),
        ("source_partition", source.partition.to_string()),
        ("source_offset", source.offset.to_string()),
    ];
    OutputRecord { topic: OutputTopic::Failed, key: source.key.map(Vec::from), payload, headers }
}
