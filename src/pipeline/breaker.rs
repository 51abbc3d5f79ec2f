//! One breaker per dependency: after enough failed calls nothing is sent until a probe passes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failed calls in a row that open the breaker.
const IN_A_ROW: usize = 5;
/// Half of so many recent calls opens it too.
const WINDOW: usize = 20;
/// Pauses between probes of an open breaker: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A person must mend something: looking more often helps nobody.
const HELD_PAUSE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// The dependency is away: what opened it, or what the last probe said, in a bounded word.
    Open(String),
    /// Something must be mended: what, in words for a person.
    Held(String),
}

impl BreakerState {
    /// Whether a person who was told of `before` is to be told of this: an open one's probes may fail in other ways.
    pub fn is_news_after(&self, before: &Self) -> bool {
        self != before && !matches!((before, self), (Self::Open(_), Self::Open(_)))
    }
}

#[derive(Debug)]
pub struct Breaker {
    state: BreakerState,
    /// Newest last; true is a failure.
    recent: VecDeque<bool>,
    pause: Duration,
    probe_at: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, recent: VecDeque::new(), pause: FIRST_PAUSE, probe_at: None }
    }
}

impl Breaker {
    pub fn state(&self) -> &BreakerState {
        &self.state
    }

    pub fn is_closed(&self) -> bool {
        self.state == BreakerState::Closed
    }

    /// When the next probe is due, while it is not closed.
    pub fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    pub fn succeeded(&mut self) {
        self.pause = FIRST_PAUSE;
        self.remember(false);
    }

    pub fn failed(&mut self, reason: &str, now: Instant) {
        self.remember(true);
        let in_a_row = self.recent.iter().rev().take_while(|failed| **failed).count();
        let failures = self.recent.iter().filter(|failed| **failed).count();
        if in_a_row >= IN_A_ROW || (self.recent.len() == WINDOW && failures * 2 >= WINDOW) {
            self.open(reason, now);
        }
    }

    /// A failed probe says that the dependency is away, whoever asked for it.
    pub fn probe_failed(&mut self, reason: &str, now: Instant) {
        match &mut self.state {
            BreakerState::Closed => self.open(reason, now),
            BreakerState::Open(why) => {
                reason.clone_into(why);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.probe_at = Some(now + self.pause);
            }
            BreakerState::Held(_) => self.probe_at = Some(now + HELD_PAUSE),
        }
    }

    /// A probe carries no work, so it may pass where work fails (a full disk): pauses go on growing until a call succeeds,
    /// or the breaker would open and close every second.
    pub fn probe_passed(&mut self) {
        let pause = if self.is_closed() { self.pause } else { (self.pause * 2).min(LONGEST_PAUSE) };
        *self = Self { pause, ..Self::default() };
    }

    pub fn hold(&mut self, reason: String, now: Instant) {
        self.state = BreakerState::Held(reason);
        self.probe_at = Some(now + HELD_PAUSE);
    }

    fn open(&mut self, reason: &str, now: Instant) {
        if self.is_closed() {
            self.state = BreakerState::Open(reason.to_owned());
            self.probe_at = Some(now + self.pause);
        }
    }

