//! What will happen unless a person does something.

use super::{Metrics, place};
use crate::domain::ids::Partition;

impl Metrics {
    /// `end` in seconds since 1970.
    pub fn certificate_end(&self, dependency: &str, certificate: &str, end: u64) {
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        self.certificate_end_seconds.with_label_values(&[dependency, certificate]).set(end);
    }

    pub fn retention_used(&self, partition: Partition, ratio: f64) {
        self.retention_used_ratio.with_label_values(&place(partition)).set(ratio);
    }
}
