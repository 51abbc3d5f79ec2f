use std::time::Duration;

use super::*;

fn user(user: &str, is_final: bool, status: Status, ets: i64) -> Told {
    Told::User(UserTold {
        request_id: Some("mine".to_owned()),
        is_dry: false,
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
    Told::Range(RangeTold { request_id, is_dry: false, name: name.to_owned(), rows, status, reason, ets: 1 })
}

fn mine(all: Vec<Told>) -> Tally {
    let mut tally = Tally::of(Some("mine".to_owned()), false);
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
    let mut tally = Tally::of(Some("theirs".to_owned()), false);
    tally.hear(user("a", true, Status::Success, 1));
    tally.hear(submission(1, Some(1)));
    assert_eq!((tally.ended(), tally.expected()), (0, None));
    let mut all = Tally::of(None, false);
    all.hear(user("a", true, Status::Success, 1));
    assert_eq!((all.ended(), all.is_done()), (1, false));
}

#[test]
fn what_would_be_done_and_what_was_done_are_counted_apart() {
    let dry = |told| match told {
        Told::User(user) => Told::User(UserTold { is_dry: true, ..user }),
        other => other,
    };
    let told = [user("a", true, Status::Success, 1), dry(user("a", true, Status::Failed, 2))];
    for (is_dry, ended) in [(false, Status::Success), (true, Status::Failed)] {
        let mut tally = Tally::of(None, is_dry);
        told.iter().cloned().for_each(|told| tally.hear(told));
        assert_eq!(tally.lines().iter().map(|(_, ended)| ended.status).collect::<Vec<_>>(), [ended]);
    }
}
