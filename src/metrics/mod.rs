//! What the worker tells Prometheus. `docs/metrics.md` is its reference, and a test holds them equal.
//!
//! One struct in a registry of its own; callers say what happened, and never see a label's name.

mod define;
mod endings;
mod kafka;
mod keycloak;
mod labels;
mod outlook;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prometheus::TextEncoder;

use crate::domain::event::{Action, Why};
use crate::domain::ids::{Class, InputTopic, Partition};
use crate::domain::record::OutputTopic;
use crate::pipeline::engine::StageName;
pub use labels::{BreakerLabel, CallEnd, CommitEnd, ItemState, RenewalCause};

define::metrics! {
    /// All metrics of one worker.
    #[derive(Debug)]
    pub struct Metrics {
        /// Events decoded.
        events_total: IntCounterVec["topic", "action"],
        /// Records that are no event.
        records_rejected_total: IntCounterVec["topic"],
        /// Events whose action is another consumer's.
        events_skipped_total: IntCounterVec["topic"],
        /// Records that the owner before had settled above its committed offset, passed over.
        events_settled_before_total: IntCounterVec["topic"],
        /// Records that were removed, as by retention, before they were read.
        records_missed_total: IntCounterVec["topic"],
        /// Users finished, by how they ended.
        items_total: IntCounterVec["action", "status", "reason"],
        /// Duration of one call of a stage to its dependency.
        stage_duration_seconds: HistogramVec["stage"],
        /// Calls of a stage, by how they ended.
        stage_calls_total: IntCounterVec["stage", "result"],
        /// Users in a stage: ready, delayed until a time, or in a call.
        stage_items: IntGaugeVec["stage", "state"],
        /// Users that are called again, by the failure's bounded word.
        retries_total: IntCounterVec["stage", "reason"],
        /// 0 closed, 1 open: an outage, 2 held: a person must mend something.
        breaker_state: IntGaugeVec["stage"],
        /// How often a breaker left the closed state.
        breaker_opened_total: IntCounterVec["stage"],
        /// Rows deleted in Keycloak's database.
        keycloak_rows_deleted_total: IntCounterVec["table"],
        /// Rows deleted by sweeps, which were written after the purge of their user.
        keycloak_rows_swept_total: IntCounterVec["table"],
        /// Rows that came back during a purge, left to the sweep.
        residue_rows_total: IntCounter[],
        /// Users kept in Keycloak although their deletion was asked for, by what protects them.
        protected_total: IntCounterVec["protection"],
        /// Searches of the whole schema for a purged user: whole, or partial where a table could not be read to the end.
        canary_searches_total: IntCounterVec["result"],
        /// Duration of such a search.
        canary_search_seconds: Histogram[],
        /// Columns that the last search had no right to read.
        canary_unreadable_columns: IntGauge[],
        /// Alarms: columns in which a purged user was still named.
        canary_findings_total: IntCounterVec["table", "column"],
        /// Clears of Keycloak's user cache.
        cache_clears_total: IntCounterVec["result"],
        /// Statuses that Kafka acknowledged.
        statuses_published_total: IntCounter[],
        /// Records that are sent again: Kafka did not acknowledge all that were sent together.
        publish_failures_total: IntCounterVec["topic"],
        /// Follow-ups written to the delay topic.
        follow_ups_total: IntCounterVec["why"],
        /// Units held: users, plus one per open event.
        budget_units: IntGaugeVec["class"],
        /// Units that may be held at most: intake.budget.
        budget_units_limit: IntGauge[],
        /// Records due and not settled yet, up to the end of the partition.
        partition_lag: IntGaugeVec["topic", "partition"],
        /// Age of the oldest record that is due and not settled.
        frontier_age_seconds: GaugeVec["topic", "partition"],
        /// 1 while a run of rejected records holds the partition.
        partition_held: IntGaugeVec["topic", "partition"],
        /// Commits of offsets, by how they ended.
        commits_total: IntCounterVec["result"],
        /// The broker's committed offset less the worker's own, compared every 30 s: not 0 when others commit for its group.
        commit_difference: IntGaugeVec["topic", "partition"],
        /// How much of its topic's retention has passed for the oldest record not settled: at 1 it may be removed unread.
        retention_used_ratio: GaugeVec["topic", "partition"],
        /// When the certificate ends, in seconds since 1970, as the last handshake has shown it or its file holds it.
        certificate_end_seconds: IntGaugeVec["dependency", "certificate"],
        /// 1 while this keeps Kafka from serving the consumer; refused: a certificate, a login or a token that a person must mend.
        kafka_trouble: IntGaugeVec["trouble"],
        /// Times that the worker went over to new Kafka clients: files of kafka.properties have changed, or the old ones were cut off.
        client_renewals_total: IntCounterVec["cause"],
        /// Partitions that this worker was asked to read again while it runs (replay live), by what came of it.
        live_replays_total: IntCounterVec["outcome"],
        /// From the record's own time to its acknowledged status.
        end_to_end_seconds: HistogramVec["topic"],
        /// Users per call of the Sync API at the moment: adapts below its bound in the configuration.
        sync_block_size: IntGauge[],
        /// Calls of the Sync API at once, at most: adapts below its bound in the configuration.
        sync_concurrency: IntGauge[],
        /// 1, with the version of the program.
        build_info: IntGaugeVec["version"],
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every closed label is there from the start, so that a rate over a first failure is not lost.
    ///
    /// # Panics
    /// Never: names and labels are literals, and a test makes them all.
    pub fn new() -> Self {
        let metrics = Self::register().expect("names and labels are literals that a test registers");
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        // CPU, memory and file descriptors of the process, under the names that every dashboard knows.
        let process = prometheus::process_collector::ProcessCollector::for_self();
        metrics.registry.register(Box::new(process)).expect("no metric of ours has a name of a process metric");
        metrics.zero_topics();
        metrics.zero_stages();
        metrics.zero_keycloak();
        for why in Why::ALL {
            metrics.follow_ups_total.with_label_values(&[why.name()]);
        }
        metrics.zero_kafka();
        metrics
    }

    fn zero_topics(&self) {
        for topic in InputTopic::ALL.map(InputTopic::label) {
            for action in Action::ALL {
                self.events_total.with_label_values(&[topic, action.name()]);
            }
            self.records_rejected_total.with_label_values(&[topic]);
            self.events_skipped_total.with_label_values(&[topic]);
            self.records_missed_total.with_label_values(&[topic]);
            self.events_settled_before_total.with_label_values(&[topic]);
            self.end_to_end_seconds.with_label_values(&[topic]);
        }
        for topic in [OutputTopic::Status, OutputTopic::Failed, OutputTopic::Delay] {
            self.publish_failures_total.with_label_values(&[topic.label()]);
        }
        for class in Class::ALL {
            self.budget_units.with_label_values(&[class.label()]);
        }
    }

    fn zero_stages(&self) {
        for stage in StageName::ALL.map(StageName::label) {
            self.stage_duration_seconds.with_label_values(&[stage]);
            self.breaker_state.with_label_values(&[stage]);
            self.breaker_opened_total.with_label_values(&[stage]);
            for end in CallEnd::ALL {
                self.stage_calls_total.with_label_values(&[stage, end.label()]);
            }
            for state in ItemState::ALL {
                self.stage_items.with_label_values(&[stage, state.label()]);
            }
        }
    }

    /// In Prometheus' text format.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics cannot be rendered");
            String::new()
        })
    }
}

