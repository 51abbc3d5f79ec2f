//! `status`: where is user X? For whoever answers an auditor. Reads only.

mod show;
mod systems;
mod trail;

use std::io::Write;

use self::show::Account;
use self::systems::Systems;
use self::trail::Trail;
use super::answer::tell;
use super::calendar::{now, written};
use super::{Exit, world};
use crate::adapters::kafka::reading::TopicReader;
use crate::cli::{Format, StatusArgs};
use crate::domain::event::Action;
use crate::domain::failed::Decision;
use crate::domain::ids::UserId;
use crate::domain::outcome::{StageStatus, Status};
use crate::domain::whereabouts::{Conclusion, Kept, Last, Row, Said, Shown, Whereabouts};
use crate::ports::Purged;
use crate::settings::Settings;

/// # Errors
/// When a setting cannot be used, or `output` cannot be written. A system that does not answer is told.
pub async fn status(
    settings: &Settings,
    args: &StatusArgs,
    (format, output): (Format, &mut (dyn Write + Send)),
) -> anyhow::Result<Exit> {
    let since = args.since.millis(now());
    let (topics, reader) = (world::topics(settings)?, TopicReader::try_new(&settings.kafka)?);
    let reading = async { Trail::read(&reader, &topics, &args.user, since).await.map_err(world::failure_of_topics) };
    let (systems, trail) = tokio::join!(systems::ask(settings, &args.user), reading);
    let systems = systems?;
    let (conclusion, sentence) = whereabouts(&systems, trail.as_ref().ok(), &args.user).conclude();
    let account =
        Account { user: &args.user, systems, trail, since, delay: settings.delay.after, conclusion, sentence };
    tell(&account, format, output)?;
    Ok(match conclusion {
        Conclusion::Fine => Exit::Done,
        Conclusion::Left => Exit::Left,
        Conclusion::Unknown => {
            let away = account.systems.failures().chain(account.trail.as_ref().err());
            if away.map(Exit::from).any(|exit| exit == Exit::Held) { Exit::Held } else { Exit::Unreachable }
        }
    })
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
