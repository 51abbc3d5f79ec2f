//! The one mechanism of all stages: items become blocks, blocks become calls, calls become results per item.
//!
//! Pure: it says what to call and when to ask again; time and answers come in as arguments. What a call does is not
//! known here.
//!
//! Every doubt is settled by a probe. A call that failed, or an item that its answer named, is a *suspect*: when the
//! probe passes, a block is split and a single item has an attempt counted; when it fails, the dependency is away,
//! nothing is counted and everything waits behind the breaker.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::breaker::{Breaker, BreakerState};
use super::item::ItemKey;
use super::limiter::Limiter;
use super::retry::RetryPolicy;
use crate::domain::ids::{Class, ObjectType};

#[derive(Clone, Debug)]
pub struct StageOptions {
    pub limiter: Limiter,
    /// How long a block waits to fill, fresh and other.
    pub linger: [Duration; 2],
    pub retry: RetryPolicy,
    /// At least so long from call to call.
    pub pace: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CallId(pub u64);

/// What the stage wants to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    Call(CallId, Vec<ItemKey>),
    Probe,
}

/// An item that is through with the stage.
#[derive(Debug)]
pub struct Ended<T> {
    pub item: ItemKey,
    /// `Err` is the bounded word of what went wrong, for good.
    pub result: Result<T, String>,
    pub attempts: u32,
    /// Since it could be called.
    pub took: Duration,
}

/// Where the items are, for the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub ready: usize,
    pub delayed: usize,
    pub in_call: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Ready,
    Delayed(Instant),
    Split,
    InCall,
    Suspect,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) class: Class,
    pub(super) group: ObjectType,
    pub(super) place: Place,
    /// Since when it could be called.
    pub(super) entered: Instant,
    /// Since when it has been ready, for the linger.
    pub(super) since: Instant,
    pub(super) attempts: u32,
    /// Time of calls alone: what it waited for its turn, for a probe or behind the breaker is no time of an attempt.
    pub(super) spent: Duration,
}

#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) items: Vec<ItemKey>,
    pub(super) reason: String,
    /// Time of the call that failed.
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) items: Vec<ItemKey>,
    pub(super) started: Instant,
    /// Half of a block that failed: says nothing about the dependency.
    pub(super) split: bool,
    /// With it as many calls as allowed were under way.
    pub(super) was_full: bool,
}

#[derive(Debug)]
pub struct Stage {
    pub(super) options: StageOptions,
    pub breaker: Breaker,
    pub(super) tracks: HashMap<ItemKey, Track>,
    pub(super) ready: BTreeMap<(Class, ObjectType), VecDeque<ItemKey>>,
    pub(super) delayed: BTreeSet<(Instant, ItemKey)>,
    pub(super) splits: VecDeque<Vec<ItemKey>>,
    pub(super) calls: HashMap<CallId, Call>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) probing: bool,
    pub(super) rest_until: Option<Instant>,
    pub(super) last_call: Option<Instant>,
    pub(super) refusals: usize,
    /// How many items are called again, by the word of what failed; since they were last asked for.
    pub(super) retried: BTreeMap<String, u64>,
    pub(super) next_call: u64,
    /// Nobody lingers longer than a fresh item: what is under way is to be finished.
    pub(super) hurried: bool,
}

impl Stage {
    pub fn new(options: StageOptions) -> Self {
        Self {
            options,
            breaker: Breaker::default(),
            tracks: HashMap::new(),
            ready: BTreeMap::new(),
            delayed: BTreeSet::new(),
            splits: VecDeque::new(),
            calls: HashMap::new(),
            suspects: Vec::new(),
            probing: false,
            rest_until: None,
            last_call: None,
            refusals: 0,
            retried: BTreeMap::new(),
            next_call: 0,
            hurried: false,
        }
    }

    /// An item joins; it is not called before `not_before`.
    pub fn enter(&mut self, item: ItemKey, (class, group): (Class, ObjectType), not_before: Instant, now: Instant) {
        let track = Track {
            class,
            group,
            place: Place::Ready,
            entered: now.max(not_before),
            since: now,
            attempts: 0,
            spent: Duration::ZERO,
        };
        self.tracks.insert(item, track);
        self.queue(item, not_before, now);
    }

