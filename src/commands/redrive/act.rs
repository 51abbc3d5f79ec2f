//! What is done about failed records, in the order that loses nothing: sent and acknowledged, then decided, then committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Stop;
use super::walk::Walk;
use crate::adapters::kafka::decided::FailedTopic;
use crate::adapters::kafka::reading::Found;
use crate::commands::calendar::now_millis;
use crate::commands::world;
use crate::domain::failed::Decision;
use crate::domain::record::OutputRecord;
use crate::domain::report::redrive::{Decided, decision_record};
use crate::ports::{Publisher, Unpublished};
use crate::settings::Settings;

/// Failed records that are acted on together: enough to keep Kafka busy, few to repeat after a crash.
const BATCH: usize = 200;

pub(super) struct Actor<'a> {
    requests: Arc<dyn Publisher>,
    topic: FailedTopic,
    by: &'a str,
    why: Option<&'a str>,
    decision: Decision,
    batch: usize,
    sends: Vec<OutputRecord>,
    decisions: Vec<(i32, OutputRecord)>,
    /// The first record of each partition that stays open.
    open: BTreeMap<i32, i64>,
}

impl<'a> Actor<'a> {
    pub(super) fn new(
        settings: &Settings,
        decision: Decision,
        (by, why): (&'a str, Option<&'a str>),
    ) -> anyhow::Result<Self> {
        let group = settings.kafka.redrive_group();
        Ok(Self {
            requests: world::publisher(settings)?,
            topic: FailedTopic::try_new(&settings.kafka, world::topics(settings)?, &group)?,
            by,
            why,
            decision,
            batch: BATCH,
            sends: Vec::new(),
            decisions: Vec::new(),
            open: BTreeMap::new(),
        })
    }

    /// A rate counts users, so they go one by one.
    pub(super) fn one_by_one(mut self) -> Self {
        self.batch = 1;
        self
    }

    /// It stays as it is.
    pub(super) fn leave(&mut self, found: &Found) {
        self.open.entry(found.partition).or_insert(found.offset);
    }

    /// Decides about a failed record, after `sends` are on the request topic.
    pub(super) async fn act(&mut self, found: &Found, sends: Vec<OutputRecord>, walk: &Walk) -> Result<(), Stop> {
        let Self { decision, by, why, .. } = *self;
        let decided = Decided { decision, of: found.offset, by, why, now: now_millis() };
        self.sends.extend(sends);
        self.decisions.push((found.partition, decision_record(&decided, found.key.as_deref())));
        if self.decisions.len() >= self.batch { self.flush(walk).await } else { Ok(()) }
    }

    pub(super) async fn flush(&mut self, walk: &Walk) -> Result<(), Stop> {
        // Order: a record is closed only when its request is acknowledged. A crash between the two repeats the request.
        let unsent = |Unpublished { failure, .. }: Unpublished| failure;
        self.requests.publish(&self.sends).await.map_err(unsent)?;
        self.sends.clear();
        self.topic.decide(&self.decisions).await?;
        self.decisions.clear();
        let frontier = walk.met().iter().map(|(partition, met)| {
            // Invariant: everything that was met and is not open is decided by now.
            (*partition, self.open.get(partition).copied().unwrap_or(*met))
        });
        Ok(self.topic.commit(&frontier.collect()).await?)
    }
}
