//! How items end, and what is told of them.

use std::time::Duration;

use super::Metrics;
use crate::domain::event::{Action, Why};
use crate::domain::ids::InputTopic;
use crate::domain::outcome::Ending;
use crate::domain::record::OutputTopic;

impl Metrics {
    pub fn item_ended(&self, action: Action, ending: Ending) {
        let labels = [action.name(), ending.status.name(), ending.reason.name()];
        self.items_total.with_label_values(&labels).inc();
    }

    pub fn follow_up(&self, why: Why) {
        self.follow_ups_total.with_label_values(&[why.name()]).inc();
    }

    /// `since_event` is `None` for a record without a time of its own.
    pub fn status_published(&self, topic: InputTopic, since_event: Option<Duration>) {
        self.statuses_published_total.inc();
        if let Some(age) = since_event {
            self.end_to_end_seconds.with_label_values(&[topic.label()]).observe(age.as_secs_f64());
        }
    }

    pub fn publish_failed(&self, topic: OutputTopic, records: u64) {
        self.publish_failures_total.with_label_values(&[topic.label()]).inc_by(records);
    }
}
