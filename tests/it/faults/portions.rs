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
        let each = |records: &[Record]| records.len().div_ceil(count).max(1);
        Portions { sizes: (each(&deletions), each(&requests)), deletions, requests }
    }

    pub async fn publish_next(&self, portions: &mut Portions) {
        let take = |records: &mut Vec<Record>, size: usize| records.split_off(records.len().saturating_sub(size));
        let deletions = take(&mut portions.deletions, portions.sizes.0);
        let requests = take(&mut portions.requests, portions.sizes.1);
        self.scene.topics.publish(DELETE, &deletions).await.unwrap();
        self.scene.topics.publish(REQUEST, &requests).await.unwrap();
    }
}

/// Events that are not published yet.
pub struct Portions {
    sizes: (usize, usize),
    deletions: Vec<Record>,
    requests: Vec<Record>,
}
