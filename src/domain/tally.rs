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
    pub fn of(request: Option<String>) -> Self {
        Self { request, ..Self::default() }
    }

    /// Repeats change nothing.
    pub fn hear(&mut self, told: Told) {
        match told {
            Told::User(user) if self.is_asked_for(user.request_id.as_deref()) => self.user(user),
            Told::Range(range) if self.is_asked_for(range.request_id.as_deref()) => {
                self.ranges.insert(range.name.clone(), range);
            }
            Told::Submission(submission) if self.request.as_ref() == Some(&submission.request_id) => {
                self.submission = Some(submission);
            }
            Told::User(_) | Told::Range(_) | Told::Submission(_) => {}
        }
    }

    fn is_asked_for(&self, request: Option<&str>) -> bool {
        self.request.is_none() || self.request.as_deref() == request
    }

    fn user(&mut self, told: UserTold) {
        let UserTold { request_id, user, is_final, status, reason, failed_in, attempts, spent, ets } = told;
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
mod tests {
    use std::time::Duration;

    use super::*;

    fn user(user: &str, is_final: bool, status: Status, ets: i64) -> Told {
        Told::User(UserTold {
            request_id: Some("mine".to_owned()),
            user: user.to_owned(),
            is_final,
            status,
            reason: status.name().to_lowercase(),
            failed_in: is_failure(status).then_some("sync"),
            attempts: [0, u32::from(is_failure(status)), 0],
            spent: [Some(2), Some(300), None],
            ets,
        })
    }

    fn submission(events: u64, users: Option<u64>) -> Told {
        Told::Submission(SubmissionTold { request_id: "mine".to_owned(), events, users, rows: None })
    }

    fn range(name: &str, rows: Option<u64>, status: Option<Status>) -> Told {
        let reason = status.map(|_| "range_too_wide".to_owned());
        let request_id = Some("mine".to_owned());
        Told::Range(RangeTold { request_id, name: name.to_owned(), rows, status, reason, ets: 1 })
    }

    fn mine(all: Vec<Told>) -> Tally {
        let mut tally = Tally::of(Some("mine".to_owned()));
        for told in all {
            tally.hear(told);
        }
        tally
    }

    #[test]
    fn repeats_are_counted_once_and_the_last_final_status_wins() {
        let tally = mine(vec![
            user("a", true, Status::Failed, 5),
            user("a", true, Status::Failed, 5),
            user("b", true, Status::Success, 9),
            user("b", true, Status::Failed, 8),
            user("a", true, Status::Success, 6),
            user("a", false, Status::Deferred, 7),
        ]);
        assert_eq!(tally.counts(), BTreeMap::from([((Status::Success, "success"), 2)]));
        assert!(!tally.has_failures());
        assert_eq!((tally.ended(), tally.waiting()), (2, 0));
        assert_eq!(tally.retried().collect::<Vec<_>>(), [("sync", 1)]);
        // Three statuses counted: that of a, a later one, and that of b; a repeat and an earlier one are not.
        let means = tally.spent().map(|spent| spent.mean_since(Spent::default()));
        assert_eq!(means, [Some(Duration::from_millis(2)), Some(Duration::from_millis(300)), None]);
        assert_eq!(tally.spent()[1].users, 3);
    }

    #[test]
    fn a_submission_is_done_when_everybody_has_ended_and_nobody_waits() {
        let mut tally = mine(vec![user("a", true, Status::Success, 1), user("b", false, Status::Deferred, 1)]);
        assert!(!tally.is_done(), "how many there are is not told yet");
        tally.hear(submission(1, Some(2)));
        assert!(!tally.is_done(), "b waits");
        assert_eq!(tally.counts()[&(Status::Deferred, "deferred")], 1);
        assert_eq!((tally.expected(), tally.ended()), (Some(2), 1));
        tally.hear(user("b", true, Status::Skipped, 2));
        assert!(tally.is_done() && !tally.has_failures());
    }

    #[test]
    fn ranges_tell_how_many_there_are_once_all_of_them_have() {
        let mut tally = mine(vec![submission(2, None), range("1:5", Some(2), None), range("1:5", Some(2), None)]);
        assert_eq!(tally.expected(), None);
        tally.hear(range("5:9", None, Some(Status::Failed)));
        assert_eq!(tally.expected(), Some(2));
        assert!(tally.has_failures());
        assert_eq!(tally.lost_ranges().map(|range| &*range.name).collect::<Vec<_>>(), ["5:9"]);
        for id in ["a", "b"] {
            tally.hear(user(id, true, Status::Success, 1));
        }
        assert!(tally.is_done());
    }

    /// Users come and go between the cut and the work: only the ranges themselves say that everybody was told.
    #[test]
    fn what_was_counted_when_the_ranges_were_cut_is_shown_but_ends_nothing() {
        let request_id = "mine".to_owned();
        let cut = Told::Submission(SubmissionTold { request_id, events: 2, users: None, rows: Some(2) });
        let mut tally = mine(vec![cut, range("1:5", Some(1), None)]);
        for id in ["a", "b"] {
            tally.hear(user(id, true, Status::Success, 1));
        }
        assert_eq!((tally.expected(), tally.ended(), tally.is_done()), (Some(2), 2, false));
        tally.hear(range("5:9", Some(2), None));
        assert_eq!((tally.expected(), tally.is_done()), (Some(3), false), "one was born meanwhile");
        tally.hear(user("c", true, Status::Success, 1));
        assert!(tally.is_done());
    }

    #[test]
    fn other_requests_are_others() {
        let mut tally = Tally::of(Some("theirs".to_owned()));
        tally.hear(user("a", true, Status::Success, 1));
        tally.hear(submission(1, Some(1)));
        assert_eq!((tally.ended(), tally.expected()), (0, None));
        let mut all = Tally::of(None);
        all.hear(user("a", true, Status::Success, 1));
        assert_eq!((all.ended(), all.is_done()), (1, false));
    }
}
