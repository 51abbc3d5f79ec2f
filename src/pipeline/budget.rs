//! Units: how much the process may hold at once. One per item, and one per open event.

use crate::domain::ids::Class;

/// Invariant: what is held never exceeds the total, and *other* never exceeds three quarters of it, so that a backfill
/// cannot keep a fresh deletion out.
#[derive(Debug)]
pub struct Budget {
    total: usize,
    fresh: usize,
    other: usize,
}

impl Budget {
    pub fn new(total: usize) -> Self {
        Self { total, fresh: 0, other: 0 }
    }

    /// All the units or none of them.
    #[must_use]
    pub fn take(&mut self, class: Class, units: usize) -> bool {
        if units > self.free(class) {
            return false;
        }
        *self.slot(class) += units;
        true
    }

    pub fn give(&mut self, class: Class, units: usize) {
        let held = self.slot(class);
        debug_assert!(*held >= units, "more units given back than were taken");
        *held = held.saturating_sub(units);
    }

    /// How many units `class` could take now.
    pub fn free(&self, class: Class) -> usize {
        (self.total - self.fresh - self.other).min(self.share_left(class))
    }

    /// How many it could take if nobody else held any.
    pub fn share_left(&self, class: Class) -> usize {
        match class {
            Class::Fresh => self.total - self.fresh,
            Class::Other => (self.total * 3 / 4).saturating_sub(self.other),
        }
    }

    pub fn held(&self, class: Class) -> usize {
        match class {
            Class::Fresh => self.fresh,
            Class::Other => self.other,
        }
    }

    fn slot(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Fresh => &mut self.fresh,
            Class::Other => &mut self.other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn budget_returns_to_zero(
            total in 1..60_usize,
            steps in proptest::collection::vec((any::<bool>(), 0..20_usize, any::<bool>()), 0..80),
        ) {
            let mut budget = Budget::new(total);
            let mut held = [Vec::new(), Vec::new()];
            for (is_fresh, units, gives) in steps {
                let class = if is_fresh { Class::Fresh } else { Class::Other };
                let mine = &mut held[class as usize];
                if gives {
                    mine.pop().into_iter().for_each(|units| budget.give(class, units));
                } else {
                    let free = budget.free(class);
                    let is_taken = budget.take(class, units);
                    prop_assert_eq!(is_taken, units <= free, "whole or not at all");
                    mine.extend(is_taken.then_some(units));
                }
                let sums = [Class::Fresh, Class::Other].map(|class| held[class as usize].iter().sum::<usize>());
                prop_assert_eq!(Class::ALL.map(|class| budget.held(class)), sums);
                prop_assert!(sums[0] + sums[1] <= total && sums[1] <= total * 3 / 4);
                prop_assert_eq!(budget.free(Class::Fresh), total - sums[0] - sums[1], "nothing is kept from fresh");
            }
            for class in Class::ALL {
                held[class as usize].drain(..).for_each(|units| budget.give(class, units));
            }
            prop_assert_eq!((budget.free(Class::Fresh), budget.free(Class::Other)), (total, total * 3 / 4));
        }
    }

    #[test]
    fn units_are_taken_whole_or_not_at_all() {
        let mut budget = Budget::new(8);
        assert!(budget.take(Class::Fresh, 7));
        assert!(!budget.take(Class::Fresh, 2));
        assert!(budget.take(Class::Fresh, 1));
        budget.give(Class::Fresh, 8);
        assert_eq!(budget.held(Class::Fresh), 0);
    }

    #[test]
    fn other_leaves_a_quarter_to_fresh() {
        let mut budget = Budget::new(8);
        assert!(budget.take(Class::Other, 6));
        assert!(!budget.take(Class::Other, 1));
        assert!(budget.take(Class::Fresh, 2));
    }
}
