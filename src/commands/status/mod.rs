//! `status`: where is user X? For whoever answers an auditor. Reads only.

mod systems;
mod trail;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use self::systems::Systems;
use self::trail::{Asked, Edata, FailedHere, Told, Trail};
use super::calendar::{now, written};
use super::{Exit, world};
use crate::adapters::kafka::reading::TopicReader;
use crate::adapters::search::Document;
use crate::cli::StatusArgs;
use crate::domain::event::{Action, FollowUp, Why};
use crate::domain::failed::Decision;
use crate::domain::ids::UserId;
use crate::domain::outcome::{StageStatus, Status};
use crate::domain::told::STAGES;
use crate::domain::verdict::UserRow;
use crate::domain::whereabouts::{Conclusion, Kept, Last, Row, Said, Shown, Whereabouts};
use crate::ports::{Failure, Purged};
use crate::settings::Settings;

/// # Errors
/// When a setting cannot be used, or `output` cannot be written. A system that does not answer is told.
pub async fn status(settings: &Settings, args: &StatusArgs, output: &mut (dyn Write + Send)) -> anyhow::Result<Exit> {
    let since = args.since.millis(now());
    let (topics, reader) = (world::topics(settings)?, TopicReader::try_new(&settings.kafka)?);
    let reading = async { Trail::read(&reader, &topics, &args.user, since).await.map_err(world::failure_of_topics) };
    let (systems, trail) = tokio::join!(systems::ask(settings, &args.user), reading);
    let systems = systems?;
    writeln!(output, "user       {}", args.user)?;
    writeln!(output, "cassandra  {}", row_told(&systems.row))?;
    writeln!(output, "keycloak   {}", kept_told(&systems.kept))?;
    writeln!(output, "index      {}", document_told(systems.document.as_ref()))?;
    match &trail {
        Ok(trail) => write_trail(trail, since, settings.delay.after, output)?,
        Err(failure) => writeln!(output, "topics     cannot be read: {}", failure.story())?,
    }
    let (conclusion, text) = whereabouts(&systems, trail.as_ref().ok(), &args.user).conclude();
    writeln!(output, "\n{text}")?;
    Ok(match conclusion {
        Conclusion::Fine => Exit::Done,
        Conclusion::Left => Exit::Left,
        Conclusion::Unknown => {
            let away = systems.failures().chain(trail.as_ref().err());
            if away.map(Exit::from).any(|exit| exit == Exit::Held) { Exit::Held } else { Exit::Unreachable }
        }
    })
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

fn write_trail(trail: &Trail, since: i64, delay: Duration, output: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    lines.extend(trail.asked.iter().map(|asked| (asked.at, asked_told(asked, delay))));
    lines.extend(trail.told.iter().map(|told| (told.ets, status_told(told))));
    lines.extend(trail.failures.iter().map(|failure| (failure.at, failure_told(failure))));
    lines.sort_by_key(|(at, _)| *at);
    let none = if lines.is_empty() { ": nothing" } else { "" };
    writeln!(output, "topics     since {}{none}", written(since))?;
    lines.iter().try_for_each(|(at, line)| writeln!(output, "  {}  {line}", written(*at)))
}

/// `delay`: after which a follow-up is due.
fn asked_told(Asked { topic, place, at, event }: &Asked, delay: Duration) -> String {
    let follow_up = event.follow_up.as_ref().map(|FollowUp { why, look, .. }| {
        let number = if *why == Why::Look { format!(" {look}") } else { String::new() };
        let due = at.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
        format!(", {}{number}, due {}", why.name(), written(due))
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

/// All of it, as the conclusion is drawn from it.
fn whereabouts(systems: &Systems, trail: Option<&Trail>, user: &UserId) -> Whereabouts {
    let last = trail.and_then(last);
    let purge_ended = |word: &str| {
        trail?.counted().filter(|told| told.edata.stages.get("purge").is_some_and(|purge| purge.status == word)).last()
    };
    // What comes after a purge finds nothing, and so does whoever looks at a user that never was in Keycloak.
    let purged = purge_ended(StageStatus::Ok.name()).or_else(|| purge_ended(StageStatus::AlreadyClean.name()));
    let asked = trail.and_then(|trail| trail.asked.iter().find(|asked| asked.event.action == Action::DeleteUser));
    let is_parked = trail
        .and_then(|trail| trail.failures.iter().max_by_key(|failure| failure.at))
        .is_some_and(|failure| failure.decision == Some(Decision::Parked));
    Whereabouts {
        row: systems.row.as_ref().map_or(Said::Away, |row| {
            Said::Fact(match row {
                Some(row) if row.is_deleted() => Row::Deleted,
                Some(row) => Row::Live(row.status),
                None => Row::Missing,
            })
        }),
        kept: systems.kept.as_ref().map_or(Said::Away, |kept| {
            Said::Fact(match kept {
                Purged::Clean { rows, .. } if rows.is_empty() => Kept::Nothing,
                Purged::Clean { rows, .. } => Kept::Rows(rows.values().sum()),
                Purged::Protected(protection) => Kept::Protected(protection.name()),
                Purged::CredentialsNotMoved => Kept::Protected("credentials_not_moved"),
            })
        }),
        shown: match &systems.document {
            None => Said::Fact(Shown::NotAsked),
            Some(Err(_)) => Said::Away,
            Some(Ok(None)) => Said::Fact(Shown::Nobody),
            Some(Ok(Some(document))) if document.status == Some(2) => Said::Fact(Shown::Deleted),
            Some(Ok(Some(_))) => Said::Fact(Shown::Live),
        },
        topics: if trail.is_some() { Said::Fact(()) } else { Said::Away },
        last,
        unanswered: trail.and_then(|trail| trail.unanswered(user)).map(|asked| written(asked.at)),
        deleted: asked.map(|asked| written(asked.event.origin.ets.unwrap_or(asked.at))),
        purged: purged.map(|told| written(told.ets)),
        is_parked,
    }
}

/// Final statuses win; what is put off waits until something is told.
fn last(trail: &Trail) -> Option<Last> {
    let mut last: Option<Last> = None;
    for told in trail.counted() {
        let Some(status) = Status::ALL.into_iter().find(|status| status.name() == told.edata.status) else { continue };
        let waited = last.as_ref().is_some_and(|last| last.status == Status::Deferred);
        if told.edata.is_final || status == Status::Deferred || waited {
            last = Some(Last { status, reason: told.edata.reason.clone(), at: written(told.ets) });
        }
    }
    last
}
