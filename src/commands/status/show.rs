//! All that is known of a user, as a person and as a program reads it. Ids, counts and reasons only.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::systems::Systems;
use super::trail::{Asked, Edata, FailedHere, Told, Trail};
use crate::adapters::search::Document;
use crate::commands::calendar::written;
use crate::domain::event::{FollowUp, Why};
use crate::domain::failed::Decision;
use crate::domain::ids::UserId;
use crate::domain::told::STAGES;
use crate::domain::verdict::UserRow;
use crate::domain::whereabouts::Conclusion;
use crate::ports::{Failure, Purged};

pub(super) struct Account<'a> {
    pub user: &'a UserId,
    pub systems: Systems,
    pub trail: Result<Trail, Failure>,
    /// From when on the topics were read, in milliseconds since 1970.
    pub since: i64,
    /// After which a follow-up is due.
    pub delay: Duration,
    pub conclusion: Conclusion,
    pub sentence: String,
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Systems { row, kept, document } = &self.systems;
        writeln!(formatter, "user       {}", self.user)?;
        writeln!(formatter, "cassandra  {}", row_told(row))?;
        writeln!(formatter, "keycloak   {}", kept_told(kept))?;
        writeln!(formatter, "index      {}", document_told(document.as_ref()))?;
        match &self.trail {
            Ok(trail) => write_trail(trail, self.since, self.delay, formatter)?,
            Err(failure) => writeln!(formatter, "topics     cannot be read: {}", failure.story())?,
        }
        writeln!(formatter, "\n{}", self.sentence)
    }
}

impl Serialize for Account<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Systems { row, kept, document } = &self.systems;
        let entries = self.trail.as_ref().map(|trail| entries(trail, self.delay)).unwrap_or_default();
        json!({
            "user": self.user.as_str(),
            "cassandra": { "row": row.as_ref().ok().and_then(Option::as_ref).map(row_document), "problem": problem(row) },
            "keycloak": kept_document(kept),
            "index": {
                "asked": document.is_some(),
                "document": document.as_ref().and_then(|document| document.as_ref().ok()?.as_ref()).map(
                    |Document { status, is_deleted }| json!({ "status": status, "isDeleted": is_deleted }),
                ),
                "problem": document.as_ref().and_then(problem),
            },
            "topics": { "since": written(self.since), "entries": entries, "problem": problem(&self.trail) },
            "conclusion": match self.conclusion {
                Conclusion::Fine => "fine",
                Conclusion::Left => "left",
                Conclusion::Unknown => "unknown",
            },
            "sentence": self.sentence,
        })
        .serialize(serializer)
    }
}

fn problem<T>(answer: &Result<T, Failure>) -> Option<String> {
    answer.as_ref().err().map(Failure::story)
}

fn row_document(row: &UserRow) -> Value {
    json!({
        "status": row.status, "deleted": row.is_deleted(), "organisation": row.root_org_id, "managedBy": row.managed_by,
    })
}

fn kept_document(kept: &Result<Purged, Failure>) -> Value {
    let (rows, protected) = match kept {
        Ok(Purged::Clean { rows, .. }) => (Some(rows), None),
        Ok(Purged::Protected(protection)) => (None, Some(protection.name())),
        Ok(Purged::CredentialsNotMoved) | Err(_) => (None, None),
    };
    let total: Option<u64> = rows.map(|rows| rows.values().sum());
    json!({ "rows": total, "tables": rows, "protected": protected, "problem": problem(kept) })
}

