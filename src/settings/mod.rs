//! The configuration: `config/default.toml` is its reference, this file its shape.
//!
//! `load` puts the layers on top of each other, `aliases` knows Sunbird's own names, `validate` the rules between keys.

mod admin_api;
mod aliases;
mod batch_job;
mod fields;
mod keycloak_tables;
mod layer;
mod load;
mod properties;
mod purge;
mod rules;
mod search;
mod shape;
#[cfg(test)]
mod tests;
mod trail;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use admin_api::AdminApiSettings;
pub use batch_job::{BatchJob, with_context_params};
pub use keycloak_tables::{TableAction, TableChoice};
pub use load::{Loaded, Origins, Problem, SettingsError, environment};
pub use properties::{RESERVED_PROPERTIES, reserved_property};
pub use purge::{PurgeMode, PurgeSettings, Verify};
pub use rules::CallRate;
pub use search::SearchSettings;
pub use trail::{EventPolicy, TrailSettings};

/// Everything that can be set. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub env: String,
    #[serde(with = "fields::duration")]
    pub drain_timeout: Duration,
    #[serde(with = "fields::duration")]
    pub shutdown_timeout: Duration,
    pub kafka: KafkaSettings,
    pub topics: TopicSettings,
    pub intake: IntakeSettings,
    pub guard: GuardSettings,
    pub cassandra: CassandraSettings,
    pub sync: SyncSettings,
    pub search: SearchSettings,
    pub purge: PurgeSettings,
    pub keycloak: KeycloakSettings,
    pub retry: RetrySettings,
    pub delay: DelaySettings,
    pub http: HttpSettings,
    pub log: LogSettings,
}

impl Settings {
    /// `purge.mode`, which only `run` needs.
    ///
    /// # Errors
    /// When nobody has decided: names the choices.
    pub fn purge_mode(&self) -> Result<PurgeMode, SettingsError> {
        const UNDECIDED: &str = "is not set, and has no default: what happens to people's rows is decided by a person.
    \"delete\"   the rows go
    \"dry-run\"  nothing is synced or deleted; the status topic tells what would be done. Start with this one
    \"off\"      users are synced only
  Set it in a file, or as USER_PURGE_SYNC__PURGE__MODE";
        self.purge.mode.ok_or_else(|| Problem::new("purge.mode", UNDECIDED).into())
    }

    /// The consumer group: a dry run has one of its own, so that it takes no event away from the real one.
    pub fn group(&self) -> String {
        let group = &self.kafka.group;
        match (self.purge.mode, group.strip_suffix("-group")) {
            (Some(PurgeMode::DryRun), Some(name)) => format!("{name}-dry-run-group"),
            (Some(PurgeMode::DryRun), None) => format!("{group}-dry-run"),
            _ => group.clone(),
        }
    }
}

impl KafkaSettings {
    /// The group of `redrive`, which nobody is a member of: its offsets say how far the failed topic is worked off.
    pub fn redrive_group(&self) -> String {
        format!("{}-redrive-group", self.group.strip_suffix("-group").unwrap_or(&self.group))
    }
}

/// Its `Debug` redacts secrets among the properties.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    pub brokers: String,
    /// `{env}` is replaced when it is loaded.
    pub group: String,
    #[serde(with = "fields::duration")]
    pub session_timeout: Duration,
    #[serde(with = "fields::duration")]
    pub commit_interval: Duration,
    /// Further librdkafka properties, for both clients (security, compression, …).
    #[serde(default, deserialize_with = "fields::dotted", serialize_with = "fields::redacted_properties")]
    pub properties: BTreeMap<String, String>,
    /// Properties whose values are in files: the property and the path.
    #[serde(default, deserialize_with = "fields::dotted")]
    pub property_files: BTreeMap<String, String>,
}

/// Names of topics; `{env}` is replaced when they are loaded.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    pub delete: String,
    pub request: String,
    pub delay: String,
    pub status: String,
    pub failed: String,
    pub control: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeSettings {
    pub budget: usize,
    pub page: usize,
    pub parked: usize,
    pub reject_limit: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GuardSettings {
    #[serde(with = "fields::duration")]
    pub max_age: Duration,
    #[serde(deserialize_with = "fields::choice")]
    pub missing_user: MissingUser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingUser {
    Skip,
    Purge,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    pub enabled: bool,
    /// PEM; the system's roots when absent.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CassandraSettings {
    /// `host` or `host:port`.
    pub hosts: Vec<String>,
    pub port: u16,
    pub username: String,
    #[serde(serialize_with = "fields::redacted")]
    pub password: SecretString,
    /// Read at each new connection; instead of `password`.
    pub password_file: Option<PathBuf>,
    pub keyspace: String,
    pub consistency_level: String,
    /// Empty: no preference.
    pub local_datacenter: String,
    /// Object type → table.
    pub tables: BTreeMap<String, String>,
    #[serde(with = "fields::duration")]
    pub timeout: Duration,
    pub block_size: usize,
    pub concurrency: usize,
    pub tls: TlsSettings,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSettings {
    pub endpoint: String,
    #[serde(serialize_with = "fields::redacted")]
    pub api_key: SecretString,
    /// Read at each call; instead of `api_key`.
    pub api_key_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::choice")]
    pub mode: SyncMode,
    /// An upper bound; what is 0 or less in a file has become 100.
    pub block_size: i64,
    pub concurrency: usize,
    /// `5000/h`, `100/s`, `600/min`.
    pub max_calls: Option<String>,
    #[serde(with = "fields::duration")]
    pub linger: Duration,
    #[serde(with = "fields::duration")]
    pub timeout: Duration,
    #[serde(with = "fields::duration")]
    pub settle_delay: Duration,
    #[serde(with = "fields::duration")]
    pub ambiguity: Duration,
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    Verify,
    Fire,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeycloakSettings {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub username: String,
    #[serde(serialize_with = "fields::redacted")]
    pub password: SecretString,
    /// Read at each new connection; instead of `password`.
    pub password_file: Option<PathBuf>,
    pub schema: String,
    /// The realm's name; its id is looked up.
    pub realm: String,
    pub provider_id: String,
    pub former_providers: Vec<String>,
    /// User ids that are never purged.
    pub deny_list: Vec<String>,
    #[serde(with = "fields::duration")]
    pub statement_timeout: Duration,
    #[serde(with = "fields::duration")]
    pub lock_timeout: Duration,
    /// A major version that this worker does not know and somebody has looked at.
    pub allow_version: Option<String>,
    /// What becomes of tables that are not Keycloak's own.
    #[serde(default)]
    pub tables: BTreeMap<String, TableChoice>,
    pub tls: TlsSettings,
    pub trail: TrailSettings,
    pub admin_api: AdminApiSettings,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    pub attempts: u32,
    #[serde(with = "fields::duration")]
    pub time: Duration,
    #[serde(with = "fields::duration")]
    pub first_pause: Duration,
    #[serde(with = "fields::duration")]
    pub max_pause: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DelaySettings {
    #[serde(with = "fields::duration")]
    pub after: Duration,
    pub looks: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    pub listen: String,
    /// On the page, of whom the last failures tell.
    pub show_user_ids: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    #[serde(deserialize_with = "fields::choice")]
    pub format: LogFormat,
    /// `tracing` filter directives.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    Text,
    Json,
}
