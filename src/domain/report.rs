//! What the worker tells: the records it writes, built from values that hold no personal data.
//!
//! Here stands what they have in common; `design.md` section 8 says what each is for. Every payload is a struct, so a
//! field that is not named here cannot leave. Publishing them, and when, belongs to the pipeline.

mod again;
pub mod delay;
pub mod failed;
pub mod redrive;
pub mod status;
pub mod summary;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::event::{Event, Origin, TokenRange};
use super::ids::ObjectType;
use super::record::{OutputRecord, OutputTopic};

/// What the records call us.
pub const JOB_NAME: &str = "user-purge-sync";

/// How many users one request names: a page, which a crash repeats as a whole.
pub const USERS_PER_REQUEST: usize = 250;

/// The type of the `cdata` entry that names the event at the beginning of a chain of follow-ups.
const SOURCE_EVENT: &str = "SourceEvent";

/// Who writes a record, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// Sunbird's name of the installation: `context.env`.
    pub env: &'a str,
    /// Milliseconds since 1970.
    pub now: i64,
    pub dry_run: bool,
    /// Marks what a replay tells again.
    pub replay_id: Option<&'a str>,
}

/// The record that all this comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The topic's name in Kafka.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
}

/// The deterministic id of what is told of `subject`, a user or a range: a repeat after a crash has the same one.
pub fn status_id(writer: &Writer, source: &Source, subject: &str) -> String {
    let Source { topic, partition, offset, .. } = source;
    let dry = if writer.dry_run { "dry-" } else { "" };
    let replay = writer.replay_id.map(|id| format!("-{id}")).unwrap_or_default();
    format!("{dry}{topic}-{partition}-{offset}-{subject}{replay}")
}

/// A token range in one word: a record's key, or part of an id.
pub fn range_name(range: TokenRange) -> String {
    format!("{}:{}", range.start, range.end)
}

/// Sunbird's envelope (`facts/sunbird.md` 9.2).
#[derive(Serialize)]
struct Envelope<'a, E> {
    eid: &'static str,
    ets: i64,
    mid: String,
    actor: Named<'a>,
    context: Context<'a>,
    object: Named<'a>,
    edata: E,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    channel: Option<&'a str>,
    env: &'a str,
    pdata: ProducerData,
    cdata: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct ProducerData {
    id: &'static str,
    pid: &'static str,
    ver: &'static str,
}

impl<'a, E: Serialize> Envelope<'a, E> {
    fn new(writer: &Writer<'a>, mid: String, object: Named<'a>, edata: E) -> Self {
        let pdata = ProducerData { id: "org.sunbird.platform", pid: JOB_NAME, ver: env!("CARGO_PKG_VERSION") };
        Self {
            eid: "BE_JOB_STATUS",
            ets: writer.now,
            mid,
            actor: Named { id: JOB_NAME, kind: "System" },
            context: Context { channel: None, env: writer.env, pdata, cdata: Vec::new() },
            object,
            edata,
        }
    }

    /// Says where it comes from: the request, and the event at the beginning.
    fn about(mut self, event: &'a Event, channel: Option<&'a str>) -> Self {
        self.context.channel = channel.or(event.origin.organisation_id.as_deref());
        self.context.cdata = trace(&event.origin);
        self
    }

    fn into_record(self, topic: OutputTopic, key: &str) -> OutputRecord {
        OutputRecord { topic, key: Some(key.into()), payload: json(&self), headers: Vec::new() }
    }
}

/// A follow-up's own source is another record of ours; what a reader looks for is the first event, so that is kept.
fn trace(origin: &Origin) -> Vec<Named<'_>> {
    let told = origin.cdata.iter().find(|(kind, _)| kind == SOURCE_EVENT).map(|(_, id)| id.as_str());
    let request = origin.request_id.as_deref().map(|id| Named { kind: "Request", id });
    let first = told.or(origin.mid.as_deref()).map(|id| Named { kind: SOURCE_EVENT, id });
    request.into_iter().chain(first).collect()
}

/// Sunbird writes `User` with a capital in `object.type`.
fn object_kind(object_type: &ObjectType) -> &str {
    if object_type.is_user() { "User" } else { object_type.as_str() }
}

/// Of `redriven`: what most events are, and then it is not told.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_never(times: &u32) -> bool {
    *times == 0
}

fn json(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).expect("structs of text, numbers and maps with text keys always serialise")
}
