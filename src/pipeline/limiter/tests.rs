use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

/// A service in time that is only counted: it handles a call's users one after the other, and so many calls at once.
struct Service {
    at_once: usize,
    per_user: Duration,
    per_call: Duration,
    /// A repeatable stand-in for noise: the times of users go from half to one and a half.
    noise: u64,
    /// When each of its hands is free.
    hands: Vec<Instant>,
}

impl Service {
    fn new(at_once: usize, per_user: Duration, start: Instant) -> Self {
        Self { at_once, per_user, per_call: Duration::from_millis(5), noise: 1, hands: vec![start; at_once] }
    }

    fn end_of(&mut self, users: usize, now: Instant) -> Instant {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let factor = 0.5 + f64::from(u32::try_from(self.noise >> 32).unwrap()) / f64::from(u32::MAX);
        let takes = self.per_call + self.per_user.mul_f64(factor) * u32::try_from(users).unwrap();
        let hand = (0..self.at_once).min_by_key(|hand| self.hands[*hand]).unwrap();
        self.hands[hand] = self.hands[hand].max(now) + takes;
        self.hands[hand]
    }
}

/// Calls that never wait for users: how many users are done in a stretch of time.
struct Run {
    limiter: Limiter,
    now: Instant,
    under_way: BinaryHeap<Reverse<(Instant, Instant, usize, bool)>>,
    most_at_once: usize,
}

impl Run {
    fn new(limiter: Limiter, start: Instant) -> Self {
        Self { limiter, now: start, under_way: BinaryHeap::new(), most_at_once: 0 }
    }

    fn go(&mut self, service: &mut Service, stretch: Duration) -> usize {
        let (end, mut done) = (self.now + stretch, 0);
        self.most_at_once = 0;
        while self.now < end {
            while self.under_way.len() < self.limiter.calls() {
                let (users, is_full) = (self.limiter.block(), self.under_way.len() + 1 >= self.limiter.calls());
                let end = service.end_of(users, self.now).min(self.now + TIMEOUT);
                self.under_way.push(Reverse((end, self.now, users, is_full)));
            }
            self.most_at_once = self.most_at_once.max(self.under_way.len());
            let Some(Reverse((ended, started, items, was_full))) = self.under_way.pop() else { break };
            self.now = ended;
            if ended < started + TIMEOUT {
                done += items;
                self.limiter.answered(Answered { items, started, took: ended - started, was_full });
            } else {
                self.limiter.failed(started, ended);
            }
        }
        done
    }
}

/// Nobody waits longer for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

fn speed_of(limiter: Limiter, (at_once, per_user): (usize, Duration)) -> usize {
    let start = Instant::now();
    let (mut service, mut run) = (Service::new(at_once, per_user, start), Run::new(limiter, start));
    run.go(&mut service, MINUTE);
    run.go(&mut service, MINUTE)
}

#[test]
fn it_comes_within_a_tenth_of_the_best_fixed_limits_from_any_start() {
    for service in [(4, 10), (4, 35), (1, 2), (8, 10)].map(|(at_once, ms)| (at_once, Duration::from_millis(ms))) {
        for bound in [4, 16] {
            let fixed = [1, 25, 100].iter().flat_map(|block| (1..=bound).map(|calls| Limiter::fixed(*block, calls)));
            let best = fixed.map(|limiter| speed_of(limiter, service)).max().unwrap();
            for block in [1, 25, 100] {
                for calls in [1, 4, bound] {
                    let start = Limiter { block, calls: real(calls), ..Limiter::adaptive(100, bound) };
                    let speed = speed_of(start, service);
                    assert!(speed * 10 >= best * 9, "{service:?} {bound} {block} {calls}: {speed} of {best}");
                }
            }
        }
    }
}

