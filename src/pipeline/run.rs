//! The loop around the engine: arrivals, completions and time go in, calls to the ports come out.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::controls::DRAWN;
use super::engine::{Completion, Effect, Engine, Now, StageName};
use crate::domain::ids::ObjectType;
use crate::ports::log::{Arrival, CommitPoint, OffsetSink};
use crate::ports::{Failure, IdentityStore, Publisher, SearchIndex, UserCache, UserDirectory};

/// A publication that failed is made again after so long.
const PUBLISH_PAUSE: Duration = Duration::from_millis(500);

/// The roles that the pipeline calls.
#[derive(Clone)]
pub struct World {
    pub directory: Arc<dyn UserDirectory>,
    pub index: Arc<dyn SearchIndex>,
    pub identities: Arc<dyn IdentityStore>,
    /// `None` without the Admin API step.
    pub cache: Option<Arc<dyn UserCache>>,
    pub publisher: Arc<dyn Publisher>,
    pub offsets: Arc<dyn OffsetSink>,
}

/// How long the loop's own intervals are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub commit: Duration,
    pub shutdown: Duration,
}

/// Looks at the engine now and then: metrics and logs.
pub trait Observer: Send {
    /// After every turn: what happened.
    fn notes(&mut self, engine: &mut Engine, now: Now);
    /// A call was answered.
    fn completed(&mut self, completion: &Completion, took: Duration);
    /// At each commit interval: where things stand.
    fn gauges(&mut self, engine: &Engine, now: Now);
}

/// Why the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Asked to; these points are the last to commit.
    Closed(Vec<CommitPoint>),
    /// The intake thread ended by itself.
    IntakeGone,
    /// Work, nothing awaited, and no progress: only a new process can help.
    Stalled,
}

/// Runs until `soft` is cancelled and what can finish has finished, or `hard` is cancelled.
///
/// # Panics
/// When a port panics: a crash is a crash, and the offsets are still where the last commit left them.
pub async fn run(
    mut engine: Engine,
    world: World,
    mut arrivals: mpsc::Receiver<Arrival>,
    (soft, hard): (CancellationToken, CancellationToken),
    (pace, mut observer): (Pace, Box<dyn Observer>),
) -> End {
    let mut calls: JoinSet<(Completion, Duration)> = JoinSet::new();
    let mut commits = tokio::time::interval(pace.commit);
    commits.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut closing = false;
    loop {
        let time = now();
        for effect in engine.turn(time) {
            calls.spawn(carry_out(world.clone(), effect));
        }
        observer.notes(&mut engine, time);
        if closing && (engine.is_drained(time) || hard.is_cancelled()) {
            return End::Closed(engine.commit_points());
        }
        let wake = engine.wake(time).map(Instant::from_std);
        tokio::select! {
            () = soft.cancelled(), if !closing => {
                closing = true;
                engine.close(now(), pace.shutdown);
            }
            () = hard.cancelled(), if closing => {}
            _ = commits.tick() => {
                world.offsets.commit(engine.commit_points());
                observer.gauges(&engine, time);
                if engine.is_stalled(now()) {
                    return End::Stalled;
                }
            }
            Some(completed) = calls.join_next() => {
                let mut next = Some(completed);
                while let Some(completed) = next {
                    let (completion, took) = completed.expect("a port panicked");
                    observer.completed(&completion, took);
                    engine.complete(completion, now());
                    next = calls.try_join_next();
                }
            }
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => engine.arrive(arrival, now()),
                None => return End::IntakeGone,
            },
            () = sleep_until(wake) => {}
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge where the calendar comes in")]
fn now() -> Now {
    // Before 1970 nothing was ever published.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { at: Instant::now().into_std(), wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX) }
}

fn carry_out(world: World, effect: Effect) -> BoxFuture<'static, (Completion, Duration)> {
    Box::pin(async move {
        let started = Instant::now();
        let completion = match effect {
            Effect::Lookup(call, kind, users) => Completion::Lookup(call, world.directory.lookup(&kind, &users).await),
            Effect::Sync(call, kind, users) => {
                let request = uuid::Uuid::new_v4().to_string();
                Completion::Sync(call, world.index.sync(&kind, &users, &request).await)
            }
            Effect::Purge(call, orders) => Completion::Purge(call, world.identities.purge(&orders).await),
            Effect::Clear(call) => match &world.cache {
                Some(cache) => Completion::Clear(call, cache.clear().await),
                None => Completion::Clear(call, Ok(())),
            },
            Effect::Probe(stage) => Completion::Probe(stage, probe(&world, stage).await),
            Effect::ProbeSync(controls) => {
                // Whoever reads the service's logs tells them from the calls that are work.
                let request = format!("probe-{}", uuid::Uuid::new_v4());
                let answer = world.index.sync(&ObjectType::user(), &controls, &request).await;
                Completion::ProbeSync(controls, answer)
            }
            Effect::Draw => Completion::Drawn(world.directory.draw(DRAWN).await),
            Effect::ReadRange(event, kind, range) => {
                Completion::Range(event, world.directory.ids_in(&kind, range, Engine::RANGE_LIMIT).await)
            }
            Effect::Publish(parcel, records) => {
                let answer = world.publisher.publish(&records).await;
                if answer.is_err() {
                    tokio::time::sleep(PUBLISH_PAUSE).await;
                }
                Completion::Published(parcel, answer)
            }
        };
        (completion, started.elapsed())
    })
}

async fn probe(world: &World, stage: StageName) -> Result<(), Failure> {
    match stage {
        StageName::Lookup => world.directory.probe().await,
        StageName::Purge => world.identities.probe().await,
        StageName::Clear => match &world.cache {
            Some(cache) => cache.probe().await,
            None => Ok(()),
        },
        // The engine probes the Sync API with controls of its own choice.
        StageName::Sync => Ok(()),
    }
}
