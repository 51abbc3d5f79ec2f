use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::pipeline::retry::Jitter;
use crate::ports::{Blame, CallResult, Disposition, Failure};

const ATTEMPTS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Enter {
        class: Class,
        later: bool,
    },
    /// The engine takes an item out.
    Leave(Index),
    /// A call is answered: as a whole, or item by item.
    Fail(Index, Fault),
    Answer(Index, Vec<Option<Fault>>),
    Probe(Verdict),
    Wait(u16),
    /// No longer may items be called that are odd: they leave on the way.
    Divert,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Away,
    Whole,
    Throttled,
    Held,
    Refused,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Works,
    Away,
    CannotBeMade,
}

impl Fault {
    fn failure(self) -> Failure {
        match self {
            Self::Away => Failure::new(Disposition::Retry(Blame::Server), "away"),
            Self::Whole => Failure::new(Disposition::Retry(Blame::Call), "whole"),
            Self::Throttled => Failure::new(Disposition::Retry(Blame::Throttle(Duration::from_secs(5))), "throttled"),
            Self::Held => Failure::new(Disposition::Hold, "held"),
            Self::Refused => Failure::new(Disposition::Reject, "refused"),
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let fault = || {
        prop_oneof![
            1 => Just(Fault::Away),
            2 => Just(Fault::Whole),
            1 => Just(Fault::Throttled),
            1 => Just(Fault::Held),
            1 => Just(Fault::Refused),
        ]
    };
    let class = prop_oneof![Just(Class::Fresh), Just(Class::Other)];
    let verdict = prop_oneof![3 => Just(Verdict::Works), 1 => Just(Verdict::Away), 1 => Just(Verdict::CannotBeMade)];
    prop_oneof![
        6 => (class, any::<bool>()).prop_map(|(class, later)| Step::Enter { class, later }),
        1 => any::<Index>().prop_map(Step::Leave),
        2 => (any::<Index>(), fault()).prop_map(|(call, fault)| Step::Fail(call, fault)),
        3 => (any::<Index>(), proptest::collection::vec(proptest::option::weighted(0.3, fault()), 4))
            .prop_map(|(call, answers)| Step::Answer(call, answers)),
        3 => verdict.prop_map(Step::Probe),
        3 => (0..20_000_u16).prop_map(Step::Wait),
        1 => Just(Step::Divert),
    ]
}

fn stage() -> Stage {
    let retry = RetryPolicy {
        attempts: ATTEMPTS,
        time: Duration::from_hours(1),
        first_pause: Duration::from_millis(200),
        max_pause: Duration::from_secs(30),
        jitter: Jitter::seeded(0),
    };
    let linger = [Duration::from_millis(20), Duration::from_millis(200)];
    Stage::new(StageOptions { limiter: Limiter::fixed(4, 2), linger, retry, pace: Duration::from_millis(1) })
}

/// A stage, and the books of who went in and came out.
struct Play {
    stage: Stage,
    now: Instant,
    next: u64,
    inside: BTreeSet<ItemKey>,
    calls: BTreeMap<u64, Vec<ItemKey>>,
    probing: bool,
    ended: Vec<(ItemKey, Result<(), String>, u32)>,
}

impl Play {
    fn new() -> Self {
        let (inside, calls, ended) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Self { stage: stage(), now: Instant::now(), next: 0, inside, calls, probing: false, ended }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Enter { class, later } => {
                let item = ItemKey(self.next);
                self.next += 1;
                let not_before = self.now + if *later { Duration::from_secs(7) } else { Duration::ZERO };
                self.stage.enter(item, (*class, ObjectType::user()), not_before, self.now);
                self.inside.insert(item);
            }
            Step::Leave(which) if !self.inside.is_empty() => {
                let item = *which.get(&self.inside.iter().copied().collect::<Vec<_>>());
                let in_call = self.calls.values().any(|items| items.contains(&item));
                assert_eq!(self.stage.leave(item), !in_call, "only what is inside a call is awaited");
                if !in_call {
                    self.inside.remove(&item);
                }
            }
            Step::Fail(which, fault) => self.answer(which, |_| Err(fault.failure())),
            Step::Answer(which, answers) => self.answer(which, |size| {
                let answer = |fault: &Option<Fault>| fault.map_or(Ok(()), |fault| Err(fault.failure()));
                Ok(answers.iter().map(answer).take(size).collect())
            }),
            Step::Probe(verdict) if self.probing => self.probe(*verdict),
            Step::Wait(millis) => self.now += Duration::from_millis((*millis).into()),
            Step::Leave(_) | Step::Probe(_) | Step::Divert => {}
        }
        self.turn(matches!(step, Step::Divert));
    }

    fn answer(&mut self, which: &Index, answer: impl FnOnce(usize) -> CallResult<()>) {
        let calls: Vec<_> = self.calls.keys().copied().collect();
        if calls.is_empty() {
            return;
        }
        let call = *which.get(&calls);
        let items = self.calls.remove(&call).unwrap();
        let ended = self.stage.finish(CallId(call), answer(items.len()), self.now);
        self.end(ended);
    }

    fn probe(&mut self, verdict: Verdict) {
        self.probing = false;
        let verdict = match verdict {
            Verdict::Works => Some(Ok(())),
            Verdict::Away => Some(Err(Fault::Away.failure())),
            Verdict::CannotBeMade => None,
        };
        let ended = self.stage.probed(verdict, self.now);
        self.end(ended);
    }

    fn end(&mut self, ended: Vec<Ended<()>>) {
        for Ended { item, result, attempts, .. } in ended {
            assert!(self.inside.remove(&item), "{item:?} ends although it is not there, or twice");
            assert!(attempts <= ATTEMPTS);
            self.ended.push((item, result, attempts));
        }
    }

    /// Calls and probes begin; then the books are compared.
    fn turn(&mut self, diverts: bool) {
        let mut diverted = Vec::new();
        while let Some(work) = self.stage.next(self.now, &|item| !diverts || item.0 % 2 == 0, &mut diverted) {
            match work {
                Work::Probe => assert!(!std::mem::replace(&mut self.probing, true), "one probe at a time"),
                Work::Call(call, items) => {
                    assert!(self.stage.breaker.is_closed() && !items.is_empty() && items.len() <= 4);
                    for item in &items {
                        assert!(self.inside.contains(item), "{item:?} is called although it is not there");
                        assert!(!self.calls.values().any(|others| others.contains(item)), "{item:?} is in two calls");
                    }
                    assert!(self.calls.insert(call.0, items).is_none());
                    assert!(self.calls.len() <= 2);
                }
            }
        }
        diverted.iter().for_each(|item| assert!(self.inside.remove(item)));
        // The loop would come again at once, and again.
        assert!(self.stage.wake(self.now).is_none_or(|wake| wake > self.now), "wakes in the past: {:?}", self.stage);
        let in_call: usize = self.calls.values().map(Vec::len).sum();
        let Counts { ready, delayed, in_call: counted } = self.stage.counts();
        assert_eq!((counted, ready + delayed + counted), (in_call, self.inside.len()));
        assert!(self.inside.iter().all(|item| self.stage.holds(*item)), "an item was lost");
        assert!(self.calls.values().flatten().all(|item| self.stage.is_in_call(*item)));
    }

    /// Everything works from now on, but for the items that `is_bad` speaks of: a call with one of them fails.
    fn heal(&mut self, is_bad: impl Fn(ItemKey) -> bool) {
        for _ in 0..400 {
            if self.inside.is_empty() {
                return;
            }
            while let Some(call) = self.calls.keys().next().copied() {
                let items = self.calls.remove(&call).unwrap();
                let fails = items.iter().any(|item| is_bad(*item));
                let answer =
                    if fails { Err(Fault::Whole.failure()) } else { Ok(items.iter().map(|_| Ok(())).collect()) };
                let ended = self.stage.finish(CallId(call), answer, self.now);
                self.end(ended);
                self.turn(false);
            }
            if self.probing {
                self.probe(Verdict::Works);
                self.turn(false);
            }
            // Whoever asked the stage when to come again has come in time.
            let wake = self.stage.wake(self.now);
            let is_busy = self.probing || !self.calls.is_empty();
            assert!(wake.is_some() || is_busy || self.inside.is_empty(), "items wait for nothing: {:?}", self.stage);
            self.now = self.now.max(wake.unwrap_or(self.now));
            self.turn(false);
        }
        panic!("not everything has come to an end: {:?}", self.stage);
    }
}

proptest! {
    /// `budget_returns_to_zero` rests on it: who goes in comes out, once.
    #[test]
    fn every_item_is_in_one_place_and_ends_once(script in proptest::collection::vec(steps(), 1..120)) {
        let mut play = Play::new();
        script.iter().for_each(|step| play.step(step));
        play.heal(|_| false);
        prop_assert!(play.stage.is_empty());
        prop_assert_eq!(play.stage.counts(), Counts { ready: 0, delayed: 0, in_call: 0 });
        let ended: BTreeSet<_> = play.ended.iter().map(|(item, ..)| *item).collect();
        prop_assert_eq!(ended.len(), play.ended.len());
    }

    #[test]
    fn an_outage_dead_letters_nothing(script in proptest::collection::vec(steps(), 1..120)) {
        let mut play = Play::new();
        for step in &script {
            // A call may fail in whatever way, as long as no probe passes meanwhile and nobody is refused.
            match step {
                Step::Fail(_, Fault::Refused) | Step::Answer(..) => {}
                Step::Probe(Verdict::Works) => play.step(&Step::Probe(Verdict::Away)),
                step => play.step(step),
            }
        }
        prop_assert!(play.ended.is_empty());
        if play.probing {
            play.probe(Verdict::Away);
        }
        play.heal(|_| false);
        prop_assert!(play.ended.iter().all(|(_, result, _)| result.is_ok()), "{:?}", play.ended);
    }

    #[test]
    fn one_bad_user_hurts_nobody(users in 1..30_u64, bad in any::<Index>()) {
        let mut play = Play::new();
        let bad = ItemKey(bad.index(usize::try_from(users).unwrap()) as u64);
        (0..users).for_each(|_| play.step(&Step::Enter { class: Class::Fresh, later: false }));
        let begun = play.now;
        play.heal(|item| item == bad);
        prop_assert_eq!(play.ended.len() as u64, users);
        for (item, result, attempts) in &play.ended {
            let expected = if *item == bad { (Err("whole".to_owned()), ATTEMPTS) } else { (Ok(()), 0) };
            prop_assert_eq!((result.clone(), *attempts), expected);
        }
        prop_assert!(play.stage.breaker.is_closed() && play.now - begun < Duration::from_secs(10));
    }
}
