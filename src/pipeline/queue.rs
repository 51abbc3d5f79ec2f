//! The waiting side of a stage: who is ready, who waits for a time, and when a block is due.

use std::collections::VecDeque;
use std::time::Instant;

use super::item::ItemKey;
use super::stage::{Place, Stage};
use crate::domain::ids::Class;

impl Stage {
    pub(super) fn queue(&mut self, item: ItemKey, not_before: Instant, now: Instant) {
        let Some(track) = self.tracks.get_mut(&item) else { return };
        track.since = now;
        if not_before > now {
            track.place = Place::Delayed(not_before);
            self.delayed.insert((not_before, item));
        } else {
            track.place = Place::Ready;
            self.ready.entry((track.class, track.group.clone())).or_default().push_back(item);
        }
    }

    pub(super) fn unqueue(&mut self, item: ItemKey) {
        let Some(track) = self.tracks.get(&item) else { return };
        match track.place {
            Place::Delayed(due) => {
                self.delayed.remove(&(due, item));
            }
            Place::Ready => {
                let lane = self.ready.get_mut(&(track.class, track.group.clone()));
                // A backlog is let go oldest first, as it stands here: found at once, where going through the whole lane
                // for each would keep the engine busy for as long as a shutdown may take.
                if let Some((lane, place)) = lane.and_then(|lane| {
                    let place = lane.iter().position(|queued| *queued == item)?;
                    Some((lane, place))
                }) {
                    lane.remove(place);
                }
            }
            Place::Split => self.splits.iter_mut().for_each(|split| split.retain(|queued| *queued != item)),
            Place::Suspect => self.suspects.iter_mut().for_each(|suspect| suspect.items.retain(|held| *held != item)),
            Place::InCall => {}
        }
    }

    pub(super) fn wake_delayed(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, item)) = self.delayed.pop_first() else { break };
            self.queue(item, now, now);
        }
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
        }
    }

    pub(super) fn probe_is_due(&self, now: Instant) -> bool {
        if self.probing || self.rest_until.is_some() {
            return false;
        }
        match self.breaker.probe_at() {
            Some(due) => due <= now,
            None => self.suspects.iter().any(|suspect| !suspect.items.is_empty()),
        }
    }

    pub(super) fn may_call(&self, now: Instant) -> bool {
        self.breaker.is_closed()
            && self.rest_until.is_none()
            && self.calls.len() < self.options.limiter.calls()
            && self.last_call.is_none_or(|last| last + self.options.pace <= now)
    }

    /// Halves of a failed block first, then fresh before other; the oldest lane that is full or has waited enough.
    pub(super) fn take_block(&mut self, now: Instant) -> Option<(Vec<ItemKey>, bool)> {
        while let Some(split) = self.splits.pop_front() {
            if !split.is_empty() {
                return Some((split, true));
            }
        }
        let size = self.options.limiter.block();
        let due = self.ready.iter().find(|((class, _), lane)| {
            lane.len() >= size || self.lane_due(*class, lane.front()).is_some_and(|due| due <= now)
        });
        let key = due.map(|(key, _)| key.clone())?;
        let lane = self.ready.get_mut(&key)?;
        let block = lane.drain(..size.min(lane.len())).collect();
        if lane.is_empty() {
            self.ready.remove(&key);
        }
        Some((block, false))
    }

    /// When a block may be called although nothing happens before.
    pub(super) fn block_due(&self, now: Instant) -> Option<Instant> {
        if !self.breaker.is_closed() || self.rest_until.is_some() || self.calls.len() >= self.options.limiter.calls() {
            return None;
        }
        let paced = self.last_call.map_or(now, |last| last + self.options.pace);
        let size = self.options.limiter.block();
        let lane_due = |((class, _), lane): (&(Class, _), &VecDeque<ItemKey>)| {
            if lane.len() >= size { Some(now) } else { self.lane_due(*class, lane.front()) }
        };
        let split = (!self.splits.is_empty()).then_some(now);
        let first = self.ready.iter().filter_map(lane_due).chain(split).min()?;
        Some(first.max(paced))
    }

    fn lane_due(&self, class: Class, first: Option<&ItemKey>) -> Option<Instant> {
        let since = self.tracks.get(first?)?.since;
        let class = if self.hurried { Class::Fresh } else { class };
        Some(since + self.options.linger[class as usize])
    }
}
