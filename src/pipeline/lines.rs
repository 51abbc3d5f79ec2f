//! Lines: one queue per user, and only the first in it is in the stages.
//!
//! Without them a slow resync that read the old row could land after the delete.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::item::ItemKey;
use crate::domain::ids::UserId;

#[derive(Debug)]
enum Holder {
    Item(ItemKey),
    /// A probe is calling this user as a control.
    Probe,
    /// Nobody, but a lost answer may still land.
    Kept,
}

#[derive(Debug)]
struct Line {
    holder: Holder,
    queue: VecDeque<ItemKey>,
}

/// Invariant: a user without a line has nothing in the stages.
#[derive(Debug, Default)]
pub struct Lines {
    lines: HashMap<UserId, Line>,
    /// The lines kept by a lost answer, by when they open.
    kept: BTreeSet<(Instant, UserId)>,
}

impl Lines {
    /// True when `item` is first and may go on; otherwise it waits its turn.
    pub fn join(&mut self, user: &UserId, item: ItemKey) -> bool {
        if let Some(line) = self.lines.get_mut(user) {
            line.queue.push_back(item);
            return false;
        }
        self.lines.insert(user.clone(), Line { holder: Holder::Item(item), queue: VecDeque::new() });
        true
    }

    /// True when nobody has the user's line: it then belongs to the probe until it is released.
    pub fn hold_for_probe(&mut self, user: &UserId) -> bool {
        let free = !self.lines.contains_key(user);
        if free {
            self.lines.insert(user.clone(), Line { holder: Holder::Probe, queue: VecDeque::new() });
        }
        free
    }

    /// The holder is done: who is next. With `keep`, the line opens only then.
    pub fn release(&mut self, user: &UserId, keep: Option<Instant>) -> Option<ItemKey> {
        if let Some(until) = keep {
            let line = self.lines.get_mut(user)?;
            line.holder = Holder::Kept;
            self.kept.insert((until, user.clone()));
            return None;
        }
        self.advance(user)
    }

    /// The same of the probe, where the line was the probe's.
    pub fn release_by_probe(&mut self, user: &UserId, keep: Option<Instant>) -> Option<ItemKey> {
        match self.lines.get(user)?.holder {
            Holder::Probe => self.release(user, keep),
            Holder::Item(_) | Holder::Kept => None,
        }
    }

    /// An item that still waits gives up its place.
    pub fn leave(&mut self, user: &UserId, item: ItemKey) {
        if let Some(line) = self.lines.get_mut(user) {
            line.queue.retain(|queued| *queued != item);
        }
    }

    /// Opens the lines whose wait is over: the items that are first in them now.
    pub fn open_due(&mut self, now: Instant) -> Vec<ItemKey> {
        let mut first = Vec::new();
        while self.kept.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, user)) = self.kept.pop_first() else { break };
            first.extend(self.advance(&user));
        }
        first
    }

    pub fn wake(&self) -> Option<Instant> {
        self.kept.first().map(|(until, _)| *until)
    }

    /// The item that holds the user's line, if one does.
    pub fn holder(&self, user: &UserId) -> Option<ItemKey> {
        match self.lines.get(user)?.holder {
            Holder::Item(item) => Some(item),
            Holder::Probe | Holder::Kept => None,
        }
    }

    fn advance(&mut self, user: &UserId) -> Option<ItemKey> {
        let line = self.lines.get_mut(user)?;
        match line.queue.pop_front() {
            Some(item) => {
                line.holder = Holder::Item(item);
                Some(item)
            }
            None => {
                self.lines.remove(user);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