    /// Takes an item out. False while it is inside a call: then its end is awaited, but told as usual.
    pub fn leave(&mut self, item: ItemKey) -> bool {
        match self.tracks.get(&item).map(|track| track.place) {
            None => true,
            Some(Place::InCall) => false,
            Some(Place::Ready | Place::Delayed(_) | Place::Split | Place::Suspect) => {
                self.unqueue(item);
                self.tracks.remove(&item);
                true
            }
        }
    }

    pub fn holds(&self, item: ItemKey) -> bool {
        self.tracks.contains_key(&item)
    }

    /// Who waits for a call, oldest first; nobody who is suspected.
    pub fn waiting(&self) -> Vec<ItemKey> {
        let waits = |track: &Track| matches!(track.place, Place::Ready | Place::Delayed(_) | Place::Split);
        let mut waiting: Vec<_> = self.tracks.iter().filter(|(_, track)| waits(track)).map(|(item, _)| *item).collect();
        waiting.sort_unstable();
        waiting
    }

    pub fn is_in_call(&self, item: ItemKey) -> bool {
        self.tracks.get(&item).is_some_and(|track| track.place == Place::InCall)
    }

    /// What a call under way carries.
    pub fn items_of(&self, call: CallId) -> &[ItemKey] {
        self.calls.get(&call).map_or(&[], |call| &call.items)
    }

    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    pub fn counts(&self) -> Counts {
        let in_call = self.calls.values().map(|call| call.items.len()).sum();
        let ready = self.ready.values().map(VecDeque::len).sum();
        Counts { ready, in_call, delayed: self.tracks.len() - ready - in_call }
    }

    pub fn take_retried(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.retried)
    }

    pub fn limiter(&self) -> &Limiter {
        &self.options.limiter
    }

    /// Whether the item can be through soon: not when it waits for a time or for a dependency.
    pub fn is_active(&self, item: ItemKey) -> bool {
        self.tracks.get(&item).is_some_and(|track| match track.place {
            Place::InCall => true,
            Place::Ready | Place::Split => self.breaker.is_closed() && self.rest_until.is_none(),
            Place::Delayed(_) | Place::Suspect => false,
        })
    }

    /// Whether the item waits for the dependency rather than for its turn.
    pub fn is_stuck(&self, item: ItemKey) -> bool {
        !self.breaker.is_closed() && self.tracks.get(&item).is_some_and(|track| track.place != Place::InCall)
    }

    /// The next thing to do, if one is due. `fits` says whether an item may still be called: one that may not leaves
    /// the stage and is handed to `diverted`.
    pub fn next(&mut self, now: Instant, fits: &dyn Fn(ItemKey) -> bool, diverted: &mut Vec<ItemKey>) -> Option<Work> {
        self.wake_delayed(now);
        if self.probe_is_due(now) {
            self.probing = true;
            return Some(Work::Probe);
        }
        if !self.may_call(now) {
            return None;
        }
        let (items, split) = loop {
            let (items, split) = self.take_block(now)?;
            let (items, late): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| fits(*item));
            for item in late {
                self.tracks.remove(&item);
                diverted.push(item);
            }
            if !items.is_empty() {
                break (items, split);
            }
        };
        for item in &items {
            if let Some(track) = self.tracks.get_mut(item) {
                track.place = Place::InCall;
            }
        }
        let call = CallId(self.next_call);
        self.next_call += 1;
        self.last_call = Some(now);
        let was_full = self.calls.len() + 1 >= self.options.limiter.calls();
        self.calls.insert(call, Call { items: items.clone(), started: now, split, was_full });
        Some(Work::Call(call, items))
    }

    /// When `next` may have something to do although nothing happened.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        // While the dependency rests no probe is begun, however due it is.
        let after_rest = |due: Instant| self.rest_until.map_or(due, |rest| due.max(rest));
        let probe = if self.probing { None } else { self.breaker.probe_at().map(after_rest) };
        let delayed = self.delayed.first().map(|(due, _)| *due);
        let block = self.block_due(now);
        [probe, delayed, self.rest_until, block].into_iter().flatten().min()
    }

    pub fn state(&self) -> &BreakerState {
        self.breaker.state()
    }
}

#[cfg(test)]
mod tests;
