//! One life of the worker's Kafka clients: joins the group, works, drains, leaves. A process has several of them when
//! [`Renewal`] says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::observe::PipelineObserver;
use super::orders::{self, Orders};
use super::outlook::{Outlook, Retentions};
use super::renewal::Renewal;
use super::rules::{rules, stages};
use super::run::inputs;
use super::world::{self, Dependencies};
use crate::adapters::kafka::{Contact, Flushed, Intake, IntakeError, IntakeOptions, Troubles};
use crate::admin::Health;
use crate::admin::overview::Overview;
use crate::domain::decode::decode;
use crate::lifecycle::Lifecycle;
use crate::metrics::{Metrics, RenewalCause};
use crate::pipeline::engine::Engine;
use crate::pipeline::run::{End, Pace, World};
use crate::ports::Publisher;
use crate::ports::log::Arrival;
use crate::ports::pulse::Pulse;
use crate::settings::{PurgeMode, Settings};

/// Records of one partition that may wait unopened.
const ROOM: usize = 512;

/// What outlives the clients.
pub(super) struct Life<'a> {
    pub(super) settings: &'a Settings,
    pub(super) mode: PurgeMode,
    pub(super) dependencies: Dependencies,
    pub(super) metrics: Arc<Metrics>,
    pub(super) overview: Arc<Overview>,
    pub(super) health: Arc<Health>,
    pub(super) pulse: Arc<Pulse>,
    /// Where the page is.
    pub(super) address: SocketAddr,
}

/// How the clients are told to end: of this life alone, or of the process.
struct Ending {
    drain: CancellationToken,
    hurry: CancellationToken,
}

impl Life<'_> {
    /// Until the process is to stop, or, `None`, other clients are to go on.
    ///
    /// # Errors
    /// When it cannot start, or cannot go on.
    pub(super) async fn live(&self, lifecycle: &Lifecycle, renewal: &mut Renewal<'_>) -> anyhow::Result<Option<Exit>> {
        let settings = self.settings;
        let publisher = world::kafka_publisher(settings)?;
        let (intake, arrivals) = self.start_intake()?;
        let troubles = intake.troubles();
        let clients = [publisher.contact(), troubles.contact()];
        let publisher: Arc<dyn Publisher> = publisher;
        let (obeying, listener) = self.obeying(&intake, &publisher, lifecycle).await?;
        let clients: Vec<_> = clients.into_iter().chain(listener).collect();
        let retentions = Retentions::default();
        let beside = join(obeying, retentions.clone().follow(world::topic_admin(settings)?)).map(drop).boxed();
        self.health.set_started();
        tracing::info!(env = settings.env, mode = ?self.mode, http = %self.address, "running");

        let Dependencies { directory, identities, index, cache, certificates, .. } = self.dependencies.clone();
        let world = World { directory, index, identities, cache, publisher, offsets: Arc::new(intake.committer()) };
        let engine = Engine::new(rules(settings, self.mode)?, settings.intake.budget, stages(settings), Instant::now());
        let shown = (Arc::clone(&self.metrics), Arc::clone(&self.overview));
        let observer = PipelineObserver::new(shown, settings, intake.committer(), intake.watermarks())
            .troubled_by(Arc::clone(&troubles))
            .with_outlook(Outlook::new(certificates, &settings.kafka, retentions));
        let pace = Pace { commit: settings.kafka.commit_interval, shutdown: settings.shutdown_timeout };

        let ending = Ending { drain: lifecycle.drain().child_token(), hurry: lifecycle.hurry().child_token() };
        let tokens = (ending.drain.clone(), ending.hurry.clone());
        let pipeline = crate::pipeline::run::run(engine, world, arrivals, tokens, (pace, Box::new(observer)));
        let renewing = async {
            let cause = renewal.due(&clients).await;
            self.metrics.clients_renewed(cause);
            ending.begin(cause, settings, &troubles).await;
        };
        let end = until_the_end(pipeline, intake, beside, renewing).await?;
        if lifecycle.drain().is_cancelled() {
            return end.stopped().map(Some);
        }
        end.left().map(|()| None)
    }

    fn start_intake(&self) -> anyhow::Result<(Intake, mpsc::Receiver<Arrival>)> {
        let settings = self.settings;
        let options = IntakeOptions {
            group: settings.group(),
            inputs: inputs(self.mode),
            room: ROOM,
            drain_timeout: settings.drain_timeout,
            decode,
            pulse: Arc::clone(&self.pulse),
        };
        Ok(Intake::start(&settings.kafka, &world::topics(settings)?, &options)?)
    }

    /// Orders to running workers. A dry run writes statuses only, so it could not even answer.
    async fn obeying(
        &self,
        intake: &Intake,
        publisher: &Arc<dyn Publisher>,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<(BoxFuture<'static, ()>, Option<Contact>)> {
        let settings = self.settings;
        let topics = world::topics(settings)?;
        let heard = match self.mode {
            PurgeMode::DryRun => None,
            PurgeMode::Delete | PurgeMode::Off => orders::listen(settings, &topics, lifecycle.drain()).await,
        };
        let (group, reseeks, worker) = (settings.group(), intake.reseeks(), orders::worker_name());
        let (publisher, metrics) = (Arc::clone(publisher), Arc::clone(&self.metrics));
        let orders = Orders { group, topics, reseeks, publisher, worker, metrics };
        Ok(match heard {
            Some((heard, contact)) => (orders.obey(heard).boxed(), Some(contact)),
            None => (std::future::pending().boxed(), None),
        })
    }
}

