//! The failed topic from its beginning to its present end, with what was decided about each record.
//!
//! Read twice: first the decisions, of which only positions are kept; then the records, one at a time. So memory holds
//! neither everybody who failed nor why.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

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
    decisions: Decisions,
    /// Per partition, the offset after the last one that was met.
    met: BTreeMap<i32, i64>,
    /// Records that neither the worker nor `redrive` has written.
    pub foreign: u64,
}

/// Between two looks for what others have decided meanwhile.
const LOOK: Duration = Duration::from_millis(200);

struct Decisions {
    reader: TopicReader,
    topic: String,
    of: HashMap<(i32, i64), Decision>,
    /// Per partition, the first offset that was not looked at.
    heard: BTreeMap<i32, i64>,
    looked: Instant,
}

impl Decisions {
    async fn hear(&mut self) -> Result<(), Stop> {
        self.looked = Instant::now();
        let extent = self.reader.extent(&self.topic).await?;
        let is_new = |(partition, (_, high)): (&i32, &(i64, i64))| self.heard.get(partition).is_none_or(|at| at < high);
        if !extent.iter().any(is_new) {
            return Ok(());
        }
        let mut reading = self.reader.read(&self.topic, Start::Offsets(self.heard.clone())).await?;
        // Order: what comes after these ends may be read by now, and is read once more the next time.
        self.heard = extent.into_iter().map(|(partition, (_, high))| (partition, high)).collect();
        while let Some(found) = reading.next().await? {
            if let Entry::Decided { of, decision } = failed::read(found.payload.as_deref()) {
                self.of.insert((found.partition, of), decision);
            }
        }
        Ok(())
    }
}

impl Walk {
    pub(super) async fn start(reader: &TopicReader, topic: &str) -> Result<Self, Stop> {
        let (reader, topic) = (reader.clone(), topic.to_owned());
        let mut decisions =
            Decisions { reader, topic, of: HashMap::new(), heard: BTreeMap::new(), looked: Instant::now() };
        decisions.hear().await?;
        let Decisions { reader, topic, .. } = &decisions;
        let met = reader.extent(topic).await?.into_iter().map(|(partition, (low, _))| (partition, low)).collect();
        Ok(Self { reading: reader.read(topic, Start::Beginning).await?, decisions, met, foreign: 0 })
    }

    /// What others have decided since, looked for now and then.
    pub(super) async fn is_decided(&mut self, found: &Found) -> Result<bool, Stop> {
        if self.decisions.looked.elapsed() >= LOOK {
            self.decisions.hear().await?;
        }
        Ok(self.decisions.of.contains_key(&(found.partition, found.offset)))
    }

    pub(super) async fn next(&mut self) -> Result<Option<Step>, Stop> {
        while let Some(found) = self.reading.next().await? {
            self.met.insert(found.partition, found.offset + 1);
            match failed::read(found.payload.as_deref()) {
                Entry::Failed(failed) => {
                    let decision = self.decisions.of.get(&(found.partition, found.offset)).copied();
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
