//! What a plan says of the world: how many there are, how many of them are deleted, how fast the work was.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::time::timeout;

use super::feed::RANGES;
use super::plan::{Guess, Status2};
use crate::adapters::kafka::statuses::{From, Heard, statuses};
use crate::commands::calendar::before;
use crate::commands::ring::{Estimate, estimate};
use crate::commands::{reachable, world};
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::pace::Pace;
use crate::domain::told::{self, Told};
use crate::domain::verdict::UserRow;
use crate::ports::Failure;
use crate::ports::scan::UserScan;
use crate::settings::Settings;

/// What lies further back says little of today.
const BACK: Duration = Duration::from_hours(1);
/// A plan is read by somebody who waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Users looked up together.
const LOOKED_UP: usize = 500;

type Counted<T> = (Guess, Vec<T>);

pub(super) async fn whole(table: &dyn UserScan, object_type: &ObjectType) -> Result<Counted<UserId>, Failure> {
    let found = estimate(RANGES, async |range, limit| table.ids_in(object_type, range, limit).await, |_| true).await?;
    Ok((guess(&found), found.first))
}

pub(super) async fn deleted(table: &dyn UserScan) -> Result<Counted<UserId>, Failure> {
    let found =
        estimate(RANGES, async |range, limit| table.users_in(range, limit).await, |seen| seen.is_deleted).await?;
    Ok((guess(&found), found.first.into_iter().map(|seen| seen.user).collect()))
}

fn guess<T>(found: &Estimate<T>) -> Guess {
    Guess { users: found.count, rows: found.rows, read: found.read, is_exact: found.is_exact }
}

/// How many of the first users of a list are deleted; or why that is not known, which is no reason to have no plan.
pub(super) async fn status_of(
    table: impl Future<Output = anyhow::Result<Arc<dyn UserScan>>>,
    head: &[UserId],
) -> Result<Status2, String> {
    let count = async {
        let table = table.await.map_err(told)?;
        let user = ObjectType::user();
        let mut found = Status2 { looked_at: head.len() as u64, deleted: 0, without_row: 0 };
        for block in head.chunks(LOOKED_UP) {
            let rows = table.lookup(&user, block).await.map_err(|failure| failure.story())?;
            for row in rows {
                let row = row.map_err(|failure| failure.story())?;
                found.deleted += u64::from(row.as_ref().is_some_and(UserRow::is_deleted));
                found.without_row += u64::from(row.is_none());
            }
        }
        Ok::<_, String>(found)
    };
    match timeout(PATIENCE * 4, count).await {
        Ok(counted) => counted.map_err(|why| format!("cassandra: {why}")),
        Err(_) => Err("cassandra does not answer".to_owned()),
    }
}

fn told(error: anyhow::Error) -> String {
    error.downcast::<Failure>().map_or_else(|error| format!("{error:#}"), |failure| failure.story())
}

/// Users a second in the last submission of the last hour, from its statuses; or why that is not known.
pub(super) async fn pace(settings: &Settings) -> Result<f64, String> {
    // Order: a client of a Kafka that is away would hold the program for ten seconds.
    if let Err(failure) = reachable::kafka(settings).await {
        return Err(format!("no rate is known: kafka: {}", failure.story()));
    }
    let topics = world::topics(settings).map_err(|error| format!("no rate is known: {error:#}"))?;
    let heard = statuses(&settings.kafka, &topics, From::Time(before(BACK))).await;
    let heard = heard.map_err(|error| format!("no rate is known: {error}"))?;
    pace_of(heard).await.ok_or_else(|| "no rate measured in the last hour".to_owned())
}

/// As far as it is heard in a few seconds.
async fn pace_of(heard: impl Stream<Item = Heard>) -> Option<f64> {
    let mut pace = Pace::default();
    let records = heard.take_while(|heard| std::future::ready(*heard != Heard::CaughtUp));
    let noting = records.for_each(|heard| {
        if let Heard::Record(payload) = heard
            && let Some(Told::User(user)) = told::read(&payload)
            // What comes by itself says how fast people delete, not how fast it can be done.
            && user.is_final
            && !user.is_dry
            && user.request_id.is_some()
        {
            pace.note(user.ets);
        }
        std::future::ready(())
    });
    timeout(PATIENCE, noting).await.ok();
    pace.last()
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::json;

    use super::*;

    fn status(ets: i64, request_id: Option<&str>) -> Heard {
        let stage = json!({ "status": "OK", "attempts": 0 });
        let record = json!({
            "ets": ets,
            "object": { "id": "u", "type": "User" },
            "edata": {
                "final": true, "status": "SUCCESS", "reason": "synced", "requestId": request_id,
                "stages": { "lookup": stage, "sync": stage, "purge": stage },
            },
        });
        Heard::Record(record.to_string().into_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_that_of_what_was_submitted_and_is_not_waited_for() {
        let submitted = || (0..400_i64).map(|n| status(n * 10, Some("ticket-7")));
        let trickling = (0..400_i64).map(|n| status(60_000 + n * 1000, None));
        let heard = stream::iter(submitted().chain(trickling)).chain(stream::iter([Heard::CaughtUp]));
        assert_eq!(pace_of(heard.chain(stream::pending())).await, Some(100.0));
        assert_eq!(pace_of(stream::iter(submitted()).chain(stream::pending())).await, Some(100.0), "never caught up");
        assert_eq!(pace_of(stream::iter([Heard::CaughtUp])).await, None);
    }
}
