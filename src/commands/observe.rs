//! What the pipeline does, as metrics and log lines.

mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::seen::Seen;
use super::outlook::Outlook;
use crate::adapters::kafka::lag::Watermarks;
use crate::adapters::kafka::{Committer, Troubles};
use crate::admin::overview::{Overview, PartitionLook};
use crate::domain::ids::{Class, Partition};
use crate::domain::outcome::Status;
use crate::metrics::{BreakerLabel, CallEnd, CommitEnd, ItemState, Metrics};
use crate::pipeline::breaker::BreakerState;
use crate::pipeline::engine::{Completion, Engine, Note, Now, StageName};
use crate::pipeline::run::Observer;
use crate::ports::{Disposition, Failure};
use crate::settings::{PurgeMode, Settings};

pub struct PipelineObserver {
    metrics: Arc<Metrics>,
    committer: Committer,
    watermarks: Arc<Watermarks>,
    breakers: BTreeMap<&'static str, BreakerState>,
    known: BTreeSet<Partition>,
    held: BTreeSet<Partition>,
    /// So that an outage of Kafka is one line, not one a try.
    publishing: bool,
    commits: [u64; 3],
    /// `None` where no group is joined.
    troubles: Option<Arc<Troubles>>,
    deletes: bool,
    outlook: Option<Outlook>,
    seen: Seen,
}

impl PipelineObserver {
    pub fn new(
        (metrics, overview): (Arc<Metrics>, Arc<Overview>),
        settings: &Settings,
        committer: Committer,
        watermarks: Arc<Watermarks>,
    ) -> Self {
        metrics.budget_limit(settings.intake.budget);
        Self {
            metrics,
            committer,
            watermarks,
            breakers: BTreeMap::new(),
            known: BTreeSet::new(),
            held: BTreeSet::new(),
            publishing: true,
            commits: [0; 3],
            troubles: None,
            deletes: settings.purge.mode == Some(PurgeMode::Delete),
            outlook: None,
            seen: Seen::new(overview, settings.http.show_user_ids, settings.intake.budget),
        }
    }

    /// Tells what is to come, too.
    pub fn with_outlook(mut self, outlook: Outlook) -> Self {
        self.outlook = Some(outlook);
        self
    }

    /// Tells what keeps Kafka from serving the consumer, too.
    pub fn troubled_by(mut self, troubles: Arc<Troubles>) -> Self {
        self.troubles = Some(troubles);
        self
    }

    fn note(&mut self, note: Note, now: Now) {
        match note {
            Note::Event { topic, action } => {
                self.metrics.event(topic, action);
                *self.seen.totals.events.entry(topic.label()).or_default() += 1;
            }
            Note::Ended { action, ending, rows, swept, residue, protection, failed } => {
                self.metrics.item_ended(action, ending);
                self.seen.ended(action, ending, failed, now);
                match (self.deletes, swept) {
                    (true, false) => self.metrics.rows_deleted(&rows),
                    (true, true) => self.metrics.rows_swept(&rows),
                    // Rows that would go are told in the statuses.
                    (false, _) => {}
                }
                self.metrics.residue(residue);
                if let Some(protection) = protection {
                    self.metrics.protected(protection);
                }
                if ending.status == Status::Failed || ending.status == Status::Partial {
                    tracing::warn!(
                        action = action.name(),
                        status = ending.status.name(),
                        reason = ending.reason.name(),
                        "a user is not done: see the failed topic"
                    );
                }
            }
            Note::StatusPublished { topic, event_ms } => {
                let since_event = event_ms.and_then(|at| u64::try_from(now.wall - at).ok()).map(Duration::from_millis);
                self.metrics.status_published(topic, since_event);
                self.seen.totals.statuses += 1;
            }
            Note::FollowUp(why) => self.metrics.follow_up(why),
            Note::Rejected { partition, offset, error } => {
                self.metrics.record_rejected(partition.topic);
                self.seen.rejected(partition, offset, &error, now);
                let (topic, number) = (partition.topic.label(), partition.number);
                tracing::warn!(topic, partition = number, offset, error, "record rejected");
            }
            Note::OtherAction(partition) => self.metrics.event_skipped(partition.topic),
            Note::SettledBefore(partition) => self.metrics.event_settled_before(partition.topic),
            Note::Retried { stage, reason, users } => self.metrics.retried(stage, &reason, users),
            Note::PublishFailed { error, records } => {
                for (topic, records) in records {
                    self.metrics.publish_failed(topic, records);
                }
                if std::mem::replace(&mut self.publishing, false) {
                    tracing::error!(error, "statuses cannot be published: nothing is settled until they are");
                }
            }
            Note::Published => {
                if !std::mem::replace(&mut self.publishing, true) {
                    tracing::info!("statuses are published again");
                }
            }
            Note::RangeFailed(error) => tracing::warn!(error, "a token range cannot be read yet"),
        }
    }

