//! `replay side`: a pipeline of its own reads `[from, until)` beside the workers, and ends when all of it is settled.
//!
//! It belongs to no group and commits nothing: cut off, it is run again. Follow-ups go to the delay topic, as always, and
//! are the running workers'.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::plan::Plan;
use super::{Asked, Drawn, Exit, group, waiting, world};
use crate::adapters::kafka::Topics;
use crate::adapters::kafka::side::{SideIntake, SideOptions, Stretch};
use crate::adapters::kafka::worker_group::WorkerGroup;
use crate::cli::SideArgs;
use crate::commands::answer::{Problem, Teller};
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

pub(super) async fn side(settings: &Settings, args: &SideArgs, teller: &mut Teller<'_>) -> anyhow::Result<Exit> {
    let mode = settings.purge_mode()?;
    let mut filter = Filter::of(args)?;
    // Those who did it first, also where this one only tells what it would do.
    let asked = Asked::of(settings, settings.kafka.group.clone(), (&args.to, &args.scope))?;
    let (group, topics) = (group(settings, &asked.group)?, world::topics(settings)?);
    let (names, until) = (Arc::clone(&topics), (args.until_offset, args.until_timestamp));
    let drawn = waiting(move || {
        let mut plan = asked.plan(&group)?;
        bound(&mut plan, &group, &names, until)?;
        Drawn::of(plan, &asked, &group)
    })
    .await?;
    teller.meanwhile(drawn.shown())?;
    let stretches = stretches(&drawn.plan, &topics)?;
    if stretches.is_empty() {
        teller.tell(&Sided { drawn: &drawn, filter: &filter, endings: BTreeMap::new(), is_settled: true })?;
        return Ok(Exit::Done);
    }
    let dependencies = Dependencies::try_new(settings, None)?;
    if let Some(exit) = checked(&dependencies, mode).await {
        teller.tell(&Problem::new("nothing is done", "a person must mend something first, as logged"))?;
        return Ok(exit);
    }
    let lifecycle = Lifecycle::new();
    lifecycle.listen(settings.shutdown_timeout)?;
    let (pipeline, arrivals) = mpsc::channel(ARRIVALS);
    let pace = args.rate.map_or(Duration::ZERO, |rate| rate.per / rate.calls);
    let options = SideOptions { id: drawn.plan.replay_id()?, stretches, room: ROOM, decode, pace };
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
    if end == End::Stalled {
        anyhow::bail!("no item has completed for two minutes although there is work: giving up");
    }
    let sided = told.sided(&drawn, &filter);
    teller.tell(&sided)?;
    Ok(sided.exit())
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
            if state.is_news_after(self.breakers.get(stage.label()).unwrap_or(&BreakerState::Closed)) {
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
    fn sided<'a>(&self, drawn: &'a Drawn, filter: &'a Filter) -> Sided<'a> {
        let endings = self.endings.lock().map(|endings| endings.clone()).unwrap_or_default();
        Sided { drawn, filter, endings, is_settled: self.all_settled.load(Ordering::Acquire) }
    }
}

/// What came of it in the end.
struct Sided<'a> {
    drawn: &'a Drawn,
    filter: &'a Filter,
    /// Users, by how they ended.
    endings: BTreeMap<&'static str, u64>,
    /// Otherwise it was interrupted.
    is_settled: bool,
}

impl Sided<'_> {
    fn exit(&self) -> Exit {
        let failures = [Status::Failed, Status::Partial].map(Status::name);
        let has_failures = failures.iter().any(|name| self.endings.contains_key(name));
        if self.is_settled && !has_failures { Exit::Done } else { Exit::Left }
    }
}

impl fmt::Display for Sided<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { drawn: Drawn { plan, .. }, filter, endings, is_settled } = self;
        if plan.again() == 0 {
            return writeln!(formatter, "nothing is to be read again");
        }
        writeln!(formatter, "{filter}")?;
        endings.iter().try_for_each(|(status, count)| writeln!(formatter, "{count} {status}"))?;
        if *is_settled {
            writeln!(formatter, "replay {}: all of it is settled, the workers' group is where it was", plan.id)
        } else {
            writeln!(formatter, "interrupted: the same again begins at the beginning, which harms nobody")
        }
    }
}

impl Serialize for Sided<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "plan": self.drawn.shown(),
            "events": self.filter,
            "endings": self.endings,
            "settled": self.is_settled,
        })
        .serialize(serializer)
    }
}