/// What arrives and what is committed.
impl Metrics {
    pub fn event(&self, topic: InputTopic, action: Action) {
        self.events_total.with_label_values(&[topic.label(), action.name()]).inc();
    }

    pub fn record_rejected(&self, topic: InputTopic) {
        self.records_rejected_total.with_label_values(&[topic.label()]).inc();
    }

    pub fn event_skipped(&self, topic: InputTopic) {
        self.events_skipped_total.with_label_values(&[topic.label()]).inc();
    }

    /// In total so far.
    pub fn records_missed(&self, topic: InputTopic, records: u64) {
        let counter = self.records_missed_total.with_label_values(&[topic.label()]);
        counter.inc_by(records.saturating_sub(counter.get()));
    }

    pub fn event_settled_before(&self, topic: InputTopic) {
        self.events_settled_before_total.with_label_values(&[topic.label()]).inc();
    }

    pub fn budget_limit(&self, units: usize) {
        self.budget_units_limit.set(count(units));
    }

    pub fn budget_held(&self, class: Class, units: usize) {
        self.budget_units.with_label_values(&[class.label()]).set(count(units));
    }

    pub fn partition_lag(&self, partition: Partition, records: i64) {
        self.partition_lag.with_label_values(&place(partition)).set(records);
    }

    pub fn frontier_age(&self, partition: Partition, age: Duration) {
        self.frontier_age_seconds.with_label_values(&place(partition)).set(age.as_secs_f64());
    }

    pub fn partition_held(&self, partition: Partition, held: bool) {
        self.partition_held.with_label_values(&place(partition)).set(i64::from(held));
    }

    /// A partition that went to another worker is that worker's to tell about.
    pub fn forget(&self, partition: Partition) {
        let place = place(partition);
        let labels = [place[0].as_str(), place[1].as_str()];
        // An absent series is what is wanted: a partition that was never told about has none to remove.
        drop(self.partition_lag.remove_label_values(&labels));
        drop(self.frontier_age_seconds.remove_label_values(&labels));
        drop(self.partition_held.remove_label_values(&labels));
        drop(self.commit_difference.remove_label_values(&labels));
        drop(self.retention_used_ratio.remove_label_values(&labels));
    }
}

/// What the stages do.
impl Metrics {
    pub fn stage_call(&self, stage: StageName, end: CallEnd, took: Duration) {
        self.stage_calls_total.with_label_values(&[stage.label(), end.label()]).inc();
        self.stage_duration_seconds.with_label_values(&[stage.label()]).observe(took.as_secs_f64());
    }

    pub fn stage_items(&self, stage: StageName, state: ItemState, items: usize) {
        self.stage_items.with_label_values(&[stage.label(), state.label()]).set(count(items));
    }

    pub fn retried(&self, stage: StageName, reason: &str, users: u64) {
        self.retries_total.with_label_values(&[stage.label(), reason]).inc_by(users);
    }

    /// Counts the change from closed to anything else.
    pub fn breaker(&self, stage: StageName, state: BreakerLabel) {
        let gauge = self.breaker_state.with_label_values(&[stage.label()]);
        if gauge.get() == BreakerLabel::Closed as i64 && state != BreakerLabel::Closed {
            self.breaker_opened_total.with_label_values(&[stage.label()]).inc();
        }
        gauge.set(state as i64);
    }

    pub fn sync_limits(&self, users: usize, calls: usize) {
        self.sync_block_size.set(count(users));
        self.sync_concurrency.set(count(calls));
    }
}

fn place(partition: Partition) -> [String; 2] {
    [partition.topic.label().to_owned(), partition.number.to_string()]
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
