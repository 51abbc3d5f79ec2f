//! `run`: the composition root. Builds everything, announces it, runs it, drains it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;

use super::Exit;
use super::canary_log::CanaryLog;
use super::life::Life;
use super::renewal::Renewal;
use super::world::{self, Dependencies};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::topic_admin::{TopicAdmin, TopicError};
use crate::admin::overview::{About, Overview};
use crate::admin::{self, Health, Shown};
use crate::domain::ids::InputTopic;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::ports::Disposition;
use crate::ports::pulse::Pulse;
use crate::settings::{PurgeMode, Settings};

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
    let mut renewal = Renewal::new(&settings, topics(mode));
    // Order: only Kafka must answer before readiness; whoever else is away is an outage, and an outage is survived.
    if let Some(exit) = await_topics(&settings, &topics(mode), &lifecycle).await? {
        return Ok(exit.into());
    }
    if let Some(exit) = checked(&dependencies, mode).await {
        return Ok(exit.into());
    }
    let life = Life { settings: &settings, mode, dependencies, metrics, overview, health, pulse, address };
    loop {
        // Large, and awaited for as long as the worker runs.
        if let Some(exit) = Box::pin(life.live(&lifecycle, &mut renewal)).await? {
            return Ok(exit.into());
        }
        tracing::info!("going on with other kafka clients");
    }
}

fn about(settings: &Settings) -> About {
    let (env, group, mode) = (settings.env.clone(), settings.group(), settings.purge.mode);
    About { version: env!("CARGO_PKG_VERSION"), env, group, mode }
}

/// A dry run reads what others ask for, never our own follow-ups.
pub(super) fn inputs(mode: PurgeMode) -> Vec<InputTopic> {
    match mode {
        PurgeMode::DryRun => vec![InputTopic::Delete, InputTopic::Request],
        PurgeMode::Delete | PurgeMode::Off => InputTopic::ALL.to_vec(),
    }
}

/// What is read and written.
fn topics(mode: PurgeMode) -> Vec<Topic> {
    let outputs: &[Topic] = match mode {
        PurgeMode::DryRun => &[Topic::Status],
        PurgeMode::Delete | PurgeMode::Off => &[Topic::Status, Topic::Failed, Topic::Control],
    };
    inputs(mode).into_iter().map(Topic::from).chain(outputs.iter().copied()).collect()
}

/// Waits for Kafka; a missing topic, or a Kafka that refuses us, ends the start.
async fn await_topics(settings: &Settings, wanted: &[Topic], lifecycle: &Lifecycle) -> anyhow::Result<Option<Exit>> {
    let admin = world::topic_admin(settings)?;
    let required = required(&admin, wanted, &settings.kafka.brokers);
    Ok(lifecycle.drain().run_until_cancelled(required).await.unwrap_or(Some(Exit::Done)))
}

async fn required(admin: &TopicAdmin, wanted: &[Topic], brokers: &str) -> Option<Exit> {
    let mut told = false;
    loop {
        match admin.require(wanted).await {
            Ok(()) => return None,
            Err(TopicError::Unreachable(_)) if !told => {
                tracing::warn!(brokers, "kafka does not answer yet (kafka.brokers)");
                told = true;
            }
            Err(TopicError::Unreachable(_)) => {}
            Err(error) => {
                tracing::error!(%error, "held at start");
                return Some(Exit::Held);
            }
        }
        tokio::time::sleep(KAFKA_PAUSE).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Loaded;

    /// A question that Kafka does not answer takes ten seconds.
    #[test]
    fn who_still_asks_for_kafka_stops_at_once() {
        let variables = [("ENV", "dev"), ("KAFKA__BROKERS", "127.0.0.1:1")];
        let variables = variables.map(|(key, value)| (format!("USER_PURGE_SYNC__{key}"), value.to_owned()));
        let settings = Loaded::load(None, variables.into_iter()).unwrap().settings;
        let (lifecycle, runtime) = (Lifecycle::new(), tokio::runtime::Runtime::new().unwrap());
        let stopped = runtime.block_on(async {
            // In this order: it asks first.
            let stopped = async {
                tokio::join!(
                    biased;
                    await_topics(&settings, &[Topic::Status], &lifecycle),
                    async { lifecycle.drain().cancel() },
                )
            };
            tokio::time::timeout(Duration::from_secs(2), stopped).await
        });
        runtime.shutdown_background();
        assert_eq!(stopped.unwrap().0.unwrap(), Some(Exit::Done));
    }
}
