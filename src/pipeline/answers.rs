//! The answering side of a stage: what a call or a probe said becomes ends, new attempts, splits or a breaker's turn.

use std::time::{Duration, Instant};

use super::item::ItemKey;
use super::limiter::Answered;
use super::stage::{Call, CallId, Ended, Place, Stage, Suspect};
use crate::ports::{Blame, CallResult, Disposition, Failure};

/// Refusals by the dependency in a row that hold the stage: better to lag than to fail everybody after a bad change.
const REFUSALS: usize = 50;

impl Stage {
    /// A call's answer: the items that are through.
    pub fn finish<T>(&mut self, call: CallId, answer: CallResult<T>, now: Instant) -> Vec<Ended<T>> {
        let Some(call) = self.calls.remove(&call) else { return Vec::new() };
        match answer {
            Ok(answers) => self.finish_items(&call, answers, now),
            Err(failure) => {
                let disposition = failure.disposition;
                let refused = self.finish_whole(&call, &failure, now);
                if disposition == Disposition::Reject { refused } else { Vec::new() }
            }
        }
    }

    fn finish_items<T>(&mut self, call: &Call, answers: Vec<Result<T, Failure>>, now: Instant) -> Vec<Ended<T>> {
        debug_assert_eq!(call.items.len(), answers.len(), "an adapter answers for every item");
        let took = now.duration_since(call.started);
        self.options.limiter.answered(Answered {
            items: call.items.len(),
            started: call.started,
            took,
            was_full: call.was_full,
        });
        if answers.iter().any(Result::is_ok) && !call.split {
            self.breaker.succeeded();
        }
        let mut ended = Vec::new();
        for (item, answer) in call.items.iter().zip(answers) {
            match answer {
                Ok(value) => {
                    self.refusals = 0;
                    ended.extend(self.end(*item, Ok(value), now));
                }
                Err(failure) => match failure.disposition {
                    Disposition::Reject => ended.extend(self.refuse(*item, &failure, now)),
                    Disposition::Retry(Blame::Call) => self.suspect(vec![*item], &failure, took),
                    Disposition::Retry(Blame::Server) => self.again(*item, &failure.reason.0, now),
                    Disposition::Retry(Blame::Throttle(rest)) => {
                        self.rest(now + rest);
                        self.again(*item, &failure.reason.0, now);
                    }
                    Disposition::Hold => {
                        self.breaker.hold(failure.story(), now);
                        self.again(*item, &failure.reason.0, now);
                    }
                },
            }
        }
        ended
    }

    fn finish_whole<T>(&mut self, call: &Call, failure: &Failure, now: Instant) -> Vec<Ended<T>> {
        match failure.disposition {
            Disposition::Reject => {
                return call.items.iter().filter_map(|item| self.refuse(*item, failure, now)).collect();
            }
            Disposition::Retry(Blame::Call) => {
                self.options.limiter.failed(call.started, now);
                if !call.split && call.items.len() > 1 {
                    self.breaker.failed(&failure.reason.0, now);
                }
                self.suspect(call.items.clone(), failure, now.duration_since(call.started));
            }
            Disposition::Retry(Blame::Server) => {
                self.options.limiter.failed(call.started, now);
                self.breaker.failed(&failure.reason.0, now);
                self.all_again(call, failure, now);
            }
            Disposition::Retry(Blame::Throttle(rest)) => {
                self.options.limiter.failed(call.started, now);
                self.rest(now + rest);
                self.all_again(call, failure, now);
            }
            Disposition::Hold => {
                self.breaker.hold(failure.story(), now);
                self.all_again(call, failure, now);
            }
        }
        Vec::new()
    }

    /// What the probe said. `None`: it could not be made. Returns the suspects that have had their chances.
    pub fn probed<T>(&mut self, verdict: Option<Result<(), Failure>>, now: Instant) -> Vec<Ended<T>> {
        self.probing = false;
        let suspects = std::mem::take(&mut self.suspects);
        match verdict {
            Some(Ok(())) => {
                self.breaker.probe_passed();
                suspects.into_iter().filter_map(|suspect| self.judge(suspect, now)).collect()
            }
            Some(Err(failure)) => {
                match failure.disposition {
                    Disposition::Hold => self.breaker.hold(failure.story(), now),
                    Disposition::Retry(Blame::Throttle(rest)) => self.rest(now + rest),
                    Disposition::Retry(_) | Disposition::Reject => self.breaker.probe_failed(&failure.reason.0, now),
                }
                self.acquit(suspects, now);
                Vec::new()
            }
            None => {
                let reason = suspects.last().map_or("no_controls", |suspect| &suspect.reason);
                self.breaker.probe_failed(reason, now);
                // A block may be split without proof: halves that succeed are the proof.
                for suspect in suspects {
                    if suspect.items.len() > 1 { self.split(suspect) } else { self.acquit(vec![suspect], now) }
                }
                Vec::new()
            }
        }
    }

    /// The dependency works, so it is the item, or one of the block.
    fn judge<T>(&mut self, suspect: Suspect, now: Instant) -> Option<Ended<T>> {
        let [item] = suspect.items[..] else {
            self.split(suspect);
            return None;
        };
        let retry = &mut self.options.retry;
        let track = self.tracks.get_mut(&item)?;
        track.attempts += 1;
        track.spent += suspect.took;
        if retry.is_exhausted(track.attempts, track.spent) {
            return self.end(item, Err(suspect.reason), now);
        }
        let due = now + retry.pause(track.attempts);
        self.queue(item, due, now);
        self.count_retry(&suspect.reason, 1);
        None
    }

