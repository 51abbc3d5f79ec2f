//! Events in portions, one for each wave of faults; and what else a case with one worker needs.

use local_stack::Worker;
use local_stack::events::Record;
use local_stack::topics::{DELETE, REQUEST};

use super::storm::Storm;

impl Storm {
    /// A setting of the workers that are started from now on.
    pub fn set(&mut self, key: &'static str, value: &str) {
        self.setting.worker.push((key, value.to_owned()));
    }

    /// Counts so many faults.
    pub fn strikes(&mut self, count: usize) {
        self.struck += count;
    }

    /// The one worker of a case.
    pub fn worker(&self) -> &Worker {
        &self.workers[0]
    }

    /// Everybody's events, in so many portions that every fault meets work.
    pub fn portions(&mut self, count: usize) -> Portions {
        let (deletions, requests) = self.people.events(&mut self.dice);
        Portions { left: count, deletions, requests }
    }

    pub async fn publish_next(&self, portions: &mut Portions) {
        let left = portions.left.max(1);
        // Order: anew for each. Portions of one size, rounded up, would leave nothing for the last ones.
        let take = |records: &mut Vec<Record>| records.split_off(records.len() - records.len().div_ceil(left));
        let (deletions, requests) = (take(&mut portions.deletions), take(&mut portions.requests));
        portions.left = left - 1;
        self.scene.topics.publish(DELETE, &deletions).await.unwrap();
        self.scene.topics.publish(REQUEST, &requests).await.unwrap();
    }
}

/// Events that are not published yet.
pub struct Portions {
    left: usize,
    deletions: Vec<Record>,
    requests: Vec<Record>,
}
