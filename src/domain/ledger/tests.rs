use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn delivered(ledger: &mut Ledger, offset: i64) -> bool {
    ledger.deliver(offset, Some(0)) == Delivered::Anew
}

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
        self.0.iter().filter(|&(&offset, &settled)| settled && offset > frontier).map(|(&offset, _)| offset).collect()
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
            Just(offsets)
                .prop_shuffle()
                .prop_map(move |order| delivered.iter().cloned().chain(order.into_iter().map(Step::Settle)).collect())
        }),
    ]
}

proptest! {
    #[test]
    fn settled_before_committed(steps in steps()) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        for step in steps {
            let before = ledger.frontier();
            match step {
                Step::Deliver(offset) => prop_assert_eq!(delivered(&mut ledger, offset), model.deliver(offset)),
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
    let mut ledger = Ledger::default();
    assert_eq!(ledger.frontier(), None);
    assert!(!ledger.settle(7));
    assert!(delivered(&mut ledger, 7));
    assert_eq!(ledger.frontier(), Some(7));
}

#[test]
fn one_stuck_offset_holds_the_frontier_and_the_rest_is_remembered_above_it() {
    let mut ledger = Ledger::default();
    assert!([10, 11, 15, 40].into_iter().all(|offset| delivered(&mut ledger, offset)));
    assert!([40, 11, 15].into_iter().all(|offset| ledger.settle(offset)));
    assert_eq!((ledger.frontier(), ledger.unsettled(), ledger.window()), (Some(10), 1, 4));
    assert_eq!(ledger.settled_above().collect::<Vec<_>>(), [11, 15, 40]);
    assert!(ledger.settle(10));
    assert_eq!((ledger.frontier(), ledger.unsettled(), ledger.window()), (Some(41), 0, 0));
    assert!(!ledger.settle(10), "below the frontier nothing is known any more");
}

#[test]
fn a_repeat_within_an_epoch_is_refused() {
    let mut ledger = Ledger::default();
    assert!(delivered(&mut ledger, 5));
    assert!(!delivered(&mut ledger, 5));
    assert!(!delivered(&mut ledger, 4));
    assert!(ledger.settle(5));
    assert!(!delivered(&mut ledger, 5));
    assert_eq!(ledger.frontier(), Some(6));
}

/// One owner after another: each delivers and settles some, commits now and then, and is gone.
fn owners() -> impl Strategy<Value = Vec<Vec<(u8, Vec<prop::sample::Index>, bool)>>> {
    let turn = (0..6_u8, proptest::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>());
    proptest::collection::vec(proptest::collection::vec(turn, 1..6), 1..6)
}

proptest! {
    #[test]
    fn a_crash_redoes_little(log in proptest::collection::btree_set(0..60_i64, 1..30), owners in owners()) {
        let log: Vec<i64> = log.into_iter().collect();
        let (mut committed, mut metadata, mut covered) = (0, String::new(), BTreeSet::new());
        for turns in owners {
            let mut ledger = Ledger::after(OffsetMap::decode(&metadata, committed));
            let mut settled: BTreeSet<i64> = covered.clone();
            let first = log.partition_point(|offset| *offset < committed);
            let (mut coming, mut in_work) = (log[first..].iter(), Vec::new());
            for (deliveries, settles, commits) in turns {
                for offset in coming.by_ref().take(deliveries.into()) {
                    let expected = if covered.contains(offset) { Delivered::SettledBefore } else { Delivered::Anew };
                    prop_assert_eq!(ledger.deliver(*offset, Some(*offset)), expected, "{}", offset);
                    in_work.extend((expected == Delivered::Anew).then_some(*offset));
                }
                for which in settles.iter().filter(|_| !log.is_empty()) {
                    if !in_work.is_empty() {
                        let offset = in_work.swap_remove(which.index(in_work.len()));
                        prop_assert!(ledger.settle(offset));
                        settled.insert(offset);
                    }
                }
                if let (true, Some((frontier, map))) = (commits, ledger.commit()) {
                    prop_assert!(committed <= frontier);
                    (committed, covered) = (frontier, settled.clone());
                    metadata = map.map_or_else(String::new, |map| map.encode());
                }
            }
        }
    }
}

#[test]
fn what_the_owner_before_had_settled_is_kept_until_it_is_delivered() {
    let before = OffsetMap::of(10, 500, [11, 14]);
    let mut ledger = Ledger::after(before.clone());
    assert_eq!(ledger.commit(), None, "the commit of the owner before stands");
    assert_eq!(ledger.deliver(10, Some(100)), Delivered::Anew);
    assert_eq!(ledger.commit(), Some((10, before)));
    assert!(ledger.settle(10));
    assert_eq!(ledger.commit(), Some((11, OffsetMap::of(11, 500, [11, 14]))), "not delivered, but settled");
    assert_eq!(ledger.deliver(11, Some(200)), Delivered::SettledBefore);
    assert_eq!(ledger.commit(), Some((12, OffsetMap::of(12, 500, [14]))));
    assert_eq!(ledger.deliver(12, Some(501)), Delivered::Anew);
    assert_eq!(ledger.commit(), Some((12, None)), "the log has been written anew: 14 may be another record");
}

#[test]
fn the_oldest_time_is_that_of_the_oldest_record_not_settled() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.oldest_time(), None);
    for (offset, time) in [(1, 50), (2, 40), (3, 60)] {
        assert_eq!(ledger.deliver(offset, Some(time)), Delivered::Anew);
    }
    assert!(ledger.settle(2));
    assert_eq!(ledger.oldest_time(), Some(50));
    assert!(ledger.settle(1));
    assert_eq!(ledger.oldest_time(), Some(60));
    assert!(ledger.settle(3));
    assert_eq!(ledger.oldest_time(), None);
}