    fn acquit(&mut self, suspects: Vec<Suspect>, now: Instant) {
        for suspect in suspects {
            for item in suspect.items {
                self.again(item, &suspect.reason, now);
            }
        }
    }

    fn split(&mut self, Suspect { mut items, reason, .. }: Suspect) {
        items.retain(|item| self.tracks.contains_key(item));
        self.count_retry(&reason, items.len());
        for item in &items {
            if let Some(track) = self.tracks.get_mut(item) {
                track.place = Place::Split;
            }
        }
        let rest = items.split_off(items.len() / 2);
        self.splits.extend([items, rest].into_iter().filter(|half| !half.is_empty()));
    }

    fn suspect(&mut self, items: Vec<ItemKey>, failure: &Failure, took: Duration) {
        for item in &items {
            if let Some(track) = self.tracks.get_mut(item) {
                track.place = Place::Suspect;
            }
        }
        self.suspects.push(Suspect { items, reason: failure.reason.to_string(), took });
    }

    fn refuse<T>(&mut self, item: ItemKey, failure: &Failure, now: Instant) -> Option<Ended<T>> {
        self.refusals += 1;
        if self.refusals >= REFUSALS {
            self.breaker.hold(format!("refused_{}", failure.reason), now);
        }
        self.end(item, Err(failure.reason.to_string()), now)
    }

    fn end<T>(&mut self, item: ItemKey, result: Result<T, String>, now: Instant) -> Option<Ended<T>> {
        let track = self.tracks.remove(&item)?;
        let took = now.saturating_duration_since(track.entered);
        Some(Ended { item, result, attempts: track.attempts, took })
    }

    fn all_again(&mut self, call: &Call, failure: &Failure, now: Instant) {
        for item in &call.items {
            self.again(*item, &failure.reason.0, now);
        }
    }

    /// Back to where it came from, without a mark.
    fn again(&mut self, item: ItemKey, reason: &str, now: Instant) {
        self.count_retry(reason, 1);
        let due = now + self.options.retry.pause(0);
        self.queue(item, due, now);
    }

    fn count_retry(&mut self, reason: &str, items: usize) {
        match self.retried.get_mut(reason) {
            Some(count) => *count += items as u64,
            None => drop(self.retried.insert(reason.to_owned(), items as u64)),
        }
    }

    fn rest(&mut self, until: Instant) {
        self.rest_until = Some(self.rest_until.map_or(until, |rest| rest.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Class, ObjectType};
    use crate::pipeline::breaker::BreakerState;
    use crate::pipeline::limiter::Limiter;
    use crate::pipeline::retry::{Jitter, RetryPolicy};
    use crate::pipeline::stage::{StageOptions, Work};

    fn stage() -> Stage {
        let (time, first_pause, max_pause) =
            (Duration::from_mins(2), Duration::from_millis(200), Duration::from_secs(30));
        let retry = RetryPolicy { attempts: 8, time, first_pause, max_pause, jitter: Jitter::seeded(0) };
        let (linger, pace) = ([Duration::ZERO; 2], Duration::ZERO);
        Stage::new(StageOptions { limiter: Limiter::fixed(2, 1), linger, retry, pace })
    }

    #[test]
    fn a_held_stage_says_what_to_mend_and_counts_who_waits() {
        let (mut stage, now) = (stage(), Instant::now());
        for item in [ItemKey(1), ItemKey(2)] {
            stage.enter(item, (Class::Fresh, ObjectType::user()), now, now);
        }
        let Some(Work::Call(call, _)) = stage.next(now, &|_| true, &mut Vec::new()) else { panic!("a full block") };
        let failure = Failure::new(Disposition::Hold, "http_401").because("sync.api_key is refused");
        assert!(stage.finish::<()>(call, Err(failure), now).is_empty());
        assert_eq!(*stage.state(), BreakerState::Held("http_401: sync.api_key is refused".to_owned()));
        assert_eq!(stage.take_retried(), [("http_401".to_owned(), 2)].into());
        assert!(stage.take_retried().is_empty());
    }

    #[test]
    fn waiting_for_a_turn_is_no_time_of_an_attempt() {
        let (mut stage, entered) = (stage(), Instant::now());
        stage.enter(ItemKey(1), (Class::Fresh, ObjectType::user()), entered, entered);
        let now = entered + Duration::from_mins(5);
        let Some(Work::Call(call, _)) = stage.next(now, &|_| true, &mut Vec::new()) else { panic!("it is ready") };
        let failure = Failure::new(Disposition::Retry(Blame::Call), "http_500");
        assert!(stage.finish::<()>(call, Err(failure), now).is_empty());
        assert!(stage.probed::<()>(Some(Ok(())), now).is_empty(), "it has had one attempt of eight");
        assert_eq!(stage.counts().delayed, 1);
    }

    /// Of a call that was under way when the dependency turned out to be away: the next probe is made much later.
    #[test]
    fn waiting_for_a_probe_is_no_time_of_an_attempt() {
        let (mut stage, now) = (stage(), Instant::now());
        stage.enter(ItemKey(1), (Class::Fresh, ObjectType::user()), now, now);
        let Some(Work::Call(call, _)) = stage.next(now, &|_| true, &mut Vec::new()) else { panic!("it is ready") };
        let answered = now + Duration::from_secs(1);
        let failure = Failure::new(Disposition::Retry(Blame::Call), "http_500");
        assert!(stage.finish::<()>(call, Err(failure), answered).is_empty());
        let passed = answered + Duration::from_mins(5);
        assert!(stage.probed::<()>(Some(Ok(())), passed).is_empty(), "it has had one attempt of eight");
    }
}
