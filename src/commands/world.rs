//! Builds the adapters from the settings: the only place that knows which technology fills which role.

use std::sync::Arc;

use anyhow::Context as _;

use super::check::Probe;
use super::reachable;
use crate::adapters::cassandra::CassandraDirectory;
use crate::adapters::kafka::topic_admin::{CreateOptions, TopicError};
use crate::adapters::kafka::{KafkaPublisher, Topic, TopicAdmin, Topics};
use crate::adapters::keycloak::{AdminApi, Canary, Patience, PgIdentityStore};
use crate::adapters::sync_api::SyncApi;
use crate::adapters::tls::Ends;
use crate::cli::CheckArgs;
use crate::ports::canary::CanaryWatch;
use crate::ports::scan::UserScan;
use crate::ports::{Blame, Disposition, Failure, IdentityStore, Publisher, SearchIndex, UserCache, UserDirectory};
use crate::settings::{PurgeMode, Settings};

/// By the dependency's label.
pub type Certificates = Vec<(&'static str, Ends)>;

/// The dependencies, not contacted yet.
#[derive(Clone)]
pub struct Dependencies {
    pub directory: Arc<dyn UserDirectory>,
    pub index: Arc<dyn SearchIndex>,
    pub identities: Arc<dyn IdentityStore>,
    /// `None` without the Admin API step.
    pub cache: Option<Arc<dyn UserCache>>,
    /// The index as what it is, for a greeting.
    pub sync_api: Arc<SyncApi>,
    /// When those of each dependency end.
    pub certificates: Certificates,
}

impl Dependencies {
    /// `watch` is told what the canary sees; without it there is none.
    ///
    /// # Errors
    /// When a setting cannot be used; the error names its key.
    pub fn try_new(settings: &Settings, watch: Option<Arc<dyn CanaryWatch>>) -> anyhow::Result<Self> {
        let keycloak = &settings.keycloak;
        let admin_api = keycloak
            .admin_api
            .enabled
            .then(|| AdminApi::try_new(keycloak).context("keycloak.admin_api"))
            .transpose()?
            .map(Arc::new);
        let cache = admin_api.clone().map(|api| api as Arc<dyn UserCache>);
        let directory = Arc::new(CassandraDirectory::new(&settings.cassandra).context("cassandra")?);
        let sync_api = Arc::new(SyncApi::new(&settings.sync).context("sync")?);
        let mut certificates = vec![("cassandra", directory.certificates()), ("sync_api", sync_api.certificates())];
        certificates.extend(admin_api.as_ref().map(|api| ("keycloak_admin_api", api.certificates())));
        let canary = watch.and_then(|watch| {
            Canary::of(keycloak, &settings.purge, Patience::with_sweeps_after(settings.delay.after), watch)
        });
        let identities = Arc::new(PgIdentityStore::new(keycloak, &settings.purge, admin_api).watched_by(canary));
        certificates.push(("keycloak_database", identities.certificates()));
        let index = Arc::clone(&sync_api) as Arc<dyn SearchIndex>;
        Ok(Self { directory, index, identities, cache, sync_api, certificates })
    }
}

/// # Errors
/// When a name is empty or used twice.
pub fn topics(settings: &Settings) -> anyhow::Result<Arc<Topics>> {
    Ok(Arc::new(Topics::try_new(&settings.env, &settings.topics)?))
}

/// # Errors
/// When a property is refused.
pub fn topic_admin(settings: &Settings) -> anyhow::Result<TopicAdmin> {
    Ok(TopicAdmin::try_new(&settings.kafka, topics(settings)?)?)
}

/// # Errors
/// When a property is refused.
pub fn kafka_publisher(settings: &Settings) -> anyhow::Result<Arc<KafkaPublisher>> {
    Ok(Arc::new(KafkaPublisher::try_new(&settings.kafka, topics(settings)?)?))
}

/// # Errors
/// When a property is refused.
pub fn publisher(settings: &Settings) -> anyhow::Result<Arc<dyn Publisher>> {
    kafka_publisher(settings).map(|publisher| publisher as Arc<dyn Publisher>)
}

/// The user table, not contacted yet.
///
/// # Errors
/// When a setting cannot be used.
pub fn scan(settings: &Settings) -> anyhow::Result<Arc<dyn UserScan>> {
    Ok(Arc::new(CassandraDirectory::new(&settings.cassandra).context("cassandra")?))
}

/// What `check` asks: every address, then every role that these settings use. With `--create-topics` the topics that
/// are missing are made first.
///
/// # Errors
/// When a setting cannot be used.
pub fn probes(settings: &Settings, args: &CheckArgs) -> anyhow::Result<Vec<Probe>> {
    let mut probes = reachable::probes(settings);
    probes.push(topics_probe(topic_admin(settings)?, args));
    let Dependencies { directory, identities, cache, sync_api, .. } = Dependencies::try_new(settings, None)?;
    if sync_api.speaks_tls() {
        probes.push(Probe {
            name: "sync api's certificate".to_owned(),
            keys: "sync.endpoint, sync.ca_file",
            ask: Box::pin(async move { sync_api.greet().await }),
        });
    }
    probes.push(Probe {
        name: "cassandra's users".to_owned(),
        keys: "cassandra.*",
        ask: Box::pin(async move { directory.probe().await }),
    });
    if settings.purge.mode != Some(PurgeMode::Off) {
        probes.push(Probe {
            name: "keycloak's schema".to_owned(),
            keys: "keycloak.*",
            ask: Box::pin(async move { identities.probe().await }),
        });
    }
    if let Some(cache) = cache {
        probes.push(Probe {
            name: "keycloak's admin api".to_owned(),
            keys: "keycloak.admin_api.*",
            ask: Box::pin(async move { cache.probe().await }),
        });
    }
    Ok(probes)
}

fn topics_probe(admin: TopicAdmin, args: &CheckArgs) -> Probe {
    let options = args
        .create_topics
        .then_some(CreateOptions { partitions: args.partitions, include_delete_topic: args.with_delete_topic });
    let ask = async move {
        if let Some(options) = options {
            let created = admin.create(options).await.map_err(failure_of_topics)?;
            tracing::info!(topics = ?created.iter().map(|topic| topic.label()).collect::<Vec<_>>(), "created");
        }
        admin.require(&Topic::ALL).await.map_err(failure_of_topics)?;
        for warning in admin.warnings().await.map_err(failure_of_topics)? {
            tracing::warn!("{warning}");
        }
        Ok(())
    };
    Probe { name: "kafka's topics".to_owned(), keys: "kafka.*, topics.*, env", ask: Box::pin(ask) }
}

/// Kafka away may pass; whatever else is wrong with topics a person must mend.
pub(super) fn failure_of_topics(error: TopicError) -> Failure {
    let disposition = match error {
        TopicError::Unreachable(_) => Disposition::Retry(Blame::Server),
        TopicError::Client(_) | TopicError::Terms(_) | TopicError::Missing { .. } | TopicError::Refused { .. } => {
            Disposition::Hold
        }
    };
    Failure::new(disposition, "topics").because(error)
}