    fn remember(&mut self, failed: bool) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        Succeeds,
        Fails,
        ProbeFails,
        ProbePasses,
        Holds,
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Succeeds),
            6 => Just(Step::Fails),
            2 => Just(Step::ProbeFails),
            1 => Just(Step::ProbePasses),
            1 => Just(Step::Holds),
        ]
    }

    fn open(reason: &str) -> BreakerState {
        BreakerState::Open(reason.to_owned())
    }

    proptest! {
        /// `an_outage_dead_letters_nothing` rests on it: what is not closed is always probed, and only a probe closes it.
        #[test]
        fn only_a_passing_probe_closes_and_one_is_always_due(
            script in proptest::collection::vec((steps(), 0..30_u8), 0..120)
        ) {
            let (mut breaker, mut now, mut calls) = (Breaker::default(), Instant::now(), Vec::new());
            for (step, seconds) in script {
                now += Duration::from_secs(seconds.into());
                let (before, due) = (breaker.state().clone(), breaker.probe_at());
                match step {
                    Step::Succeeds => breaker.succeeded(),
                    Step::Fails => breaker.failed("timeout", now),
                    Step::ProbeFails => breaker.probe_failed("connection", now),
                    Step::ProbePasses => breaker.probe_passed(),
                    Step::Holds => breaker.hold("http_401".to_owned(), now),
                }
                calls.extend(matches!(step, Step::Succeeds | Step::Fails).then_some(step));
                let failed = |last: usize| calls.iter().rev().take(last).filter(|call| **call == Step::Fails).count();
                let enough = failed(IN_A_ROW) == IN_A_ROW || (calls.len() >= WINDOW && failed(WINDOW) * 2 >= WINDOW);
                let expected = match (step, before) {
                    (Step::ProbePasses, _) => BreakerState::Closed,
                    (Step::Holds, _) => BreakerState::Held("http_401".to_owned()),
                    (Step::ProbeFails, BreakerState::Closed | BreakerState::Open(_)) => open("connection"),
                    (Step::Fails, BreakerState::Closed) if enough => open("timeout"),
                    (_, before) => before,
                };
                prop_assert_eq!(breaker.state(), &expected);
                let wait = breaker.probe_at().map(|due| due.saturating_duration_since(now));
                match (&expected, step) {
                    (BreakerState::Closed, _) => prop_assert_eq!(wait, None),
                    (_, Step::Succeeds | Step::Fails) if due.is_some() => prop_assert_eq!(breaker.probe_at(), due),
                    (BreakerState::Open(_), _) => prop_assert!((Some(FIRST_PAUSE)..=Some(LONGEST_PAUSE)).contains(&wait)),
                    (BreakerState::Held(_), _) => prop_assert_eq!(wait, Some(HELD_PAUSE)),
                }
                if step == Step::ProbePasses {
                    calls.clear();
                }
            }
        }
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_with_a_passing_probe() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW {
            assert!(breaker.is_closed());
            breaker.failed("timeout", now);
        }
        assert_eq!(breaker.state(), &open("timeout"));
        breaker.probe_failed("connection", now);
        assert_eq!(breaker.state(), &open("connection"));
        assert_eq!(breaker.probe_at(), Some(now + FIRST_PAUSE * 2));
        breaker.probe_passed();
        assert!(breaker.is_closed());
    }

    #[test]
    fn another_failure_of_an_open_one_is_no_news() {
        let held = |reason: &str| BreakerState::Held(reason.to_owned());
        assert!(!open("timeout").is_news_after(&open("connection")));
        assert!(open("timeout").is_news_after(&BreakerState::Closed));
        assert!(held("timeout").is_news_after(&open("timeout")));
        assert!(held("http_401").is_news_after(&held("http_403")));
        assert!(!held("http_401").is_news_after(&held("http_401")));
    }

    #[test]
    fn opens_when_half_of_the_recent_calls_failed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for call in 0..WINDOW {
            assert!(breaker.is_closed());
            if call % 2 == 0 { breaker.failed("timeout", now) } else { breaker.succeeded() }
        }
        breaker.failed("timeout", now);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_probe_that_passes_where_calls_fail_is_made_less_and_less_often() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let opens = |breaker: &mut Breaker| {
            (0..IN_A_ROW).for_each(|_| breaker.failed("timeout", now));
            breaker.probe_at().unwrap() - now
        };
        for pause in [1, 2, 4] {
            assert_eq!(opens(&mut breaker), FIRST_PAUSE * pause);
            breaker.probe_passed();
            breaker.probe_passed();
        }
        breaker.succeeded();
        assert_eq!(opens(&mut breaker), FIRST_PAUSE);
    }
}
