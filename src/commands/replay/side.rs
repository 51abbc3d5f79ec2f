//! `replay side`: a pipeline of its own reads `[from, until)` beside the workers, and ends when all of it is settled.
//!
//! It belongs to no group and commits nothing: cut off, it is run again. Follow-ups go to the delay topic, as always, and
//! are the running workers'.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::plan::Plan;
use super::show::Shown;
use super::{Asked, Drawn, Exit, group, waiting, world};
use crate::adapters::kafka::Topics;
use crate::adapters::kafka::side::{SideIntake, SideOptions, Stretch};
use crate::adapters::kafka::worker_group::WorkerGroup;
use crate::cli::SideArgs;
use crate::commands::rules::{rules, stages};
use crate::commands::run::checked;
use crate::commands::world::Dependencies;
use crate::domain::decode::decode;
use crate::domain::outcome::Status;
use crate::lifecycle::Lifecycle;
use crate::pipeline::breaker::BreakerState;
use crate::pipeline::engine::{Completion, Engine, Note, Now, StageName};
use crate::pipeline::run::{End, Observer, Pace, World, run};
use crate::ports::log::{CommitPoint, OffsetSink};
use crate::settings::Settings;

const ROOM: usize = 512;
const ARRIVALS: usize = 64;
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn side(
    settings: &Settings,
    args: &SideArgs,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<Exit> {
    let mode = settings.purge_mode()?;
    let mut filter = Filter::of(args)?;
    // Those who did it first, also where this one only tells what it would do.
    let asked = Asked::of(settings, settings.kafka.group.clone(), (&args.to, &args.scope))?;
    let (group, topics) = (group(settings, &asked.group)?, world::topics(settings)?);
    let (names, until) = (Arc::clone(&topics), (args.until_offset, args.until_timestamp));
    let Drawn { plan, members, rate } = waiting(move || {
        let mut plan = asked.plan(&group)?;
        bound(&mut plan, &group, &names, until)?;
        Drawn::of(plan, &asked, &group)
    })
    .await?;
    write!(output, "{}", Shown { plan: &plan, members: &members, rate })?;
    let stretches = stretches(&plan, &topics)?;
    if stretches.is_empty() {
        writeln!(output, "nothing is to be read again")?;
        return Ok(Exit::Done);
    }
    let dependencies = Dependencies::try_new(settings, None)?;
    if let Some(exit) = checked(&dependencies, mode).await {
        return Ok(exit);
    }
    let lifecycle = Lifecycle::new();
    lifecycle.listen(settings.shutdown_timeout)?;
    let (pipeline, arrivals) = mpsc::channel(ARRIVALS);
    let pace = args.rate.map_or(Duration::ZERO, |rate| rate.per / rate.calls);
    let options = SideOptions { id: plan.replay_id()?, stretches, room: ROOM, decode, pace };
    let mut intake = SideIntake::try_new(&settings.kafka, topics, options, pipeline)?;
    let world = World {
        directory: dependencies.directory,
        index: dependencies.index,
        identities: dependencies.identities,
        cache: dependencies.cache,
        publisher: world::publisher(settings)?,
        offsets: Arc::new(NoOffsets),
    };
    let engine = Engine::new(rules(settings, mode)?, settings.intake.budget, stages(settings), Instant::now());
    let told = Arc::new(Told::default());
    let (soft, hard) = (lifecycle.drain().child_token(), lifecycle.hurry().clone());
    let watcher = Watcher { told: Arc::clone(&told), done: soft.clone(), breakers: BTreeMap::new() };
    let pace = Pace { commit: LOOK, shutdown: settings.shutdown_timeout };
    let working = run(engine, world, arrivals, (soft, hard), (pace, Box::new(watcher)));
    let reading = async {
        intake.read(|record| filter.keep(record)).await?;
        told.all_read.store(true, Ordering::Release);
        std::future::pending::<anyhow::Result<End>>().await
    };
    let end = tokio::select! {
        end = working => end,
        read = reading => read?,
    };
    writeln!(output, "{filter}")?;
    told.summary(&end, &plan, output)
}

/// Ends where the workers stand, or where a person says.
fn bound(
    plan: &mut Plan,
    group: &WorkerGroup,
    topics: &Topics,
    (offset, time): (Option<i64>, Option<i64>),
) -> anyhow::Result<()> {
    let places = plan.partitions.iter().map(|it| it.place(topics)).collect::<anyhow::Result<Vec<_>>>()?;
    let found = time.map(|time| group.at_time(&places, time)).transpose()?;
    for (it, place) in plan.partitions.iter_mut().zip(places) {
        let until = offset.or(found.as_ref().map(|found| found.get(&place).copied().unwrap_or(it.high)));
        it.bound(until);
    }
    Ok(())
}

fn stretches(plan: &Plan, topics: &Topics) -> anyhow::Result<Vec<Stretch>> {
    let some = plan.partitions.iter().filter(|it| it.new < it.until);
    some.map(|it| Ok(Stretch { partition: it.place(topics)?, from: it.new, until: it.until })).collect()
}

/// Nothing of a side replay is committed.
struct NoOffsets;

impl OffsetSink for NoOffsets {
    fn commit(&self, _: Vec<CommitPoint>) {}
}

/// What came of it so far.
#[derive(Default)]
struct Told {
    all_read: AtomicBool,
    all_settled: AtomicBool,
    endings: std::sync::Mutex<BTreeMap<&'static str, u64>>,
}

/// Ends the pipeline when everything is read and settled.
struct Watcher {
    told: Arc<Told>,
    done: CancellationToken,
    breakers: BTreeMap<&'static str, BreakerState>,
}

impl Observer for Watcher {
    fn notes(&mut self, engine: &mut Engine, _: Now) {
        // Order: read before it is looked at, so that what came last is in the engine.
        let all_read = self.told.all_read.load(Ordering::Acquire);
        for note in engine.take_notes() {
            if let Note::Ended { ending, .. } = note
                && let Ok(mut endings) = self.told.endings.lock()
            {
                *endings.entry(ending.status.name()).or_default() += 1;
            }
        }
        for stage in StageName::ALL {
            let state = engine.stage(stage).state();
            if self.breakers.get(stage.label()).unwrap_or(&BreakerState::Closed) != state {
                tracing::warn!(stage = stage.label(), ?state, "the dependency is away, or works again: its work waits");
                self.breakers.insert(stage.label(), state.clone());
            }
        }
        let is_settled = engine.is_idle() && engine.partitions().all(|(_, state)| state.ledger.unsettled() == 0);
        if all_read && is_settled && !self.done.is_cancelled() {
            self.told.all_settled.store(true, Ordering::Release);
            self.done.cancel();
        }
    }

    fn completed(&mut self, _: &Completion, _: Duration) {}

    fn gauges(&mut self, _: &Engine, _: Now) {}
}

impl Told {
    fn summary(&self, end: &End, plan: &Plan, output: &mut (dyn Write + Send)) -> anyhow::Result<Exit> {
        let endings = self.endings.lock().map(|endings| endings.clone()).unwrap_or_default();
        for (status, count) in &endings {
            writeln!(output, "{count} {status}")?;
        }
        if *end == End::Stalled {
            anyhow::bail!("no item has completed for two minutes although there is work: giving up");
        }
        if !self.all_settled.load(Ordering::Acquire) {
            writeln!(output, "interrupted: the same again begins at the beginning, which harms nobody")?;
            return Ok(Exit::Left);
        }
        writeln!(output, "replay {}: all of it is settled, the workers' group is where it was", plan.id)?;
        let failures = [Status::Failed, Status::Partial].map(Status::name);
        Ok(if failures.iter().any(|name| endings.contains_key(name)) { Exit::Left } else { Exit::Done })
    }
}