    fn breaker(&mut self, stage: StageName, state: &BreakerState, now: Now) {
        if !state.is_news_after(self.breakers.get(stage.label()).unwrap_or(&BreakerState::Closed)) {
            return;
        }
        self.breakers.insert(stage.label(), state.clone());
        self.seen.breaker_changed(stage, now);
        let label = match state {
            BreakerState::Closed => BreakerLabel::Closed,
            BreakerState::Open(_) => BreakerLabel::Open,
            BreakerState::Held(_) => BreakerLabel::Held,
        };
        self.metrics.breaker(stage, label);
        match state {
            BreakerState::Closed => tracing::info!(stage = stage.label(), "works again"),
            BreakerState::Open(reason) => {
                tracing::error!(
                    stage = stage.label(),
                    reason,
                    "the dependency is away: its work waits, nothing is failed"
                );
            }
            BreakerState::Held(reason) => {
                tracing::error!(stage = stage.label(), reason, "held: a person must mend something, its work waits");
            }
        }
    }

    fn partition(&mut self, engine: &Engine, now: Now) {
        let mut present = BTreeSet::new();
        for (partition, state) in engine.partitions() {
            present.insert(*partition);
            self.metrics.partition_held(*partition, state.is_held());
            if state.is_held() && self.held.insert(*partition) {
                let (topic, number) = (partition.topic.label(), partition.number);
                tracing::error!(
                    topic,
                    partition = number,
                    "too many undecodable records: the partition is not read on until a version that decodes them, \
                     or a higher intake.reject_limit, is started"
                );
            }
            let reach = self.watermarks.reach(*partition);
            let lag = reach.map(|reach| {
                let frontier = state.ledger.frontier().or(reach.committed).unwrap_or(0);
                (reach.high - frontier).max(0)
            });
            if let Some(lag) = lag {
                self.metrics.partition_lag(*partition, lag);
            }
            let age = engine.frontier_age(*partition, now);
            self.metrics.frontier_age(*partition, age);
            if let Some(outlook) = &self.outlook {
                let since = state.ledger.oldest_time().map(|time| u64::try_from(now.wall - time).unwrap_or_default());
                outlook.tell_retention(&self.metrics, *partition, since.map(Duration::from_millis));
            }
            self.seen.partitions.push(PartitionLook {
                topic: partition.topic.label(),
                number: partition.number,
                lag,
                frontier_age_seconds: age.as_secs_f64(),
                is_held: state.is_held(),
            });
        }
        for (partition, difference) in self.committer.differences() {
            if present.contains(&partition) {
                self.metrics.commit_difference(partition, difference);
            }
        }
        for gone in self.known.difference(&present) {
            self.metrics.forget(*gone);
        }
        self.known = present;
    }

    fn commits(&mut self) {
        let counts = [self.committer.commits(), self.committer.failures(), self.committer.dropped()];
        for (index, end) in [CommitEnd::Ok, CommitEnd::Failed, CommitEnd::Stale].into_iter().enumerate() {
            for _ in self.commits[index]..counts[index] {
                self.metrics.commit(end);
            }
        }
        self.commits = counts;
    }
}

impl Observer for PipelineObserver {
    fn notes(&mut self, engine: &mut Engine, now: Now) {
        for note in engine.take_notes() {
            self.note(note, now);
        }
        for stage in StageName::ALL {
            self.breaker(stage, engine.stage(stage).state(), now);
        }
    }

    fn completed(&mut self, completion: &Completion, took: Duration) {
        self.seen.completed(completion, took);
        match completion {
            Completion::Lookup(_, answer) => self.metrics.stage_call(StageName::Lookup, end_of(answer), took),
            Completion::Sync(_, answer) => self.metrics.stage_call(StageName::Sync, end_of(answer), took),
            Completion::Purge(_, answer) => self.metrics.stage_call(StageName::Purge, end_of(answer), took),
            Completion::Clear(_, answer) => {
                self.metrics.stage_call(StageName::Clear, end_of(answer), took);
                self.metrics.cache_cleared(answer.is_ok());
            }
            Completion::Probe(..)
            | Completion::ProbeSync(..)
            | Completion::Drawn(_)
            | Completion::Range(..)
            | Completion::Published(..) => {}
        }
    }

    fn gauges(&mut self, engine: &Engine, now: Now) {
        for class in Class::ALL {
            self.metrics.budget_held(class, engine.units_held(class));
        }
        for stage in StageName::ALL {
            let counts = engine.stage(stage).counts();
            self.metrics.stage_items(stage, ItemState::Ready, counts.ready);
            self.metrics.stage_items(stage, ItemState::Delayed, counts.delayed);
            self.metrics.stage_items(stage, ItemState::InCall, counts.in_call);
        }
        let limiter = engine.stage(StageName::Sync).limiter();
        self.metrics.sync_limits(limiter.block(), limiter.calls());
        self.partition(engine, now);
        for (topic, records) in self.watermarks.missed() {
            self.metrics.records_missed(topic, records);
        }
        self.commits();
        if let Some(outlook) = &mut self.outlook {
            outlook.tell_certificates(&self.metrics, now.at);
        }
        if let Some(troubles) = &self.troubles {
            self.metrics.kafka_trouble(troubles.now());
        }
        self.seen.is_publishing = self.publishing;
        self.seen.hand_over(engine, now);
    }
}

fn end_of<T>(answer: &Result<T, Failure>) -> CallEnd {
    match answer.as_ref().err().map(|failure: &Failure| failure.disposition) {
        None => CallEnd::Ok,
        Some(Disposition::Retry(_)) => CallEnd::Retry,
        Some(Disposition::Reject) => CallEnd::Reject,
        Some(Disposition::Hold) => CallEnd::Hold,
    }
}
