//! Partitions that go: what can finish drains, the rest is let go, and nothing of an ended epoch moves an offset.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::engine::{Engine, Now};
use super::intake::OpenEvent;
use super::item::{Branch, EventKey, Item, ItemKey, Phase};
use super::settle::Receipt;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::join::{PurgeEnd, SyncEnd};
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
        let leaving = |event: &OpenEvent| partitions.contains(&(event.partition, event.epoch));
        self.let_go_of_what_is_not_begun(leaving, now);
        if let Some(answer) = answer {
            // Nothing of ours is among them: an answer nobody waits for is no loss.
            drop(answer.send(Vec::new()));
        }
    }

    /// Drain at the end of the process: what is under way and can finish may, nothing new is begun.
    pub fn close(&mut self, now: Now, timeout: Duration) {
        self.closing = Some(now.at + timeout);
        let all: Vec<_> = self.partitions.iter().map(|(partition, state)| (*partition, state.epoch)).collect();
        for (partition, epoch) in all {
            self.stop_admitting(partition, epoch);
        }
        self.let_go_of_what_is_not_begun(|_| true, now);
    }

    /// True when nothing is left that can finish, or the time is up.
    pub fn is_drained(&self, now: Now) -> bool {
        self.closing.is_some_and(|deadline| deadline <= now.at) || !self.drains(&|_| true)
    }

    /// Events that no branch has done anything for are the next owner's: a backlog of them would use up the whole time.
    /// An event that is begun for one of its users is drained with all of them; told above one that is let go, it stands
    /// in the offset map.
    fn let_go_of_what_is_not_begun(&mut self, leaving: impl Fn(&OpenEvent) -> bool, now: Now) {
        let items = self.items.iter().filter(|(key, item)| self.has_begun(**key, item)).map(|(_, item)| item.event);
        let told = self.receipts().filter_map(|receipt| match receipt {
            Receipt::Event(event) => Some(event),
            Receipt::Item(_) | Receipt::Rejected(..) => None,
        });
        let begun: HashSet<EventKey> = items.chain(told).collect();
        for (key, event) in &mut self.events {
            event.abandoned |= leaving(event) && !begun.contains(key);
        }
        self.drop_abandoned(now);
    }

    fn has_begun(&self, key: ItemKey, item: &Item) -> bool {
        let idle = matches!(item.sync, Branch::Due | Branch::Ended(SyncEnd::NotDue | SyncEnd::Disabled))
            && matches!(item.purge, Branch::Due | Branch::Ended(PurgeEnd::NotDue | PurgeEnd::Disabled));
        let in_call = self.sync.is_in_call(key) || self.purge.is_in_call(key);
        item.phase == Phase::Publishing || !idle || in_call || item.answer_lost
    }

    pub(super) fn is_draining(&self) -> bool {
        self.closing.is_some() || self.partitions.values().any(|state| state.revocation.is_some())
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
            .filter(|revocation| {
                revocation.deadline <= now.at || !self.drains(&|partition| revocation.with.contains(&partition))
            })
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

    /// Whether something that has no item is on its way to Kafka: a rejected record, or an event told as a whole.
    fn tells_anything_else_of(&self, leaves: &dyn Fn(Partition) -> bool) -> bool {
        self.receipts().any(|receipt| match receipt {
            Receipt::Item(_) => false,
            Receipt::Event(event) => self.events.get(&event).is_some_and(|event| leaves(event.partition)),
            Receipt::Rejected(partition, ..) => leaves(partition),
        })
    }

    /// Whether something of the partitions that leave can still finish.
    fn drains(&self, leaves: &dyn Fn(Partition) -> bool) -> bool {
        let items = self.items.iter().any(|(key, item)| {
            let is_leaving = self.events.get(&item.event).is_some_and(|event| leaves(event.partition));
            is_leaving && !item.abandoned && self.can_finish(*key, item)
        });
        items || self.tells_anything_else_of(leaves)
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
                    && (item.purge != Branch::Due || self.purge_is_active(key) || self.lookup.is_active(key))
                    && (!self.clear.holds(key) || self.clear.is_active(key))
            }
            Phase::Publishing => true,
        }
    }

    /// An open Admin API breaker is an open purge breaker.
    fn purge_is_active(&self, key: ItemKey) -> bool {
        self.purge.is_in_call(key) || (self.clear.breaker.is_closed() && self.purge.is_active(key))
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
        self.drop_abandoned(now);
    }

    fn drop_abandoned(&mut self, now: Now) {
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
