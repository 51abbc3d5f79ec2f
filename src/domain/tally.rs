//! How far a submission is: each user counted once, by the last final status that was told.

use std::collections::{BTreeMap, HashMap};

use super::outcome::Status;
use super::spent::Spent;
use super::told::{RangeTold, STAGES, SubmissionTold, Told, UserTold};

/// Counts statuses of one submission, or of all. About 200 bytes a user.
#[derive(Debug, Default)]
pub struct Tally {
    /// Only what came of this request; absent: everything.
    request: Option<String>,
    /// What would be done, instead of what was: the one must not stand for the other.
    is_dry: bool,
    users: HashMap<Subject, Standing>,
    ranges: HashMap<String, RangeTold>,
    submission: Option<SubmissionTold>,
    /// Of users, kept up to date: the whole map is too long to be counted at every look.
    outcomes: Counts,
    waiting: Counts,
    retried: [u64; 3],
    spent: [Spent; 3],
}

/// Users by how they stand and why.
type Counts = BTreeMap<(Status, Box<str>), u64>;

/// A user of a request: the same user may be asked for twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Subject {
    user: Box<str>,
    request: Option<Box<str>>,
}

#[derive(Debug)]
enum Standing {
    /// A follow-up will tell more.
    Waiting {
        status: Status,
        reason: Box<str>,
    },
    Ended(Ended),
}

/// How a user ended: a line of the csv files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    pub status: Status,
    pub reason: Box<str>,
    /// The stage that failed.
    pub stage: Option<&'static str>,
    /// Counted attempts of all stages.
    pub attempts: u32,
    /// Milliseconds since 1970.
    pub ets: i64,
}

impl Tally {
    pub fn of(request: Option<String>, is_dry: bool) -> Self {
        Self { request, is_dry, ..Self::default() }
    }

    /// Repeats change nothing.
    pub fn hear(&mut self, told: Told) {
        match told {
            Told::User(user) if self.is_asked_for(user.request_id.as_deref(), user.is_dry) => self.user(user),
            Told::Range(range) if self.is_asked_for(range.request_id.as_deref(), range.is_dry) => {
                self.ranges.insert(range.name.clone(), range);
            }
            Told::Submission(submission) if self.request.as_ref() == Some(&submission.request_id) => {
                self.submission = Some(submission);
            }
            Told::User(_) | Told::Range(_) | Told::Submission(_) => {}
        }
    }

    fn is_asked_for(&self, request: Option<&str>, is_dry: bool) -> bool {
        is_dry == self.is_dry && (self.request.is_none() || self.request.as_deref() == request)
    }

    fn user(&mut self, told: UserTold) {
        let UserTold { request_id, is_dry: _, user, is_final, status, reason, failed_in, attempts, spent, ets } = told;
        let subject = Subject { user: user.into(), request: request_id.map(Into::into) };
        let (before, reason) = (self.users.get(&subject), Box::from(reason));
        let now = if is_final {
            let ended = Ended { status, reason, stage: failed_in, attempts: attempts.iter().sum(), ets };
            if matches!(before, Some(Standing::Ended(before)) if before.ets > ets || *before == ended) {
                return;
            }
            let retried = attempts.map(|attempts| u64::from(attempts > 0));
            self.retried.iter_mut().zip(retried).for_each(|(sum, one)| *sum += one);
            self.spent.iter_mut().zip(spent).for_each(|(sum, one)| sum.add(one));
            Standing::Ended(ended)
        } else if before.is_none() {
            Standing::Waiting { status, reason }
        } else {
            return;
        };
        self.count(&now, 1);
        if let Some(before) = self.users.insert(subject, now) {
            self.count(&before, -1);
        }
    }

    fn count(&mut self, standing: &Standing, by: i64) {
        let (counts, status, reason) = match standing {
            Standing::Waiting { status, reason } => (&mut self.waiting, *status, reason),
            Standing::Ended(ended) => (&mut self.outcomes, ended.status, &ended.reason),
        };
        let key = (status, reason.clone());
        let count = counts.entry(key.clone()).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            counts.remove(&key);
        }
    }

    /// How many users there are in all, once that is told; of token ranges, until all of them have told, as many as were
    /// counted when they were cut.
    pub fn expected(&self) -> Option<u64> {
        let SubmissionTold { users, rows, .. } = self.submission.as_ref()?;
        users.or_else(|| self.in_ranges()).or(*rows)
    }

    /// What the token ranges held, once all of them have told.
    fn in_ranges(&self) -> Option<u64> {
        let told = self.ranges.len() as u64 >= self.submission.as_ref()?.events;
        told.then(|| self.ranges.values().filter_map(|range| range.rows).sum())
    }

    /// How many users there are in all, for certain.
    fn total(&self) -> Option<u64> {
        self.submission.as_ref()?.users.or_else(|| self.in_ranges())
    }

    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Users for whom a follow-up is due.
    pub fn waiting(&self) -> u64 {
        self.waiting.values().sum()
    }

    /// Everybody of the submission has ended.
    pub fn is_done(&self) -> bool {
        self.total().is_some_and(|total| self.ended() >= total) && self.waiting() == 0
    }

    /// Users, and ranges that ended as a whole, by how they stand and why.
    pub fn counts(&self) -> BTreeMap<(Status, &str), u64> {
        let of_users = self.outcomes.iter().chain(&self.waiting);
        let mut counts: BTreeMap<_, _> =
            of_users.map(|((status, reason), count)| ((*status, &**reason), *count)).collect();
        for range in self.ranges.values() {
            if let (Some(status), Some(reason)) = (range.status, &range.reason) {
                *counts.entry((status, reason.as_str())).or_default() += 1;
            }
        }
        counts
    }

    /// Whether anything ended PARTIAL or FAILED.
    pub fn has_failures(&self) -> bool {
        self.counts().keys().any(|(status, _)| is_failure(*status))
    }

    /// Users that had counted attempts, by stage.
    pub fn retried(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STAGES.into_iter().zip(self.retried).filter(|(_, users)| *users > 0)
    }

    /// Time in each stage so far, of those who have ended.
    pub fn spent(&self) -> [Spent; 3] {
        self.spent
    }

    /// Everybody who has ended, by id.
    pub fn lines(&self) -> Vec<(&str, &Ended)> {
        let mut lines: Vec<_> = self.ends().collect();
        lines.sort_unstable_by_key(|(user, ended)| (*user, ended.ets));
        lines
    }

    /// Ranges that ended as a whole: nobody of them was told.
    pub fn lost_ranges(&self) -> impl Iterator<Item = &RangeTold> {
        self.ranges.values().filter(|range| range.status.is_some_and(is_failure))
    }

    fn ends(&self) -> impl Iterator<Item = (&str, &Ended)> {
        self.users.iter().filter_map(|(subject, standing)| match standing {
            Standing::Ended(ended) => Some((&*subject.user, ended)),
            Standing::Waiting { .. } => None,
        })
    }
}

/// What a person must look at.
pub fn is_failure(status: Status) -> bool {
    match status {
        Status::Partial | Status::Failed => true,
        Status::Success | Status::Skipped | Status::Deferred => false,
    }
}

#[cfg(test)]
mod tests;
