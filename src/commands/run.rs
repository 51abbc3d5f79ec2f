//! `run`: the composition root. Builds everything, announces it, runs it, drains it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture, join};
use tokio::sync::mpsc;

use super::Exit;
use super::canary_log::CanaryLog;
use super::observe::PipelineObserver;
use super::orders::{self, Orders};
use super::outlook::{Outlook, Retentions};
use super::rules::{rules, stages};
use super::world::{self, Dependencies};
use crate::adapters::kafka::topic_admin::TopicError;
use crate::adapters::kafka::{Flushed, Intake, IntakeError, IntakeOptions, Topic};
use crate::admin::overview::{About, Overview};
use crate::admin::{self, Health, Shown};
use crate::domain::decode::decode;
use crate::domain::ids::InputTopic;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::pipeline::engine::Engine;
use crate::pipeline::run::{End, Pace, World};
use crate::ports::log::Arrival;
use crate::ports::pulse::Pulse;
use crate::ports::{Disposition, Publisher};
use crate::settings::{PurgeMode, Settings};

/// Records of one partition that may wait unopened.
const ROOM: usize = 512;
/// Between looks for a Kafka that does not answer at the start.
const KAFKA_PAUSE: Duration = Duration::from_secs(1);

/// The worker, until it is told to stop.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let mode = settings.purge_mode()?;
    let lifecycle = Lifecycle::new();
    lifecycle.listen(settings.shutdown_timeout)?;
    let (metrics, pulse) = (Arc::new(Metrics::new()), Arc::new(Pulse::new()));
    let health = Arc::new(Health::new(Arc::clone(&pulse), lifecycle.drain().clone()));
    let overview = Arc::new(Overview::new(about(&settings)));
    let shown = Shown { health: Arc::clone(&health), metrics: Arc::clone(&metrics), overview: Arc::clone(&overview) };
    let address = admin::serve(&settings.http.listen, shown)?;
    let dependencies = Dependencies::try_new(&settings, Some(Arc::new(CanaryLog::new(Arc::clone(&metrics)))))?;
    let publisher = world::publisher(&settings)?;
    // Order: only Kafka must answer before readiness; whoever else is away is an outage, and an outage is survived.
    if let Some(exit) = await_topics(&settings, mode, &lifecycle).await? {
        return Ok(exit.into());
    }
    if let Some(exit) = checked(&dependencies, mode).await {
        return Ok(exit.into());
    }
    let (intake, arrivals) = start_intake(&settings, inputs(mode), pulse)?;
    let obeying = obeying(&settings, mode, (&intake, &publisher), &lifecycle).await?;
    let retentions = Retentions::default();
    let beside = join(obeying, retentions.clone().follow(world::topic_admin(&settings)?)).map(drop).boxed();
    health.set_started();
    tracing::info!(env = settings.env, ?mode, http = %address, "running");

    let world = World {
        directory: dependencies.directory,
        index: dependencies.index,
        identities: dependencies.identities,
        cache: dependencies.cache,
        publisher,
        offsets: Arc::new(intake.committer()),
    };
    let engine = Engine::new(rules(&settings, mode)?, settings.intake.budget, stages(&settings), Instant::now());
    let observer = PipelineObserver::new((metrics, overview), &settings, intake.committer(), intake.watermarks())
        .with_outlook(Outlook::new(dependencies.certificates, &settings.kafka, retentions));
    let pace = Pace { commit: settings.kafka.commit_interval, shutdown: settings.shutdown_timeout };
    until_the_end((engine, world, arrivals), (intake, beside), &lifecycle, (pace, observer)).await
}

/// Orders to running workers. A dry run writes statuses only, so it could not even answer.
async fn obeying(
    settings: &Settings,
    mode: PurgeMode,
    (intake, publisher): (&Intake, &Arc<dyn Publisher>),
    lifecycle: &Lifecycle,
) -> anyhow::Result<BoxFuture<'static, ()>> {
    let topics = world::topics(settings)?;
    let heard = match mode {
        PurgeMode::DryRun => None,
        PurgeMode::Delete | PurgeMode::Off => orders::listen(settings, &topics, lifecycle.drain()).await,
    };
    let (group, reseeks, publisher) = (settings.group(), intake.reseeks(), Arc::clone(publisher));
    let orders = Orders { group, topics, reseeks, publisher, worker: orders::worker_name() };
    Ok(match heard {
        Some(heard) => orders.obey(heard).boxed(),
        None => std::future::pending().boxed(),
    })
}

fn about(settings: &Settings) -> About {
    let (env, group, mode) = (settings.env.clone(), settings.group(), settings.purge.mode);
    About { version: env!("CARGO_PKG_VERSION"), env, group, mode }
}

type Parts = (Engine, World, mpsc::Receiver<Arrival>);

