//! Events are published, and statuses read until everybody has a final one.

use std::time::{Duration, Instant};

use anyhow::bail;
use local_stack::events::deletion;
use local_stack::topics::{DELETE, FAILED, REQUEST};
use local_stack::{Statuses, Topics};

use crate::World;
use crate::access::{Access, SignedIn};
use crate::cast::Cast;
use crate::events;
use crate::outcomes::Outcomes;
use crate::screen;
use crate::worker::{self, DELAY_AFTER, LOOKS, SETTLE_DELAY};

/// Without any progress: a busy machine may take long for all.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at the statuses: often enough for the eye.
const PAUSE: Duration = Duration::from_millis(100);
const DELETED: i32 = 2;

/// What happened while everybody was worked off.
pub struct Run {
    pub outcomes: Outcomes,
    pub events: usize,
    /// Users who had to wait for nothing but their turn and the settle delay.
    pub at_once: usize,
    /// Until the last of these had a final status.
    pub took: Duration,
    /// Records that the failed topic got.
    pub failed: i64,
}

/// One deletion without the Admin API; what its user can still do afterwards.
pub async fn purge_without_step(world: &World, cast: &Cast, user: &mut SignedIn) -> anyhow::Result<Access> {
    let worker = worker::start_worker(&world.site, false).await?;
    let statuses = Statuses::follow(&world.topics)?;
    world.topics.publish(DELETE, &[deletion(&cast.without_step)]).await?;
    let is_told = |all: &[local_stack::Status]| all.iter().any(|told| told.is_final && told.user == cast.without_step);
    let all = statuses.until("the user is purged", PATIENCE, is_told).await?;
    let told = all.iter().find(|told| told.is_final && told.user == cast.without_step);
    if let Some(told) = told {
        screen::line(format!("{}, and its status says access: {}", told.ending(), told.record["edata"]["access"]));
    }
    // Order: before the other worker, which would end these sessions too.
    let access = user.try_access(&world.accounts).await;
    worker.stop().await?;
    Ok(access)
}

/// Publishes everything and follows it to the end.
pub async fn everybody(world: &World, cast: &Cast) -> anyhow::Result<Run> {
    let (deletions, requests) = (events::deletions(cast), events::requests(cast));
    screen::line(format!(
        "settings for a short demo: sync.settle_delay {SETTLE_DELAY} (30s), delay.after {DELAY_AFTER} (10min), delay.looks {LOOKS} (6)"
    ));
    let statuses = Statuses::follow(&world.topics)?;
    let failed_before = end_of_failed(&world.topics).await?;
    let begin = Instant::now();
    let publishing = (world.topics.publish(DELETE, &deletions), world.topics.publish(REQUEST, &requests));
    let (deleted, requested) = tokio::join!(publishing.0, publishing.1);
    deleted.and(requested)?;
    screen::done(begin, format!("{} events published", screen::count(deletions.len() + requests.len())));

    let (outcomes, took) = follow(world, cast, &statuses, begin).await?;
    world.topics.until_committed(&[DELETE, REQUEST], PATIENCE).await?;
    screen::line("every offset of the two input topics is committed");
    let waiting = cast.late.len() + cast.live.len() + cast.unknown.len();
    Ok(Run {
        outcomes,
        events: deletions.len() + requests.len(),
        at_once: cast.awaited().len() - waiting,
        took,
        failed: end_of_failed(&world.topics).await? - failed_before,
    })
}

async fn follow(
    world: &World,
    cast: &Cast,
    statuses: &Statuses,
    begin: Instant,
) -> anyhow::Result<(Outcomes, Duration)> {
    let mut outcomes = Outcomes::awaiting(cast.awaited());
    let waiting = [&cast.late[..], &cast.live, &cast.unknown].concat();
    let (mut took, mut seen, mut late_deleted, mut last) = (None, 0, false, begin);
    while outcomes.missing() > 0 {
        if last.elapsed() > PATIENCE {
            outcomes.finish();
            bail!(
                "{} users have no final status, and nothing came for {PATIENCE:?}; see the worker's log",
                outcomes.missing()
            );
        }
        tokio::time::sleep(PAUSE).await;
        if statuses.count() > seen {
            let all = statuses.all();
            for status in &all[seen..] {
                outcomes.take(status.clone());
            }
            seen = all.len();
            last = Instant::now();
        }
        if !late_deleted && outcomes.has_deferred(&cast.late) {
            // Cassandra catches up: the next look finds them deleted.
            world.users.put_all(&cast.late, DELETED).await?;
            late_deleted = true;
        }
        if took.is_none() && outcomes.missing() == outcomes.missing_of(&waiting) {
            took = Some(begin.elapsed());
        }
    }
    outcomes.finish();
    Ok((outcomes, took.unwrap_or_else(|| begin.elapsed())))
}

async fn end_of_failed(topics: &Topics) -> anyhow::Result<i64> {
    Ok(topics.progress(&[FAILED]).await?.values().map(|place| place.end).sum())
}
