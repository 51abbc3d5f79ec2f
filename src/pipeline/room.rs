//! Making room: items that leave before their end, because units are needed or because their partition has gone.

use std::time::Instant;

use super::engine::{Engine, Now};
use super::item::{Branch, Item, ItemKey, Phase};
use crate::domain::ids::Class;
use crate::domain::join::{PurgeEnd, SyncEnd};

impl Engine {
    /// The class has no unit left: its oldest items whose one branch is done and whose other waits behind an open
    /// breaker make room, and a follow-up does the rest later. Where the other class holds what is missing, its items
    /// do so too: fresh ones may hold every unit, and would keep requests and sweeps out until the outage ends.
    pub(super) fn defer_waiting(&mut self, class: Class, units: usize, now: Now) {
        if [&self.sync, &self.purge, &self.clear].iter().all(|stage| stage.breaker.is_closed()) {
            return;
        }
        let may_leave = |item: &Item| item.class == class || self.budget.share_left(class) >= units;
        let mut stuck: Vec<(bool, Instant, ItemKey)> = self
            .items
            .iter()
            .filter(|(_, item)| may_leave(item) && item.phase == Phase::Branches && !item.abandoned)
            .filter(|(key, item)| {
                let (sync, purge) = (self.sync.is_stuck(**key), self.purge_stuck(**key));
                let sync_done = item.sync != Branch::Due;
                let purge_done = item.purge != Branch::Due && !self.clear.holds(**key);
                (sync && purge_done) || (purge && sync_done)
            })
            .map(|(key, item)| (item.class != class, item.started, *key))
            .collect();
        stuck.sort_unstable();
        let missing = units.saturating_sub(self.budget.free(class));
        for (_, _, key) in stuck.into_iter().take(missing) {
            let Some(item) = self.items.get_mut(&key) else { continue };
            if item.sync == Branch::Due && self.sync.leave(key) {
                item.sync = Branch::Ended(SyncEnd::Waiting);
            } else if self.purge.leave(key) && self.clear.leave(key) {
                // Purged but not cleared counts as not done: doing it again is harmless.
                item.purge = Branch::Ended(PurgeEnd::Waiting);
            }
            self.finish_if_done(key, now);
        }
    }

    /// An open Admin API breaker is an open purge breaker.
    fn purge_stuck(&self, key: ItemKey) -> bool {
        self.purge.is_stuck(key)
            || self.clear.is_stuck(key)
            || (!self.clear.breaker.is_closed() && self.purge.holds(key) && !self.purge.is_in_call(key))
    }

    /// The epoch has ended: out of everything it is not inside a call of.
    pub(super) fn abandon(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        item.abandoned = true;
        match item.phase {
            Phase::Publishing => return,
            Phase::InLine => {
                let (user, event) = (item.user.clone(), item.event);
                self.lines.leave(&user, key);
                self.left_line(event);
                self.give_back(key, now);
                return;
            }
            Phase::Lookup | Phase::Branches => {}
        }
        self.drop_item(key, now);
    }

    /// Out of every stage; what is inside a call is dropped at its end.
    pub(super) fn drop_item(&mut self, key: ItemKey, now: Now) {
        let mut out = true;
        for stage in [&mut self.lookup, &mut self.sync, &mut self.purge, &mut self.clear] {
            out &= stage.leave(key);
        }
        if out {
            self.release_line(key, now);
            self.give_back(key, now);
        }
    }
}