/// In the order of their times.
fn entries(trail: &Trail, delay: Duration) -> Vec<Value> {
    let mut entries: Vec<(i64, Value)> = Vec::new();
    entries.extend(trail.asked.iter().map(|asked| (asked.at, asked_document(asked, delay))));
    entries.extend(trail.told.iter().map(|told| (told.ets, status_document(told))));
    entries.extend(trail.failures.iter().map(|failure| (failure.at, failure_document(failure))));
    entries.sort_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn asked_document(Asked { topic, place, at, event }: &Asked, delay: Duration) -> Value {
    let follow_up = event.follow_up.as_ref();
    json!({
        "kind": if follow_up.is_some() { "put_off" } else { "asked" },
        "time": written(*at),
        "action": event.action.name(),
        "topic": topic.label(),
        "place": place,
        "why": follow_up.map(|follow_up| follow_up.why.name()),
        "look": follow_up.map(|follow_up| follow_up.look),
        "due": follow_up.map(|_| written(due(*at, delay))),
        "requestId": event.origin.request_id,
        "redriven": event.origin.redriven,
    })
}

fn status_document(Told { mid, ets, edata }: &Told) -> Value {
    let stage = |name: &str| {
        edata.stages.get(name).map(
            |stage| json!({ "status": stage.status, "error": stage.error, "rows": stage.rows.values().sum::<u64>() }),
        )
    };
    json!({
        "kind": "told",
        "time": written(*ets),
        "id": mid,
        "action": edata.action,
        "status": edata.status,
        "reason": edata.reason,
        "access": edata.access,
        "final": edata.is_final,
        "dryRun": edata.dry_run,
        "requestId": edata.request_id,
        "stages": { "lookup": stage("lookup"), "sync": stage("sync"), "purge": stage("purge") },
    })
}

fn failure_document(FailedHere { at, failed, decision }: &FailedHere) -> Value {
    json!({
        "kind": "failed",
        "time": written(*at),
        "stage": failed.stage,
        "reason": failed.error,
        "attempts": failed.attempts,
        "state": decision.map_or("open", Decision::name),
    })
}

fn due(at: i64, delay: Duration) -> i64 {
    at.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

fn row_told(row: &Result<Option<UserRow>, Failure>) -> String {
    match row {
        Err(failure) => format!("cannot be asked: {}", failure.story()),
        Ok(None) => "no row".to_owned(),
        Ok(Some(row)) => {
            let status = row.status.map_or("null".to_owned(), |status| status.to_string());
            let word = if row.is_deleted() { "deleted" } else { "not deleted" };
            let of = row.root_org_id.as_ref().map(|id| format!(", organisation {id}")).unwrap_or_default();
            let by = row.managed_by.as_ref().map(|id| format!(", managed by {id}")).unwrap_or_default();
            format!("status {status}, {word}{of}{by}")
        }
    }
}

fn kept_told(kept: &Result<Purged, Failure>) -> String {
    match kept {
        Err(failure) => format!("cannot be asked: {}", failure.story()),
        Ok(Purged::Clean { rows, .. }) if rows.is_empty() => "nothing".to_owned(),
        Ok(Purged::Clean { rows, .. }) => {
            let total: u64 = rows.values().sum();
            let mut text = format!("{total} rows");
            for (table, rows) in rows {
                write!(text, "\n             {table:<28} {rows:>6}").ok();
            }
            text
        }
        Ok(Purged::Protected(protection)) => format!("kept, whatever is asked for: {}", protection.name()),
        // Only a retirement ends so, and nobody is retired here.
        Ok(Purged::CredentialsNotMoved) => "kept".to_owned(),
    }
}

fn document_told(document: Option<&Result<Option<Document>, Failure>>) -> String {
    match document {
        None => "not asked: search.endpoint is not set".to_owned(),
        Some(Err(failure)) => format!("cannot be asked: {}", failure.story()),
        Some(Ok(None)) => "no document".to_owned(),
        Some(Ok(Some(Document { status, is_deleted }))) => {
            let status = status.map_or("null".to_owned(), |status| status.to_string());
            let deleted = is_deleted.map_or("not set", |deleted| if deleted { "true" } else { "false" });
            format!("status {status}, isDeleted {deleted}")
        }
    }
}

fn write_trail(trail: &Trail, since: i64, delay: Duration, output: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut lines: Vec<(i64, String)> = Vec::new();
    lines.extend(trail.asked.iter().map(|asked| (asked.at, asked_told(asked, delay))));
    lines.extend(trail.told.iter().map(|told| (told.ets, status_told(told))));
    lines.extend(trail.failures.iter().map(|failure| (failure.at, failure_told(failure))));
    lines.sort_by_key(|(at, _)| *at);
    let none = if lines.is_empty() { ": nothing" } else { "" };
    writeln!(output, "topics     since {}{none}", written(since))?;
    lines.iter().try_for_each(|(at, line)| writeln!(output, "  {}  {line}", written(*at)))
}

fn asked_told(Asked { topic, place, at, event }: &Asked, delay: Duration) -> String {
    let follow_up = event.follow_up.as_ref().map(|FollowUp { why, look, .. }| {
        let number = if *why == Why::Look { format!(" {look}") } else { String::new() };
        format!(", {}{number}, due {}", why.name(), written(due(*at, delay)))
    });
    let request = event.origin.request_id.as_ref().map(|id| format!(", request {id}"));
    let redriven = (event.origin.redriven > 0).then(|| format!(", redriven {} times", event.origin.redriven));
    let verb = if event.follow_up.is_some() { "put off" } else { "asked" };
    let more: String = [follow_up, request, redriven].into_iter().flatten().collect();
    format!("{verb:<8} {} ({} topic, {place}){more}", event.action.name(), topic.label())
}

fn status_told(Told { edata, .. }: &Told) -> String {
    let stages =
        STAGES.iter().filter_map(|name| edata.stages.get(*name).map(|stage| (name, stage))).map(|(name, stage)| {
            let rows: u64 = stage.rows.values().sum();
            let rows = if rows > 0 { format!(" {rows} rows") } else { String::new() };
            let error = stage.error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
            format!("{name} {}{rows}{error}", stage.status)
        });
    let stages: Vec<_> = stages.collect();
    let (dry, last) = (if edata.dry_run { "dry run, " } else { "" }, if edata.is_final { "" } else { ", not final" });
    let request = edata.request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default();
    let Edata { status, reason, action, access, .. } = edata;
    format!("told     {dry}{status} {reason} ({action}): {}, access {access}{request}{last}", stages.join(", "))
}

fn failure_told(FailedHere { failed, decision, .. }: &FailedHere) -> String {
    let state = decision.map_or("open: `redrive`", Decision::name);
    format!("failed   {} in {}, after {} attempts; {state}", failed.error, failed.stage, failed.attempts)
}
