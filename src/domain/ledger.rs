//! What of one partition, in one assignment, is settled: from it comes the offset that may be committed.
//!
//! One ledger per partition and epoch; the pipeline drops it with the epoch, so what an older owner completes finds
//! nothing to settle. Sending commits, and their metadata's form, belong elsewhere.

use std::collections::VecDeque;

/// The delivered offsets of a partition from the frontier on, and which of them are settled.
///
/// Offsets are not dense (compaction, transaction markers): only delivered ones are known here.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Ascending. Invariant: the first entry, if any, is not settled.
    window: VecDeque<Entry>,
    unsettled: usize,
    last_delivered: Option<i64>,
    settlements: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: i64,
    settled: bool,
}

impl Ledger {
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters an offset that was just delivered. False, and nothing changes, unless it is above all before it: a
    /// repeat within an epoch must neither be settled twice nor bring the frontier back.
    #[must_use]
    pub fn deliver(&mut self, offset: i64) -> bool {
        if self.last_delivered.is_some_and(|last| offset <= last) {
            return false;
        }
        self.last_delivered = Some(offset);
        self.window.push_back(Entry { offset, settled: false });
        self.unsettled += 1;
        true
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

    /// Ascending: what a new owner need not do again although the frontier is below it.
    pub fn settled_above(&self) -> impl Iterator<Item = i64> {
        self.window.iter().filter(|entry| entry.settled).map(|entry| entry.offset)
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The same, said without cleverness.
    #[derive(Default)]
    struct Model(BTreeMap<i64, bool>);

    impl Model {
        fn deliver(&mut self, offset: i64) -> bool {
            let fits = self.0.keys().all(|&known| known < offset);
            if fits {
                self.0.insert(offset, false);
            }
            fits
        }

        fn settle(&mut self, offset: i64) -> bool {
            self.0.get_mut(&offset).is_some_and(|settled| !std::mem::replace(settled, true))
        }

        fn frontier(&self) -> Option<i64> {
            let unsettled = self.0.iter().find(|(_, settled)| !**settled).map(|(&offset, _)| offset);
            unsettled.or_else(|| self.0.keys().max().map(|last| last + 1))
        }

        fn settled_above(&self) -> Vec<i64> {
            let frontier = self.frontier().unwrap_or(0);
            self.0
                .iter()
                .filter(|&(&offset, &settled)| settled && offset > frontier)
                .map(|(&offset, _)| offset)
                .collect()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Deliver(i64),
        Settle(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![(0..60_i64).prop_map(Step::Deliver), (0..60_i64).prop_map(Step::Settle)];
        prop_oneof![
            proptest::collection::vec(step, 0..120),
            // Everything delivered with gaps, then settled in any order: random steps rarely come that far.
            proptest::collection::btree_set(0..200_i64, 1..60).prop_flat_map(|offsets| {
                let offsets: Vec<i64> = offsets.into_iter().collect();
                let delivered = offsets.iter().copied().map(Step::Deliver).collect::<Vec<_>>();
                Just(offsets).prop_shuffle().prop_map(move |order| {
                    delivered.iter().cloned().chain(order.into_iter().map(Step::Settle)).collect()
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn settled_before_committed(steps in steps()) {
            let (mut ledger, mut model) = (Ledger::new(), Model::default());
            for step in steps {
                let before = ledger.frontier();
                match step {
                    Step::Deliver(offset) => prop_assert_eq!(ledger.deliver(offset), model.deliver(offset)),
                    Step::Settle(offset) => prop_assert_eq!(ledger.settle(offset), model.settle(offset)),
                }
                let unsettled: Vec<i64> = model.0.iter().filter(|(_, settled)| !**settled).map(|(&o, _)| o).collect();
                let frontier = ledger.frontier();
                prop_assert!(unsettled.iter().all(|&offset| frontier.is_some_and(|frontier| frontier <= offset)));
                prop_assert!(before <= frontier, "the frontier went back from {before:?} to {frontier:?}");
                prop_assert_eq!(frontier, model.frontier());
                prop_assert_eq!(ledger.settled_above().collect::<Vec<_>>(), model.settled_above());
                prop_assert_eq!(ledger.unsettled(), unsettled.len());
                prop_assert_eq!(ledger.oldest_unsettled(), unsettled.first().copied());
                prop_assert_eq!(ledger.window(), ledger.unsettled() + ledger.settled_above().count());
                let last = model.0.keys().max().copied().unwrap_or_default();
                prop_assert_eq!(ledger.span(), unsettled.first().map_or(0, |first| last - first));
                prop_assert_eq!(ledger.settlements(), model.0.values().filter(|settled| **settled).count() as u64);
            }
        }
    }

    #[test]
    fn nothing_is_committed_before_anything_was_delivered() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.frontier(), None);
        assert!(!ledger.settle(7));
        assert!(ledger.deliver(7));
        assert_eq!(ledger.frontier(), Some(7));
    }

    #[test]
    fn one_stuck_offset_holds_the_frontier_and_the_rest_is_remembered_above_it() {
        let mut ledger = Ledger::new();
        assert!([10, 11, 15, 40].into_iter().all(|offset| ledger.deliver(offset)));
        assert!([40, 11, 15].into_iter().all(|offset| ledger.settle(offset)));
        assert_eq!((ledger.frontier(), ledger.unsettled(), ledger.window()), (Some(10), 1, 4));
        assert_eq!(ledger.settled_above().collect::<Vec<_>>(), [11, 15, 40]);
        assert!(ledger.settle(10));
        assert_eq!((ledger.frontier(), ledger.unsettled(), ledger.window()), (Some(41), 0, 0));
        assert!(!ledger.settle(10), "below the frontier nothing is known any more");
    }

    #[test]
    fn a_repeat_within_an_epoch_is_refused() {
        let mut ledger = Ledger::new();
        assert!(ledger.deliver(5));
        assert!(!ledger.deliver(5));
        assert!(!ledger.deliver(4));
        assert!(ledger.settle(5));
        assert!(!ledger.deliver(5));
        assert_eq!(ledger.frontier(), Some(6));
    }
}
