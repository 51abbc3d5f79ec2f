//! Where `status` finds the search index.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where `status` looks a user up in the search index; the worker never does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Without it the index is not asked.
    pub endpoint: Option<String>,
    pub index: String,
    #[serde(with = "super::fields::duration")]
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
}
