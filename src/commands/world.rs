//! Builds the adapters from the settings: the only place that knows which technology fills which role.

use std::sync::Arc;

use anyhow::Context as _;

use crate::adapters::cassandra::CassandraDirectory;
use crate::adapters::kafka::{KafkaPublisher, TopicAdmin, Topics};
use crate::adapters::keycloak::{AdminApi, PgIdentityStore};
use crate::adapters::sync_api::SyncApi;
use crate::ports::{IdentityStore, Publisher, SearchIndex, UserCache, UserDirectory};
use crate::settings::Settings;

/// The dependencies, not contacted yet.
pub struct Dependencies {
    pub directory: Arc<dyn UserDirectory>,
    pub index: Arc<dyn SearchIndex>,
    pub identities: Arc<dyn IdentityStore>,
    /// `None` without the Admin API step.
    pub cache: Option<Arc<dyn UserCache>>,
}

impl Dependencies {
    /// # Errors
    /// When a setting cannot be used; the error names its key.
    pub fn try_new(settings: &Settings) -> anyhow::Result<Self> {
        let keycloak = &settings.keycloak;
        let admin_api = keycloak
            .admin_api
            .enabled
            .then(|| AdminApi::try_new(keycloak).context("keycloak.admin_api"))
            .transpose()?
            .map(Arc::new);
        let cache = admin_api.clone().map(|api| api as Arc<dyn UserCache>);
        Ok(Self {
            directory: Arc::new(CassandraDirectory::new(&settings.cassandra).context("cassandra")?),
            index: Arc::new(SyncApi::new(&settings.sync).context("sync")?),
            identities: Arc::new(PgIdentityStore::new(keycloak, &settings.purge, admin_api)),
            cache,
        })
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
pub fn publisher(settings: &Settings) -> anyhow::Result<Arc<dyn Publisher>> {
    Ok(Arc::new(KafkaPublisher::try_new(&settings.kafka, topics(settings)?)?))
}
