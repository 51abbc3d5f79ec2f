//! How users are purged, how the purge is proved, and what stops one that is not meant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeSettings {
    /// No default: what happens to people's rows is decided by a person.
    #[serde(default, deserialize_with = "fields::optional_choice")]
    pub mode: Option<PurgeMode>,
    pub block_size: usize,
    pub concurrency: usize,
    #[serde(with = "super::fields::duration")]
    pub linger: Duration,
    #[serde(deserialize_with = "fields::choice")]
    pub verify: Verify,
    #[serde(with = "super::fields::duration")]
    pub canary_every: Duration,
    /// 0: no limit.
    pub max_rows_per_user: u64,
    /// 0: no limit.
    pub max_users_per_hour: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurgeMode {
    Delete,
    DryRun,
    Off,
}

/// How it is proved that nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// What is left in every known table is counted before the commit.
    Count,
    /// And now and then every text of the schema is searched for a purged user.
    Canary,
}
