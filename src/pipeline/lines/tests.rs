use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn user() -> UserId {
    UserId::parse("u").unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Join,
    /// The holder is done.
    Release,
    /// The holder is done, but its last answer was lost.
    Keep,
    /// Who waits longest gives up.
    Leave,
    Probe,
    ProbeEnds,
    /// Its answer was lost.
    ProbeKeeps,
}

fn steps() -> impl Strategy<Value = (u8, Step, u8)> {
    let step = prop_oneof![
        4 => Just(Step::Join),
        3 => Just(Step::Release),
        1 => Just(Step::Keep),
        1 => Just(Step::Leave),
        1 => Just(Step::Probe),
        1 => Just(Step::ProbeEnds),
        1 => Just(Step::ProbeKeeps),
    ];
    (0..3_u8, step, 0..20_u8)
}

/// The same, said without cleverness: who is in the stages, and who waits.
#[derive(Default)]
struct Model {
    /// The item, or nobody's name while a probe has the user.
    inside: BTreeMap<UserId, Option<ItemKey>>,
    kept: BTreeMap<UserId, Instant>,
    waiting: BTreeMap<UserId, VecDeque<ItemKey>>,
}

impl Model {
    fn is_free(&self, user: &UserId) -> bool {
        !self.inside.contains_key(user) && !self.kept.contains_key(user)
    }

    /// Whoever is let in is alone, and was the first to wait.
    fn let_in(&mut self, user: &UserId, item: Option<ItemKey>) {
        let first = self.waiting.get_mut(user).and_then(VecDeque::pop_front);
        assert_eq!(item, first, "first come, first served");
        if let Some(item) = item {
            assert!(self.is_free(user), "one_at_a_time_per_user");
            self.inside.insert(user.clone(), Some(item));
        }
    }

    fn open_due(&mut self, lines: &mut Lines, now: Instant) {
        assert_eq!(lines.wake(), self.kept.values().min().copied());
        let due: BTreeSet<(Instant, UserId)> = self.kept.iter().map(|(user, until)| (*until, user.clone())).collect();
        let mut opened = lines.open_due(now).into_iter();
        for (_, user) in due.into_iter().filter(|(until, _)| *until <= now) {
            self.kept.remove(&user);
            let next =
                if self.waiting.get(&user).is_some_and(|queue| !queue.is_empty()) { opened.next() } else { None };
            self.let_in(&user, next);
        }
        assert_eq!(opened.next(), None, "a line opened before its time");
    }

    fn step(&mut self, lines: &mut Lines, (user, step): (&UserId, &Step), (item, now): (ItemKey, Instant)) {
        let holder = self.inside.get(user).copied();
        match (step, holder) {
            (Step::Join, _) => {
                let is_free = self.is_free(user);
                self.waiting.entry(user.clone()).or_default().push_back(item);
                assert_eq!(lines.join(user, item), is_free);
                if is_free {
                    self.let_in(user, Some(item));
                }
            }
            (Step::Release, Some(Some(_))) => {
                self.inside.remove(user);
                let next = lines.release(user, None);
                self.let_in(user, next);
            }
            (Step::Keep, Some(Some(_))) => {
                self.inside.remove(user);
                let until = now + Duration::from_secs(30);
                assert_eq!(lines.release(user, Some(until)), None);
                self.kept.insert(user.clone(), until);
            }
            (Step::Leave, _) => {
                if let Some(left) = self.waiting.get_mut(user).and_then(VecDeque::pop_front) {
                    lines.leave(user, left);
                }
            }
            (Step::Probe, _) => {
                let is_free = self.is_free(user);
                assert_eq!(lines.hold_for_probe(user), is_free);
                if is_free {
                    self.inside.insert(user.clone(), None);
                }
            }
            (Step::ProbeEnds, Some(None)) => {
                self.inside.remove(user);
                let next = lines.release_by_probe(user, None);
                self.let_in(user, next);
            }
            (Step::ProbeKeeps, Some(None)) => {
                self.inside.remove(user);
                let until = now + Duration::from_secs(30);
                assert_eq!(lines.release_by_probe(user, Some(until)), None);
                self.kept.insert(user.clone(), until);
            }
            (Step::ProbeEnds | Step::ProbeKeeps, _) => {
                let keep = matches!(step, Step::ProbeKeeps).then_some(now);
                assert_eq!(lines.release_by_probe(user, keep), None, "the line is not the probe's");
            }
            (Step::Release | Step::Keep, Some(None) | None) => {}
        }
        assert_eq!(lines.holder(user), self.inside.get(user).copied().flatten());
    }
}

proptest! {
    #[test]
    fn one_at_a_time_per_user(script in proptest::collection::vec(steps(), 1..150)) {
        let (mut lines, mut model, mut now) = (Lines::default(), Model::default(), Instant::now());
        for (item, (user, step, seconds)) in (0..).zip(&script) {
            let user = UserId::parse(&format!("u{user}")).unwrap();
            model.step(&mut lines, (&user, step), (ItemKey(item), now));
            now += Duration::from_secs((*seconds).into());
            model.open_due(&mut lines, now);
        }
        // Whoever waits gets its turn when everybody before it is done.
        for _ in 0..=script.len() {
            for user in model.inside.keys().cloned().collect::<Vec<_>>() {
                let done = if model.inside[&user].is_some() { Step::Release } else { Step::ProbeEnds };
                model.step(&mut lines, (&user, &done), (ItemKey(0), now));
            }
            now += Duration::from_secs(30);
            model.open_due(&mut lines, now);
        }
        prop_assert!(model.waiting.values().all(VecDeque::is_empty) && lines.lines.is_empty() && lines.kept.is_empty());
    }
}
#[test]
fn only_the_first_of_a_line_goes_on() {
    let mut lines = Lines::default();
    assert!(lines.join(&user(), ItemKey(1)));
    assert!(!lines.join(&user(), ItemKey(2)));
    assert!(!lines.join(&user(), ItemKey(3)));
    lines.leave(&user(), ItemKey(2));
    assert_eq!(lines.release(&user(), None), Some(ItemKey(3)));
    assert_eq!(lines.release(&user(), None), None);
    assert!(lines.join(&user(), ItemKey(4)));
}

#[test]
fn a_lost_answer_keeps_the_line() {
    let mut lines = Lines::default();
    let now = Instant::now();
    let until = now + Duration::from_secs(30);
    assert!(lines.join(&user(), ItemKey(1)));
    assert_eq!(lines.release(&user(), Some(until)), None);
    assert!(!lines.join(&user(), ItemKey(2)));
    assert!(!lines.hold_for_probe(&user()));
    assert!(lines.open_due(now).is_empty());
    assert_eq!(lines.open_due(until), [ItemKey(2)]);
}
