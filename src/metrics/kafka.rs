//! How it stands with Kafka itself.

use super::{CommitEnd, Metrics, RenewalCause, place};
use crate::adapters::kafka::Trouble;
use crate::domain::control::ReplayOutcome;
use crate::domain::ids::Partition;

impl Metrics {
    pub(super) fn zero_kafka(&self) {
        for trouble in Trouble::ALL {
            self.kafka_trouble.with_label_values(&[trouble.label()]);
        }
        for end in CommitEnd::ALL {
            self.commits_total.with_label_values(&[end.label()]);
        }
        for outcome in ReplayOutcome::ALL {
            self.live_replays_total.with_label_values(&[outcome.label()]);
        }
        for cause in RenewalCause::ALL {
            self.client_renewals_total.with_label_values(&[cause.label()]);
        }
    }

    pub fn commit_difference(&self, partition: Partition, offsets: i64) {
        self.commit_difference.with_label_values(&place(partition)).set(offsets);
    }

    pub fn kafka_trouble(&self, now: Option<Trouble>) {
        for trouble in Trouble::ALL {
            self.kafka_trouble.with_label_values(&[trouble.label()]).set(i64::from(now == Some(trouble)));
        }
    }

    pub fn clients_renewed(&self, cause: RenewalCause) {
        self.client_renewals_total.with_label_values(&[cause.label()]).inc();
    }

    pub fn commit(&self, end: CommitEnd) {
        self.commits_total.with_label_values(&[end.label()]).inc();
    }

    pub fn live_replay(&self, outcome: ReplayOutcome) {
        self.live_replays_total.with_label_values(&[outcome.label()]).inc();
    }
}
