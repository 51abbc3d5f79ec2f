//! Partitions that go: what can finish drains, the rest is let go, and nothing of an ended epoch moves an offset.

use std::time::Instant;

use tokio::sync::oneshot;

use super::engine::{Engine, Now};
use super::intake::OpenEvent;
use super::item::{Branch, Item, ItemKey, Phase};
use crate::domain::ids::{Epoch, Partition};
use crate::ports::log::CommitPoint;

#[derive(Debug)]
pub struct Revocation {
    pub(super) deadline: Instant,
    answer: Option<oneshot::Sender<Vec<CommitPoint>>>,
    /// All partitions of the same revocation answer together; the first in the list holds the channel.
    with: Vec<Partition>,
}

impl Engine {
    pub(super) fn revoke(
        &mut self,
        partitions: &[(Partition, Epoch)],
        answer: oneshot::Sender<Vec<CommitPoint>>,
        now: Now,
    ) {
        let with: Vec<_> = partitions.iter().map(|(partition, _)| *partition).collect();
        let deadline = now.at + self.rules.drain_timeout;
        let mut answer = Some(answer);
        for (partition, epoch) in partitions {
            self.stop_admitting(*partition, *epoch);
            if let Some(state) = self.partitions.get_mut(partition) {
                let with = if answer.is_some() { with.clone() } else { Vec::new() };
                state.revocation = Some(Revocation { deadline, answer: answer.take(), with });
            }
            self.mind_gate(*partition);
        }
        if let Some(answer) = answer {
            // Nothing of ours is among them: an answer nobody waits for is no loss.
            drop(answer.send(Vec::new()));
        }
    }

    /// Drain at the end of the process: what can finish may, nothing new is opened.
    pub fn close(&mut self, deadline: Instant) {
        self.closing = Some(deadline);
        let all: Vec<_> = self.partitions.iter().map(|(partition, state)| (*partition, state.epoch)).collect();
        for (partition, epoch) in all {
            self.stop_admitting(partition, epoch);
        }
    }

    /// True when nothing is left that can finish, or the time is up.
    pub fn is_drained(&self, now: Now) -> bool {
        self.closing.is_some_and(|deadline| deadline <= now.at)
            || !self.items.iter().any(|(key, item)| self.can_finish(*key, item))
    }

    fn stop_admitting(&mut self, partition: Partition, epoch: Epoch) {
        for event in self.events.values_mut() {
            if event.partition == partition && event.epoch == epoch && !event.opened {
                event.abandoned = true;
            }
        }
        // The queues drop abandoned events when they come to them; those that wait for their time never would.
        if let Some(state) = self.partitions.get_mut(&partition) {
            for key in std::mem::take(&mut state.pending) {
                self.events.remove(&key);
            }
        }
    }

    pub(super) fn answer_revocations(&mut self, now: Now) {
        let ready: Vec<_> = self
            .partitions
            .values()
            .filter_map(|state| state.revocation.as_ref())
            .filter(|revocation| revocation.answer.is_some())
            .filter(|revocation| revocation.deadline <= now.at || !self.drains(&revocation.with))
            .map(|revocation| revocation.with.clone())
            .collect();
        for with in ready {
            let mut points = Vec::new();
            let mut answer = None;
            for partition in with {
                let Some(state) = self.partitions.get_mut(&partition) else { continue };
                points.extend(state.commit_point(partition));
                answer = answer.or_else(|| state.revocation.as_mut().and_then(|revocation| revocation.answer.take()));
                let epoch = state.epoch;
                self.end_epoch(partition, epoch, now);
            }
            if let Some(answer) = answer {
                // The intake thread is gone when nobody listens: then the process ends anyway.
                drop(answer.send(points));
            }
        }
    }

    fn drains(&self, partitions: &[Partition]) -> bool {
        self.items.iter().any(|(key, item)| {
            self.events.get(&item.event).is_some_and(|event| partitions.contains(&event.partition))
                && self.can_finish(*key, item)
        })
    }

    fn can_finish(&self, key: ItemKey, item: &Item) -> bool {
        match item.phase {
            Phase::InLine => {
                let holder = self.lines.holder(&item.user).and_then(|holder| Some((holder, self.items.get(&holder)?)));
                holder.is_some_and(|(key, holder)| holder.phase != Phase::InLine && self.can_finish(key, holder))
            }
            Phase::Lookup => self.lookup.is_active(key),
            Phase::Branches => {
                (item.sync != Branch::Due || self.sync.is_active(key))
                    && (item.purge != Branch::Due || self.purge.is_active(key) || self.lookup.is_active(key))
                    && (!self.clear.holds(key) || self.clear.is_active(key))
            }
            Phase::Publishing => true,
        }
    }

    /// Items that are not inside a call leave everything at once; a call under way gives back at its end.
    pub(super) fn end_epoch(&mut self, partition: Partition, epoch: Epoch, now: Now) {
        self.stop_admitting(partition, epoch);
        if self.partitions.get(&partition).is_some_and(|state| state.epoch == epoch) {
            self.partitions.remove(&partition);
        }
        for event in self.events.values_mut() {
            event.abandoned |= event.partition == partition && event.epoch == epoch;
        }
        let ended = |engine: &Self, item: &Item| engine.events.get(&item.event).is_some_and(|event| event.abandoned);
        let mut keys: Vec<_> = self.items.iter().filter(|(_, item)| ended(self, item)).map(|(key, _)| *key).collect();
        // Oldest first: who is let go decides who is next in line, and a script must play the same way each time.
        keys.sort_unstable();
        for key in keys {
            self.abandon(key, now);
        }
        let done = |event: &OpenEvent| event.abandoned && event.in_work == 0;
        let done: Vec<_> = self.events.iter().filter(|(_, event)| done(event)).map(|(key, _)| *key).collect();
        for key in done {
            self.close_event(key);
        }
    }
}