async fn until_the_end(
    (engine, world, arrivals): Parts,
    (mut intake, beside): (Intake, BoxFuture<'static, ()>),
    lifecycle: &Lifecycle,
    (pace, observer): (Pace, PipelineObserver),
) -> anyhow::Result<ExitCode> {
    let tokens = (lifecycle.drain().clone(), lifecycle.hurry().clone());
    let pipeline = crate::pipeline::run::run(engine, world, arrivals, tokens, (pace, Box::new(observer)));
    let end = tokio::select! {
        end = pipeline => end,
        failure = intake.failure() => return Err(failure.into()),
        () = beside => unreachable!("orders are obeyed, and retention is followed, for as long as it is polled"),
    };
    match end {
        End::Closed(points) => match intake.close(points).await {
            Ok(()) => {
                tracing::info!("stopped: what was begun is settled and committed");
                Ok(Exit::Done.into())
            }
            // Nobody has to mend anything: whoever has the partitions now does it again, which is harmless.
            Err(IntakeError::FinalCommit(Flushed::Fenced)) => {
                tracing::warn!("stopped in the middle of a rebalance: what was settled last may be done again");
                Ok(Exit::Done.into())
            }
            Err(error) => Err(error).context("the last offsets may not be committed"),
        },
        End::IntakeGone => Err(intake.failure().await.into()),
        End::Stalled => anyhow::bail!("no item has completed for two minutes although there is work: giving up"),
    }
}

/// A dry run reads what others ask for, never our own follow-ups.
fn inputs(mode: PurgeMode) -> Vec<InputTopic> {
    match mode {
        PurgeMode::DryRun => vec![InputTopic::Delete, InputTopic::Request],
        PurgeMode::Delete | PurgeMode::Off => InputTopic::ALL.to_vec(),
    }
}

fn start_intake(
    settings: &Settings,
    inputs: Vec<InputTopic>,
    pulse: Arc<Pulse>,
) -> anyhow::Result<(Intake, mpsc::Receiver<Arrival>)> {
    let group = settings.group();
    let options = IntakeOptions { group, inputs, room: ROOM, drain_timeout: settings.drain_timeout, decode, pulse };
    Ok(Intake::start(&settings.kafka, &world::topics(settings)?, &options)?)
}

/// Waits for Kafka; a missing topic ends the start.
async fn await_topics(settings: &Settings, mode: PurgeMode, lifecycle: &Lifecycle) -> anyhow::Result<Option<Exit>> {
    let admin = world::topic_admin(settings)?;
    let outputs: &[Topic] = match mode {
        PurgeMode::DryRun => &[Topic::Status],
        PurgeMode::Delete | PurgeMode::Off => &[Topic::Status, Topic::Failed, Topic::Control],
    };
    let wanted: Vec<Topic> = inputs(mode).into_iter().map(Topic::from).chain(outputs.iter().copied()).collect();
    let mut told = false;
    loop {
        match admin.require(&wanted).await {
            Ok(()) => return Ok(None),
            Err(TopicError::Unreachable(_)) if !told => {
                tracing::warn!(brokers = settings.kafka.brokers, "kafka does not answer yet (kafka.brokers)");
                told = true;
            }
            Err(TopicError::Unreachable(_)) => {}
            Err(error) => {
                tracing::error!(%error, "held at start");
                return Ok(Some(Exit::Held));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(KAFKA_PAUSE) => {}
            () = lifecycle.drain().cancelled() => return Ok(Some(Exit::Done)),
        }
    }
}

/// What a person must mend ends the start; a dependency that is away does not.
pub(super) async fn checked(dependencies: &Dependencies, mode: PurgeMode) -> Option<Exit> {
    let identities = async { if mode == PurgeMode::Off { Ok(()) } else { dependencies.identities.probe().await } };
    let cache = async {
        match &dependencies.cache {
            Some(cache) if mode == PurgeMode::Delete => cache.probe().await,
            Some(_) | None => Ok(()),
        }
    };
    // In the clear there is nothing to find: whether the service works is seen by what it answers about users.
    let sync_api = Some(&dependencies.sync_api).filter(|api| api.speaks_tls() && mode != PurgeMode::DryRun);
    let certificate = OptionFuture::from(sync_api.map(|api| api.greet()));
    let probed = tokio::join!(dependencies.directory.probe(), identities, cache, certificate);
    let (directory, identities, cache, certificate) = probed;
    let answers = [("cassandra", directory), ("keycloak database", identities), ("keycloak admin api", cache)];
    let answers = answers.into_iter().chain(certificate.map(|answer| ("sync api's certificate", answer)));
    let mut exit = None;
    for (dependency, answer) in answers {
        match answer {
            Ok(()) => tracing::info!(dependency, "checked"),
            Err(failure) => match failure.disposition {
                Disposition::Retry(_) => {
                    tracing::warn!(dependency, problem = failure.story(), "away at the start: its work waits");
                }
                Disposition::Reject | Disposition::Hold => {
                    tracing::error!(dependency, problem = failure.story(), "held at start");
                    exit = Some(Exit::Held);
                }
            },
        }
    }
    exit
}
