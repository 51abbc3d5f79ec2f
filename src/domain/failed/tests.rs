use super::*;
use crate::domain::event::{Origin, Rejection, TokenRange};
use crate::domain::ids::ObjectType;
use crate::domain::record::{OutputRecord, OutputTopic};
use crate::domain::report::Source;
use crate::domain::report::failed::{FailInfo, failed_record, rejected_record};
use crate::domain::report::redrive::{Decided, decision_record, request_records};

const SOURCE: Source = Source { topic: "dev.delete.user", partition: 1, offset: 42, key: None };

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| UserId::parse(id).unwrap()).collect()
}

fn event(redriven: u32) -> Event {
    let origin = Origin {
        mid: Some("LP.1.a".to_owned()),
        ets: Some(7),
        cdata: vec![("Request".to_owned(), "ticket-7".to_owned())],
        organisation_id: Some("org-1".to_owned()),
        request_id: Some("ticket-7".to_owned()),
        redriven,
    };
    let subjects = Subjects::Users(users(&["u-1", "u-2"]));
    Event { action: Action::DeleteUser, object_type: ObjectType::user(), subjects, follow_up: None, origin }
}

fn told(error: &str, stage: &'static str, retriable: bool) -> FailInfo {
    FailInfo { error: error.to_owned(), stage, attempts: 8, retriable }
}

fn back(record: &OutputRecord) -> Failed {
    match read(Some(&record.payload)) {
        Entry::Failed(failed) => *failed,
        other => panic!("{other:?}"),
    }
}

fn failure(error: &str, stage: &'static str, retriable: bool, redriven: u32) -> Failed {
    back(&failed_record(&SOURCE, &event(redriven), &users(&["u-1"]), &told(error, stage, retriable)))
}

fn undecodable() -> Failed {
    let rejection = Rejection { field: "edata.userId", problem: "is missing", size: 9, hash: "ab".to_owned() };
    back(&rejected_record(&SOURCE, &rejection))
}

/// What the worker writes is what is read here, and what it reads again.
#[test]
fn a_failed_event_goes_round_and_its_count_with_it() {
    let failed = failure("sync_failed: http_500", "sync", true, 2);
    assert_eq!((failed.reason(), failed.users(), failed.redriven()), ("sync_failed", &users(&["u-1"])[..], 2));
    let What::Event(event) = &failed.what else { panic!("{failed:?}") };
    let requests = request_records(event, "jo");
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].topic, requests[0].key.as_deref()), (OutputTopic::Request, Some(&b"u-1"[..])));
    assert!(requests[0].headers.contains(&("redriven", "3".to_owned())), "{:?}", requests[0].headers);
    assert!(requests[0].headers.contains(&("redriven_by", "jo".to_owned())));
    let Decoded::Event(again) = decode(InputTopic::Request, Some(&requests[0].payload)) else { panic!() };
    let counted = Origin { redriven: 3, ..event.origin.clone() };
    assert_eq!(again, Event { origin: counted, ..event.clone() });
    let once_more = back(&failed_record(&SOURCE, &again, &users(&["u-1"]), &told("sync_failed", "sync", true)));
    assert_eq!(once_more.redriven(), 3);
}