impl Ending {
    /// Ends this life; never ready.
    async fn begin(&self, cause: RenewalCause, settings: &Settings, troubles: &Troubles) {
        match cause {
            RenewalCause::Files => tracing::info!("files of kafka.properties have changed: other clients take over"),
            RenewalCause::CutOff => tracing::warn!("kafka answers, but not these clients: others take over"),
        }
        // Where the old clients are not served already, nothing that is under way can be told any more: it is done again.
        let is_served = cause == RenewalCause::Files && troubles.now().is_none();
        let patience = if is_served { settings.shutdown_timeout } else { settings.drain_timeout };
        self.drain.cancel();
        tokio::time::sleep(patience).await;
        self.hurry.cancel();
        std::future::pending::<()>().await;
    }
}

/// How the last commit went.
struct Closed(Result<(), IntakeError>);

async fn until_the_end(
    pipeline: impl Future<Output = End>,
    mut intake: Intake,
    beside: BoxFuture<'static, ()>,
    renewing: impl Future<Output = ()>,
) -> anyhow::Result<Closed> {
    let end = tokio::select! {
        end = pipeline => end,
        failure = intake.failure() => return Err(failure.into()),
        () = beside => unreachable!("orders are obeyed, and retention is followed, for as long as it is polled"),
        () = renewing => unreachable!("it waits for the end of the pipeline"),
    };
    match end {
        End::Closed(points) => Ok(Closed(intake.close(points).await)),
        End::IntakeGone => Err(intake.failure().await.into()),
        End::Stalled => anyhow::bail!("no item has completed for two minutes although there is work: giving up"),
    }
}

impl Closed {
    fn stopped(self) -> anyhow::Result<Exit> {
        match self.0 {
            Ok(()) => {
                tracing::info!("stopped: what was begun is settled and committed");
                Ok(Exit::Done)
            }
            // Nobody has to mend anything: whoever has the partitions now does it again, which is harmless.
            Err(IntakeError::FinalCommit(Flushed::Fenced)) => {
                tracing::warn!("stopped in the middle of a rebalance: what was settled last may be done again");
                Ok(Exit::Done)
            }
            Err(error) => Err(error).context("the last offsets may not be committed"),
        }
    }

    /// The process goes on: what the old clients could not commit is done again by the new ones.
    fn left(self) -> anyhow::Result<()> {
        match self.0 {
            Ok(()) => Ok(()),
            Err(IntakeError::FinalCommit(flushed)) => {
                tracing::warn!(?flushed, "what was settled last is not committed, and is done again");
                Ok(())
            }
            Err(error @ IntakeError::Leave) => {
                tracing::warn!(%error, "the old member is missed when its session ends");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
