//! What is done in Keycloak's database, and what is found there.

use std::time::Duration;

use super::{Metrics, count};
use crate::domain::outcome::RowCounts;
use crate::ports::Protection;

impl Metrics {
    pub(super) fn zero_keycloak(&self) {
        for protection in Protection::ALL {
            self.protected_total.with_label_values(&[protection.name()]);
        }
        for result in ["ok", "failed"] {
            self.cache_clears_total.with_label_values(&[result]);
        }
        for result in ["whole", "partial"] {
            self.canary_searches_total.with_label_values(&[result]);
        }
    }

    pub fn rows_deleted(&self, rows: &RowCounts) {
        for (table, rows) in rows {
            self.keycloak_rows_deleted_total.with_label_values(&[*table]).inc_by(*rows);
        }
    }

    pub fn rows_swept(&self, rows: &RowCounts) {
        for (table, rows) in rows {
            self.keycloak_rows_swept_total.with_label_values(&[*table]).inc_by(*rows);
        }
    }

    pub fn residue(&self, rows: u64) {
        self.residue_rows_total.inc_by(rows);
    }

    pub fn protected(&self, protection: Protection) {
        self.protected_total.with_label_values(&[protection.name()]).inc();
    }

    pub fn cache_cleared(&self, cleared: bool) {
        self.cache_clears_total.with_label_values(&[if cleared { "ok" } else { "failed" }]).inc();
    }

    pub fn canary_searched(&self, whole: bool, took: Duration, unreadable: usize) {
        self.canary_searches_total.with_label_values(&[if whole { "whole" } else { "partial" }]).inc();
        self.canary_search_seconds.observe(took.as_secs_f64());
        self.canary_unreadable_columns.set(count(unreadable));
    }

    pub fn canary_found(&self, table: &str, column: &str) {
        self.canary_findings_total.with_label_values(&[table, column]).inc();
    }
}