#[test]
fn a_token_range_and_more_users_than_a_page_go_round_too() {
    let range = Subjects::Range(TokenRange { start: i64::MIN, end: 7 });
    let ranged = Event { subjects: range, action: Action::ResyncUser, ..event(0) };
    let many: Vec<String> = (0..251).map(|number| format!("u-{number}")).collect();
    let many = users(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let crowd = Event { subjects: Subjects::Users(many.clone()), ..event(0) };
    for (event, count) in [(&ranged, 1), (&crowd, 2)] {
        let requests = request_records(event, "jo");
        assert_eq!(requests.len(), count);
        let read: Vec<_> = requests.iter().map(|it| decode(InputTopic::Request, Some(&it.payload))).collect();
        let mut found = Vec::new();
        for decoded in read {
            let Decoded::Event(again) = decoded else { panic!("{decoded:?}") };
            match again.subjects {
                Subjects::Users(users) => found.extend(users),
                Subjects::Range(_) => assert_eq!(again.subjects, event.subjects),
            }
        }
        assert!(found.is_empty() || found == many);
    }
}

#[test]
fn what_could_not_be_decoded_says_where_it_stands() {
    let failed = undecodable();
    let What::Undecodable(place) = &failed.what else { panic!("{failed:?}") };
    assert_eq!((place.topic.as_str(), place.partition, place.offset), ("dev.delete.user", 1, 42));
    assert_eq!((failed.reason(), failed.error.as_str()), ("undecodable", "edata.userId: is missing"));
}

#[test]
fn a_decision_names_what_it_is_about_and_is_no_failure() {
    for decision in Decision::ALL {
        let decided = Decided { decision, of: 42, by: "jo", why: Some("left the company"), now: 7 };
        let record = decision_record(&decided, Some(b"key"));
        assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(read(Some(&record.payload)), Entry::Decided { of: 42, decision });
    }
}

#[test]
fn what_is_none_of_ours_is_passed_over() {
    let almost =
        br#"{"edata":{"action":"delete-user"},"failInfo":{"error":"e","stage":"s","attempts":1,"retriable":true}}"#;
    for other in [&b""[..], b"{}", b"[]", b"\xff", br#"{"decision":"burnt","of":1}"#, almost] {
        assert_eq!(read(Some(other)), Entry::Foreign, "{}", String::from_utf8_lossy(other));
    }
    assert_eq!(read(None), Entry::Foreign);
}

#[test]
fn a_filter_wants_what_meets_all_that_it_says() {
    let failed = failure("all_failed: http_500, sqlstate_55p03", "sync,purge", true, 0);
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let all = Filter::default();
    let reasons = |words: &[&str]| Filter { reasons: text(words), ..all.clone() };
    let stages = |words: &[&str]| Filter { stages: text(words), ..all.clone() };
    let actions = |actions: &[Action]| Filter { actions: actions.to_vec(), ..all.clone() };
    let of = |ids: &[&str]| Filter { users: users(ids), ..all.clone() };
    let times = |since, until| Filter { since, until, ..all.clone() };
    for filter in [
        all.clone(),
        reasons(&["other", "all_failed"]),
        reasons(&["all_failed: http_500, sqlstate_55p03"]),
        stages(&["purge"]),
        actions(&[Action::DeleteUser]),
        of(&["u-9", "u-1"]),
        times(Some(7), Some(8)),
    ] {
        assert!(filter.wants(&failed, 7), "{filter:?}");
    }
    for filter in [
        reasons(&["sync_failed"]),
        stages(&["lookup"]),
        actions(&[Action::ResyncUser]),
        of(&["u-2"]),
        times(Some(8), None),
        times(None, Some(7)),
        Filter { stages: text(&["lookup"]), ..reasons(&["all_failed"]) },
    ] {
        assert!(!filter.wants(&failed, 7), "{filter:?}");
    }
    assert!(!of(&["u-1"]).wants(&undecodable(), 7), "nobody knows who is in it");
}

#[test]
fn a_failure_is_sent_until_the_limit_and_what_cannot_end_better_only_by_its_name() {
    let all = Filter::default();
    let named = Filter { reasons: vec!["protected".to_owned()], ..Filter::default() };
    for (failed, filter, expected) in [
        (failure("sync_failed", "sync", true, 0), &all, Course::Send),
        (failure("sync_failed", "sync", true, 2), &all, Course::Send),
        (failure("sync_failed", "sync", true, 3), &all, Course::Quarantined),
        (failure("protected: admin", "purge", false, 0), &all, Course::NotRetriable),
        (failure("protected: admin", "purge", false, 0), &named, Course::Send),
        (failure("protected: admin", "purge", false, 3), &named, Course::Quarantined),
        (undecodable(), &all, Course::Reread),
    ] {
        assert_eq!(course(&failed, filter, 3), expected, "{failed:?}");
    }
}
