//! What the canary tells, as metrics and log lines.

use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Metrics;
use crate::ports::canary::{CanaryReport, CanaryWatch};

pub struct CanaryLog {
    metrics: Arc<Metrics>,
    /// What was told of that our role may not read: said once, not at each search.
    told: Mutex<Vec<String>>,
}

impl CanaryLog {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, told: Mutex::default() }
    }
}

impl CanaryWatch for CanaryLog {
    fn searched(&self, report: &CanaryReport) {
        let CanaryReport { took, columns, found, unreadable, unfinished } = report;
        self.metrics.canary_searched(unfinished.is_empty(), *took, unreadable.len());
        let took_ms = took.as_millis();
        tracing::debug!(columns, found, took_ms, "the canary has searched");
        for (table, reason) in unfinished {
            tracing::warn!(table, reason, "the canary could not read a table to its end");
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != *unreadable {
            told.clone_from(unreadable);
            tracing::warn!(
                columns = unreadable.join(", "),
                "the canary may not read these columns and searches the others: deploy/keycloak-role.sql grants it"
            );
        }
    }

    fn found(&self, table: &str, column: &str) {
        self.metrics.canary_found(table, column);
        tracing::error!(
            table,
            column,
            "a purged user is still named in Keycloak's database: the purge misses something"
        );
    }
}
