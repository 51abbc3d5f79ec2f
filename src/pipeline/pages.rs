//! Pages: an event gives out its users page by page, and a page takes its units whole or not at all. All of one event's pages
//! come before the first of the next event: so few events are in work as units allow, and a crash repeats little.

use std::time::Duration;

use super::engine::{Effect, Engine, Note, Now};
use super::item::{Branch, EventKey, Item, ItemKey, Phase, nothing_done};
use crate::domain::event::{Subjects, TokenRange};
use crate::domain::ids::{Class, UserId};
use crate::domain::join::{PurgeEnd, SyncEnd};
use crate::domain::outcome::{Ending, Reason};
use crate::domain::page::MAX_RANGE_ROWS;
use crate::ports::Failure;

/// A range that cannot be read is read again.
const RANGE_PAUSE: Duration = Duration::from_secs(2);
/// Ranges that are read at once: their ids are held before there are units for them.
const RANGES_READ_AT_ONCE: usize = 4;

enum Opened {
    /// It has left the queue.
    Done,
    /// There are more pages of it.
    More,
    /// Others are to be read first.
    Unread,
    /// So many units are wanted.
    NoUnits(usize),
}

impl Engine {
    /// Events whose time has come enter the queue of their class, in the order of their partition.
    pub(super) fn queue_due_events(&mut self, now: Now) {
        for (partition, state) in &mut self.partitions {
            while let Some(key) = state.pending.front().copied() {
                if self.events.get(&key).is_some_and(|event| event.due > now.at) {
                    break;
                }
                state.pending.pop_front();
                self.queues[partition.topic.class() as usize].push_back(key);
            }
        }
    }

    /// Pages take their units in one step or not at all; while one waits, nobody behind it in its class goes on.
    pub(super) fn open_pages(&mut self, now: Now) {
        for class in Class::ALL {
            while let Some(key) = self.queues[class as usize].front().copied() {
                match self.open_page(key, class, now) {
                    Opened::Done => {
                        self.queues[class as usize].pop_front();
                    }
                    Opened::More => {}
                    Opened::Unread => break,
                    Opened::NoUnits(units) => {
                        self.defer_waiting(class, units, now);
                        break;
                    }
                }
            }
        }
    }

    fn open_page(&mut self, key: EventKey, class: Class, now: Now) -> Opened {
        let Some(event) = self.events.get_mut(&key) else { return Opened::Done };
        let leaving = self.partitions.get(&event.partition).is_none_or(|state| state.revocation.is_some());
        if event.abandoned || leaving || self.closing.is_some() {
            // Draining finishes pages that were begun; the rest is the next owner's.
            event.abandoned = true;
            self.go_on_with_event(key, now);
            return Opened::Done;
        }
        if let Some(range) = event.pages.needs_ids() {
            return self.read_range(key, range);
        }
        let units = event.pages.next_len() + usize::from(!event.opened);
        if !self.budget.take(class, units) {
            return Opened::NoUnits(units);
        }
        if !event.opened {
            event.opened = true;
            if let Some(state) = self.partitions.get(&event.partition) {
                state.gate.give(1);
            }
        }
        let users = event.pages.next().unwrap_or_default();
        event.in_work += users.len();
        let opened = if event.pages.is_done() { Opened::Done } else { Opened::More };
        if users.is_empty() {
            self.go_on_with_event(key, now);
        }
        for user in users {
            self.admit(key, user, now);
        }
        opened
    }

    fn read_range(&mut self, key: EventKey, range: TokenRange) -> Opened {
        if self.events.values().filter(|event| event.reading).count() >= RANGES_READ_AT_ONCE {
            return Opened::Unread;
        }
        let Some(event) = self.events.get_mut(&key) else { return Opened::Done };
        event.reading = true;
        self.effects.push(Effect::ReadRange(key, event.event.object_type.clone(), range));
        Opened::Done
    }

    fn admit(&mut self, event_key: EventKey, user: UserId, now: Now) {
        let key = ItemKey(self.key());
        let Some(event) = self.events.get_mut(&event_key) else { return };
        let item = Item {
            event: event_key,
            user: user.clone(),
            class: event.partition.topic.class(),
            action: event.event.action,
            object_type: event.event.object_type.clone(),
            follow_up: event.event.follow_up.clone(),
            phase: Phase::InLine,
            abandoned: false,
            verdict: None,
            root_org_id: None,
            managed_by: None,
            sync: Branch::Ended(SyncEnd::NotDue),
            purge: Branch::Ended(PurgeEnd::NotDue),
            reports: nothing_done(),
            started: event.received,
            sync_not_before: event.sync_not_before,
            answer_lost: false,
            protection: None,
            access_ended: false,
            purge_since: None,
        };
        let partition = event.partition;
        let first = self.lines.join(&user, key);
        if !first {
            event.in_line += 1;
            if event.in_line == 1
                && let Some(state) = self.partitions.get_mut(&partition)
            {
                state.parked += 1;
            }
        }
        self.items.insert(key, item);
        if first {
            self.start_lookup(key, now);
        }
        self.mind_gate(partition);
    }

    /// The item is first in its line now.
    pub(super) fn left_line(&mut self, event: EventKey) {
        let Some(event) = self.events.get_mut(&event) else { return };
        event.in_line = event.in_line.saturating_sub(1);
        let (partition, epoch, unparked) = (event.partition, event.epoch, event.in_line == 0);
        if let Some(state) = self.partitions.get_mut(&partition)
            && unparked
            && state.epoch == epoch
        {
            state.parked = state.parked.saturating_sub(1);
        }
        self.mind_gate(partition);
    }

    /// All items that it gave out are acknowledged: it is settled, unless there are more pages, for which it is in the queue.
    pub(super) fn go_on_with_event(&mut self, key: EventKey, now: Now) {
        let Some(event) = self.events.get(&key) else { return };
        if event.in_work > 0 || (!event.abandoned && !event.pages.is_done()) {
            return;
        }
        if event.abandoned {
            self.close_event(key);
        } else if matches!(event.event.subjects, Subjects::Range(_)) {
            self.tell_range(key, None, now);
        } else {
            self.close_event(key);
        }
    }

    /// The event's own unit comes back and its offset is settled.
    pub(super) fn close_event(&mut self, key: EventKey) {
        let Some(event) = self.events.remove(&key) else { return };
        if event.opened {
            self.budget.give(event.partition.topic.class(), 1);
        }
        if !event.abandoned {
            self.settle_offset(event.partition, event.epoch, event.offset);
        }
    }

    pub(super) fn range_read(&mut self, key: EventKey, ids: Result<Vec<UserId>, Failure>, now: Now) {
        let Some(event) = self.events.get_mut(&key) else { return };
        event.reading = false;
        let class = event.partition.topic.class();
        match ids.map(|ids| event.pages.supply(ids)) {
            Ok(Ok(())) => self.queues[class as usize].push_front(key),
            Ok(Err(_too_wide)) => self.tell_range(key, Some(Ending::failed(Reason::RangeTooWide)), now),
            Err(failure) => {
                self.notes.push(Note::RangeFailed(failure.reason.to_string()));
                event.due = now.at + RANGE_PAUSE;
                if let Some(state) = self.partitions.get_mut(&event.partition) {
                    state.pending.push_front(key);
                }
            }
        }
    }

    /// How many ids a range read asks for: one more than a range may hold.
    pub const RANGE_LIMIT: usize = MAX_RANGE_ROWS + 1;
}
