//! What the observer sees, gathered for the page: counted here, and handed over once a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::admin::overview::{
    BreakerLook, BudgetLook, FAILURES, FailureLook, Look, Overview, PartitionLook, StageLook, Totals, mean_seconds,
};
use crate::domain::event::Action;
use crate::domain::ids::{Class, Partition};
use crate::domain::outcome::Ending;
use crate::pipeline::breaker::BreakerState;
use crate::pipeline::engine::{Completion, Engine, Now, StageName};
use crate::pipeline::item::FailedUser;
use crate::ports::CallResult;

pub(super) struct Seen {
    overview: Arc<Overview>,
    shows_user_ids: bool,
    budget: usize,
    pub(super) totals: Totals,
    pub(super) is_publishing: bool,
    pub(super) partitions: Vec<PartitionLook>,
    /// Since the last hand-over.
    ended: [u64; 5],
    failures: VecDeque<FailureLook>,
    stages: [StageSeen; 4],
}

/// Since the start.
struct StageSeen {
    answered: u64,
    calls: u64,
    spent: Duration,
    since: Instant,
}

impl Seen {
    pub(super) fn new(overview: Arc<Overview>, shows_user_ids: bool, budget: usize) -> Self {
        let stage = || StageSeen { answered: 0, calls: 0, spent: Duration::ZERO, since: Instant::now() };
        Self {
            overview,
            shows_user_ids,
            budget,
            totals: Totals::default(),
            is_publishing: true,
            partitions: Vec::new(),
            ended: [0; 5],
            failures: VecDeque::new(),
            stages: std::array::from_fn(|_| stage()),
        }
    }

    pub(super) fn ended(&mut self, action: Action, ending: Ending, failed: Option<FailedUser>, now: Now) {
        self.totals.users += 1;
        self.ended[ending.status as usize] += 1;
        let Some(FailedUser { user, errors }) = failed else { return };
        let errors: Vec<_> = errors.iter().map(|(stage, error)| format!("{stage}: {error}")).collect();
        let word = ending.reason.name();
        let reason = if errors.is_empty() { word.to_owned() } else { format!("{word} ({})", errors.join(", ")) };
        self.failure(FailureLook {
            at: now.wall,
            status: ending.status.name(),
            what: action.name().to_owned(),
            reason,
            user: self.shows_user_ids.then(|| user.to_string()),
        });
    }

    pub(super) fn rejected(&mut self, partition: Partition, offset: i64, error: &str, now: Now) {
        self.totals.rejected += 1;
        let what = format!("{} {}, offset {offset}", partition.topic.label(), partition.number);
        let reason = error.to_owned();
        self.failure(FailureLook { at: now.wall, status: "REJECTED", what, reason, user: None });
    }

    fn failure(&mut self, failure: FailureLook) {
        if self.failures.len() == FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
    }

    pub(super) fn completed(&mut self, completion: &Completion, took: Duration) {
        match completion {
            Completion::Lookup(_, answer) => self.called(StageName::Lookup, answer, took),
            Completion::Sync(_, answer) => self.called(StageName::Sync, answer, took),
            Completion::Purge(_, answer) => self.called(StageName::Purge, answer, took),
            Completion::Clear(..)
            | Completion::Probe(..)
            | Completion::ProbeSync(..)
            | Completion::Drawn(_)
            | Completion::Range(..)
            | Completion::Published(..) => {}
        }
    }

    fn called<T>(&mut self, name: StageName, answer: &CallResult<T>, took: Duration) {
        let stage = &mut self.stages[name as usize];
        stage.calls += 1;
        stage.spent += took;
        stage.answered += answer.as_ref().map_or(0, |answers| answers.len() as u64);
    }

    pub(super) fn breaker_changed(&mut self, stage: StageName, now: Now) {
        self.stages[stage as usize].since = now.at;
    }

    pub(super) fn hand_over(&mut self, engine: &Engine, now: Now) {
        let look = Look {
            stages: StageName::ALL.map(|name| self.stage(name, engine, now)).into(),
            budget: BudgetLook {
                limit: self.budget,
                fresh: engine.units_held(Class::Fresh),
                other: engine.units_held(Class::Other),
            },
            partitions: std::mem::take(&mut self.partitions),
            totals: self.totals.clone(),
            is_publishing: self.is_publishing,
        };
        self.overview.hand_over(look, std::mem::take(&mut self.ended), self.failures.drain(..));
    }

    fn stage(&self, name: StageName, engine: &Engine, now: Now) -> StageLook {
        let (stage, seen) = (engine.stage(name), &self.stages[name as usize]);
        let (counts, limiter) = (stage.counts(), stage.limiter());
        let (state, reason) = match stage.state() {
            BreakerState::Closed => ("closed", None),
            BreakerState::Open(reason) => ("open", Some(reason.clone())),
            BreakerState::Held(reason) => ("held", Some(reason.clone())),
        };
        StageLook {
            name: name.label(),
            ready: counts.ready,
            delayed: counts.delayed,
            in_call: counts.in_call,
            block: Some(limiter.block()).filter(|block| *block < usize::MAX),
            calls: limiter.calls(),
            answered: seen.answered,
            call_seconds: mean_seconds(seen.spent, seen.calls),
            breaker: BreakerLook {
                state,
                reason,
                since_seconds: now.at.saturating_duration_since(seen.since).as_secs_f64(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::overview::About;
    use crate::domain::ids::UserId;
    use crate::domain::outcome::Reason;

    fn told_by(shows_user_ids: bool, users: usize) -> VecDeque<FailureLook> {
        let mut seen = Seen::new(Arc::new(Overview::new(About::default())), shows_user_ids, 8);
        let now = Now { at: Instant::now(), wall: 7 };
        for _ in 0..users {
            let errors = vec![("sync", "http_500".to_owned())];
            let failed = Some(FailedUser { user: UserId::parse("u-1").unwrap(), errors });
            seen.ended(Action::DeleteUser, Ending::failed(Reason::SyncFailed), failed, now);
        }
        assert_eq!(seen.ended, [0, 0, users as u64, 0, 0]);
        seen.failures
    }

    #[test]
    fn a_user_is_named_only_where_the_configuration_says_so() {
        let [hidden, shown] = [false, true].map(|shows| told_by(shows, 1).pop_back().unwrap());
        assert_eq!((hidden.user, shown.user.as_deref()), (None, Some("u-1")));
        assert_eq!((hidden.status, &*hidden.reason), ("FAILED", "sync_failed (sync: http_500)"));
    }

    #[test]
    fn a_flood_of_failures_is_bounded_between_two_looks_too() {
        assert_eq!(told_by(false, FAILURES * 3).len(), FAILURES);
    }
}