#[test]
fn a_brown_out_lowers_the_load_and_its_end_brings_it_back_within_seconds() {
    let start = Instant::now();
    let mut service = Service::new(4, Duration::from_millis(10), start);
    let mut run = Run::new(Limiter::adaptive(100, 8), start);
    run.go(&mut service, MINUTE);
    let before = run.go(&mut service, Duration::from_secs(10));

    service.per_user = Duration::from_millis(200);
    run.go(&mut service, Duration::from_secs(30));
    run.go(&mut service, Duration::from_secs(30));
    assert!(run.most_at_once <= 2, "{} calls at once", run.most_at_once);
    assert!(run.limiter.block() <= 25, "blocks of {}", run.limiter.block());

    service.per_user = Duration::from_millis(10);
    run.go(&mut service, Duration::from_secs(15));
    let after = run.go(&mut service, Duration::from_secs(10));
    assert!(after * 10 >= before * 9, "{after}, before {before}");
}

#[test]
fn a_failure_halves_once_however_many_calls_were_under_way() {
    let now = Instant::now();
    let mut limiter = Limiter { block: 80, calls: 8.0, ..Limiter::adaptive(100, 8) };
    limiter.failed(now, now + MINUTE);
    limiter.failed(now, now + MINUTE);
    assert_eq!((limiter.block(), limiter.calls()), (40, 4));
    limiter.failed(now + MINUTE, now + 2 * MINUTE);
    assert_eq!((limiter.block(), limiter.calls()), (20, 2));
}

#[test]
fn one_slow_answer_among_many_changes_nothing() {
    let now = Instant::now();
    let mut limiter = Limiter { block: 100, calls: 4.0, ..Limiter::adaptive(100, 4) };
    let answer = |ms| Answered { items: 100, started: now, took: Duration::from_millis(ms), was_full: true };
    (0..10).for_each(|_| limiter.answered(answer(1_000)));
    limiter.answered(answer(3_500));
    assert_eq!((limiter.block(), limiter.calls()), (100, 4));
}

#[test]
fn fixed_limits_stay() {
    let now = Instant::now();
    let mut limiter = Limiter::fixed(500, 2);
    limiter.failed(now, now);
    limiter.answered(Answered { items: 500, started: now, took: MINUTE, was_full: true });
    assert_eq!((limiter.block(), limiter.calls()), (500, 2));
}

#[test]
fn blocks_shrink_when_calls_come_near_the_services_own_limit() {
    let now = Instant::now();
    let mut limiter = Limiter { block: 100, ..Limiter::adaptive(100, 1) };
    limiter.answered(Answered { items: 100, started: now, took: Duration::from_secs(5), was_full: true });
    assert_eq!(limiter.block(), 50);
    limiter.answered(Answered { items: 10, started: now, took: Duration::from_millis(1), was_full: true });
    assert_eq!(limiter.block(), 50, "a block that was not full proves nothing");
}

proptest! {
    #[test]
    fn no_history_leads_out_of_the_bounds_or_keeps_it_down(
        (block, calls) in (1..400_usize, 1..20_usize),
        history in proptest::collection::vec((any::<bool>(), 1..500_usize, 0..15_000_u64, any::<bool>()), 0..150),
    ) {
        let mut limiter = Limiter::adaptive(block, calls);
        let mut now = Instant::now();
        let held = |limiter: &Limiter| (1..=block).contains(&limiter.block()) && (1..=calls).contains(&limiter.calls());
        for (fails, items, ms, was_full) in history {
            let (started, took) = (now, Duration::from_millis(ms));
            // The next call may have begun long before this one ends.
            now += took / 4;
            if fails {
                limiter.failed(started, started + took);
            } else {
                limiter.answered(Answered { items, started, took, was_full });
            }
            prop_assert!(held(&limiter), "{limiter:?}");
        }
        now += MINUTE;
        for _ in 0..1000 {
            let items = limiter.block();
            let took = Duration::from_millis(1 + items as u64);
            limiter.answered(Answered { items, started: now, took, was_full: true });
            now += took;
            prop_assert!(held(&limiter), "{limiter:?}");
        }
        prop_assert_eq!((limiter.block(), limiter.calls()), (block, calls), "back to full speed");
    }
}
