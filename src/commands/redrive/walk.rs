//! The failed topic from its beginning to its present end, with what was decided about each record.
//!
//! Read twice: first the decisions, of which only positions are kept; then the records, one at a time. So memory holds
//! neither everybody who failed nor why.

use std::collections::{BTreeMap, HashMap};

use super::Stop;
use crate::adapters::kafka::reading::{Found, Reading, Start, TopicReader};
use crate::domain::failed::{self, Decision, Entry, Failed};

/// A failed record where it stands.
pub(super) struct Step {
    pub found: Found,
    pub failed: Failed,
    /// `None`: it is open.
    pub decision: Option<Decision>,
}

pub(super) struct Walk {
    reading: Reading,
    decided: HashMap<(i32, i64), Decision>,
    /// Per partition, the offset after the last one that was met.
    met: BTreeMap<i32, i64>,
    /// Records that neither the worker nor `redrive` has written.
    pub foreign: u64,
}

impl Walk {
    pub(super) async fn start(reader: &TopicReader, topic: &str) -> Result<Self, Stop> {
        let mut decided = HashMap::new();
        let mut decisions = reader.read(topic, Start::Beginning).await?;
        while let Some(found) = decisions.next().await? {
            if let Entry::Decided { of, decision } = failed::read(found.payload.as_deref()) {
                decided.insert((found.partition, of), decision);
            }
        }
        let met = reader.extent(topic).await?.into_iter().map(|(partition, (low, _))| (partition, low)).collect();
        Ok(Self { reading: reader.read(topic, Start::Beginning).await?, decided, met, foreign: 0 })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Step>, Stop> {
        while let Some(found) = self.reading.next().await? {
            self.met.insert(found.partition, found.offset + 1);
            match failed::read(found.payload.as_deref()) {
                Entry::Failed(failed) => {
                    let decision = self.decided.get(&(found.partition, found.offset)).copied();
                    return Ok(Some(Step { found, failed: *failed, decision }));
                }
                Entry::Decided { .. } => {}
                Entry::Foreign => self.foreign += 1,
            }
        }
        Ok(None)
    }

    pub(super) fn met(&self) -> &BTreeMap<i32, i64> {
        &self.met
    }
}
