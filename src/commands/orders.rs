//! What the control topic asks of a running worker: its intake does it, and this answers.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use super::calendar::now_millis;
use crate::adapters::kafka::Topics;
use crate::adapters::kafka::reseek::{ReseekRequest, Reseeked, Reseeks};
use crate::adapters::kafka::statuses::{Heard, Listening, orders};
use crate::domain::control::{Goal, ReplayAnswer, ReplayOrder, ReplayOutcome, Said, Skips};
use crate::domain::ids::Partition;
use crate::domain::replay::ReplayId;
use crate::metrics::Metrics;
use crate::ports::Publisher;
use crate::settings::Settings;

/// Between looks for a control topic that cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Who obeys.
pub struct Orders {
    pub group: String,
    pub topics: Arc<Topics>,
    pub reseeks: Reseeks,
    pub publisher: Arc<dyn Publisher>,
    pub worker: String,
    pub metrics: Arc<Metrics>,
}

/// Orders from now on; `None` when the worker is to stop before they can be heard.
pub async fn listen(settings: &Settings, topics: &Topics, stop: &CancellationToken) -> Option<Listening> {
    loop {
        match orders(&settings.kafka, topics).await {
            Ok(heard) => return Some(heard),
            Err(error) => tracing::warn!(%error, "the control topic cannot be read yet (topics.control)"),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return None,
        }
    }
}

impl Orders {
    /// For as long as it is polled.
    pub async fn obey(self, mut heard: BoxStream<'static, Heard>) {
        while let Some(heard) = heard.next().await {
            if let Heard::Record(payload) = heard
                && let Some(Said::Replay(order)) = Said::read(&payload)
                && order.group == self.group
            {
                self.replay(&order).await;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn replay(&self, order: &ReplayOrder) {
        let Ok(id) = ReplayId::parse(&order.id) else { return };
        if order.expires < now_millis() {
            tracing::warn!(replay = %id, "asked to read again, too late: whoever asked does not wait any more");
            return;
        }
        let answers = order.partitions.iter().map(|goal| self.goal(&id, order.skips, goal));
        let answers: Vec<_> = join_all(answers).await.into_iter().flatten().map(|answer| answer.record()).collect();
        if let Err(error) = self.publisher.publish(&answers).await {
            tracing::warn!(%error, replay = %id, "the answer cannot be published");
        }
    }

    /// No answer where the partition is another member's.
    async fn goal(&self, id: &ReplayId, skips: Skips, goal: &Goal) -> Option<Said> {
        let topic = self.topics.input_named(&goal.topic)?;
        let partition = Partition { topic, number: goal.partition };
        let request = ReseekRequest { id: id.clone(), partition, to: goal.to, skips };
        let reseeked = self.reseeks.ask(request).await;
        let (outcome, reason, done) = match reseeked {
            Reseeked::NotOurs => return None,
            Reseeked::Done { old, new, moved: false } => (ReplayOutcome::Done, None, Some((old, new))),
            Reseeked::Done { old, new, moved: true } => {
                let moved = "committed; the partition went to another member meanwhile, which reads it again";
                (ReplayOutcome::Done, Some(moved.to_owned()), Some((old, new)))
            }
            Reseeked::Refused(why) => (ReplayOutcome::Refused, Some(why), None),
            Reseeked::Cancelled(why) => (ReplayOutcome::Cancelled, Some(why.to_owned()), None),
        };
        self.metrics.live_replay(outcome);
        tracing::info!(topic = goal.topic, partition = goal.partition, ?outcome, reason, "asked to read again");
        Some(Said::Answer(ReplayAnswer {
            id: id.to_string(),
            worker: self.worker.clone(),
            topic: goal.topic.clone(),
            partition: goal.partition,
            outcome,
            reason,
            old: done.map(|(old, _)| old),
            new: done.map(|(_, new)| new),
        }))
    }
}

/// Host and process, as a person finds them.
pub fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{}", host.trim(), std::process::id())
}
