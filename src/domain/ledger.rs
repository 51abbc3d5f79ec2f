//! What of one partition, in one assignment, is settled: from it comes the offset that may be committed.
//!
//! One ledger per partition and epoch; the pipeline drops it with the epoch, so what an older owner completes finds
//! nothing to settle. Sending commits, and their metadata's form, belong elsewhere.

use std::collections::VecDeque;

use super::offset_map::OffsetMap;

/// The delivered offsets of a partition from the frontier on, and which of them are settled.
///
/// Offsets are not dense (compaction, transaction markers): only delivered ones are known here.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// What the owner before had settled above the offset that this epoch began with.
    before: Option<OffsetMap>,
    /// Ascending. Invariant: the first entry, if any, is not settled.
    window: VecDeque<Entry>,
    unsettled: usize,
    last_delivered: Option<i64>,
    /// Of the records delivered, in milliseconds since 1970; `None` while none had a time.
    newest: Option<i64>,
    settlements: u64,
}

/// What a delivered record is to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    Anew,
    /// The owner before had settled it: it is settled here too.
    SettledBefore,
    /// Not above all before it: a repeat within an epoch must neither be settled twice nor bring the frontier back.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    offset: i64,
    /// In milliseconds since 1970.
    time: Option<i64>,
    settled: bool,
}

impl Ledger {
    /// `before`: read from the commit that this epoch begins with.
    pub fn after(before: Option<OffsetMap>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Enters an offset that was just delivered, with the time of its record in milliseconds since 1970.
    #[must_use]
    pub fn deliver(&mut self, offset: i64, timestamp: Option<i64>) -> Delivered {
        if self.last_delivered.is_some_and(|last| offset <= last) {
            return Delivered::Refused;
        }
        self.last_delivered = Some(offset);
        self.newest = self.newest.max(timestamp);
        self.window.push_back(Entry { offset, time: timestamp, settled: false });
        self.unsettled += 1;
        if self.before.as_ref().is_some_and(|map| map.settles(offset, timestamp)) {
            self.settle(offset);
            return Delivered::SettledBefore;
        }
        Delivered::Anew
    }

    /// Marks a delivered offset as settled. False, and nothing changes, when it is unknown or settled already.
    pub fn settle(&mut self, offset: i64) -> bool {
        let Ok(place) = self.window.binary_search_by_key(&offset, |entry| entry.offset) else { return false };
        let entry = &mut self.window[place];
        if entry.settled {
            return false;
        }
        entry.settled = true;
        self.unsettled -= 1;
        self.settlements += 1;
        while self.window.front().is_some_and(|entry| entry.settled) {
            self.window.pop_front();
        }
        true
    }

    /// What may be committed: the lowest offset not settled yet, or the one after the last delivered when all are
    /// settled. None before anything was delivered.
    pub fn frontier(&self) -> Option<i64> {
        self.oldest_unsettled().or_else(|| self.last_delivered.map(|last| last + 1))
    }

    pub fn oldest_unsettled(&self) -> Option<i64> {
        self.window.front().map(|entry| entry.offset)
    }

    /// The time of that record, in milliseconds since 1970: what retention counts from.
    pub fn oldest_time(&self) -> Option<i64> {
        self.window.front()?.time
    }

    /// Ascending: what a new owner need not do again although the frontier is below it.
    pub fn settled_above(&self) -> impl Iterator<Item = i64> {
        self.window.iter().filter(|entry| entry.settled).map(|entry| entry.offset)
    }

    /// What may be committed now: the frontier, and the map of what is settled from there on. What the owner before had
    /// settled and nobody has delivered here yet stays in it, or a crash soon after a rebalance would do it again.
    pub fn commit(&self) -> Option<(i64, Option<OffsetMap>)> {
        let (frontier, last) = (self.frontier()?, self.last_delivered?);
        let newest = self.newest.unwrap_or(i64::MIN);
        // A record newer than all that the owner before had seen: the log has been written anew from somewhere on.
        let before = self.before.as_ref().filter(|before| newest <= before.newest());
        let not_delivered_yet: Vec<_> = before.iter().flat_map(|before| before.settled_above(last)).collect();
        let newest = before.filter(|_| !not_delivered_yet.is_empty()).map_or(newest, OffsetMap::newest);
        Some((frontier, OffsetMap::of(frontier, newest, self.settled_above().chain(not_delivered_yet))))
    }

    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// How many offsets have ever been settled: while it stands still, so does all that could be committed.
    pub fn settlements(&self) -> u64 {
        self.settlements
    }

    /// How many delivered offsets are not below the frontier.
    pub fn window(&self) -> usize {
        self.window.len()
    }

    /// How far the last delivered offset is ahead of the frontier.
    pub fn span(&self) -> i64 {
        let ends = self.oldest_unsettled().zip(self.last_delivered);
        ends.map_or(0, |(oldest, last)| last - oldest)
    }
}

#[cfg(test)]
mod tests;
