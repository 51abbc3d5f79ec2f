use std::time::Duration;

use serde_json::{Value, json};

use super::delay::follow_up_record;
use super::failed::{FailInfo, fail_info, failed_record, rejected_record};
use super::status::{Told, status_record};
use super::summary::{RangeTold, Size, Submission, range_record, submission_record};
use super::*;
use crate::domain::decode::decode;
use crate::domain::event::{Action, Decoded, FollowUp, Subjects, Why};
use crate::domain::ids::{InputTopic, UserId};
use crate::domain::outcome::{Access, Ending, Reason, StageReport, StageReports, StageStatus, Status};

mod properties;

const WRITER: Writer = Writer { env: "dev", now: 1_800_000_000_123, dry_run: false, replay_id: None };
const SOURCE: Source = Source { topic: "dev.delete.user", partition: 1, offset: 42, key: Some(b"key") };

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn event(ids: &[&str]) -> Event {
    Event {
        action: Action::DeleteUser,
        object_type: ObjectType::user(),
        subjects: Subjects::Users(ids.iter().copied().map(user).collect()),
        follow_up: None,
        origin: Origin {
            mid: Some("LP.1.a".into()),
            ets: Some(1_716_199_736_812),
            cdata: vec![("Request".into(), "r-1".into()), ("Batch".into(), "b-7".into())],
            organisation_id: Some("org-1".into()),
            request_id: Some("r-1".into()),
            redriven: 0,
        },
    }
}

fn after(why: Why) -> Event {
    let follow_up = Some(FollowUp { why, look: 2, of: "dev.delete.user-1-42-u".into() });
    Event { follow_up, ..event(&["u"]) }
}

fn range() -> Event {
    Event { subjects: Subjects::Range(TokenRange { start: i64::MIN, end: 7 }), ..event(&[]) }
}

fn stages() -> StageReports {
    let rows = [("fed_user_credential", 1), ("user_entity", 2)].into();
    StageReports {
        lookup: StageReport::of(StageStatus::Ok),
        sync: StageReport { attempts: 8, error: Some("http_500".into()), ..StageReport::of(StageStatus::Failed) },
        purge: StageReport { rows, ..StageReport::of(StageStatus::Ok) },
    }
}

fn told<'a>(user: &'a UserId, stages: &'a StageReports, ending: Ending) -> Told<'a> {
    let duration = Duration::from_millis(812);
    Told { user, ending, access: Access::Ended, stages, root_org_id: Some("root-1"), duration }
}

fn status(writer: &Writer, event: &Event, ending: Ending) -> Value {
    payload(&status_record(writer, &SOURCE, event, &told(&user("u"), &stages(), ending)))
}

fn payload(record: &OutputRecord) -> Value {
    serde_json::from_slice(&record.payload).unwrap()
}

#[test]
fn a_status_says_what_the_design_says_it_says() {
    let ending = Ending::partial(Reason::SyncFailed);
    let record = status_record(&WRITER, &SOURCE, &event(&["u"]), &told(&user("u"), &stages(), ending));
    assert_eq!((record.topic, record.key.as_deref(), record.headers.len()), (OutputTopic::Status, Some(&b"u"[..]), 0));
    let expected = json!({
        "eid": "BE_JOB_STATUS",
        "ets": 1_800_000_000_123_i64,
        "mid": "dev.delete.user-1-42-u",
        "actor": { "id": "user-purge-sync", "type": "System" },
        "context": {
            "channel": "root-1",
            "env": "dev",
            "pdata": { "id": "org.sunbird.platform", "pid": "user-purge-sync", "ver": env!("CARGO_PKG_VERSION") },
            "cdata": [{ "type": "Request", "id": "r-1" }, { "type": "SourceEvent", "id": "LP.1.a" }],
        },
        "object": { "id": "u", "type": "User" },
        "edata": {
            "action": "delete-user",
            "look": 0,
            "final": true,
            "status": "PARTIAL",
            "reason": "sync_failed",
            "access": "ended",
            "dryRun": false,
            "requestId": "r-1",
            "replayId": null,
            "stages": {
                "lookup": { "status": "OK", "attempts": 0 },
                "sync": { "status": "FAILED", "attempts": 8, "error": "http_500" },
                "purge": { "status": "OK", "attempts": 0, "rows": { "fed_user_credential": 1, "user_entity": 2 } },
            },
            "durationMs": 812,
        },
    });
    assert_eq!(payload(&record), expected);
}

#[test]
fn a_status_id_is_the_same_for_every_repeat_and_no_other() {
    let id = |dry_run, replay_id| status_id(&Writer { dry_run, replay_id, ..WRITER }, &SOURCE, "u");
    assert_eq!(id(false, None), "dev.delete.user-1-42-u");
    assert_eq!(id(true, None), "dry-dev.delete.user-1-42-u");
    assert_eq!(id(false, Some("r7")), "dev.delete.user-1-42-u-r7");
    let replayed = Writer { replay_id: Some("r7"), ..WRITER };
    let told = status(&replayed, &event(&["u"]), Ending::success(Reason::Purged));
    assert_eq!((&told["mid"], &told["edata"]["replayId"]), (&json!("dev.delete.user-1-42-u-r7"), &json!("r7")));
}

#[test]
fn a_status_falls_back_to_what_the_event_knows() {
    let stages = stages();
    let user = user("u");
    let told = Told { root_org_id: None, ..told(&user, &stages, Ending::success(Reason::Synced)) };
    let batch = Event { object_type: ObjectType::new("batch"), origin: Origin::default(), ..event(&["u"]) };
    let channel = |event: &Event| payload(&status_record(&WRITER, &SOURCE, event, &told))["context"]["channel"].clone();
    assert_eq!(channel(&event(&["u"])), "org-1");
    assert_eq!(channel(&batch), Value::Null);
    let plain = payload(&status_record(&WRITER, &SOURCE, &batch, &told));
    assert_eq!((&plain["object"]["type"], &plain["context"]["cdata"]), (&json!("batch"), &json!([])));
}

#[test]
fn a_status_is_final_unless_something_follows_or_came_before() {
    let dry = Writer { dry_run: true, ..WRITER };
    let is_final = |writer, event: &Event, ending| status(writer, event, ending)["edata"]["final"] == true;
    let (done, failed) = (Ending::success(Reason::AlreadyClean), Ending::failed(Reason::PurgeFailed));
    let waits = Ending::deferred(Reason::NotDeleted);
    assert!(is_final(&WRITER, &event(&["u"]), done));
    assert!(!is_final(&WRITER, &event(&["u"]), waits));
    assert!(is_final(&dry, &event(&["u"]), waits));
    for why in [Why::Look, Why::Sync, Why::Purge] {
        assert!(is_final(&WRITER, &after(why), done));
    }
    assert!(!is_final(&WRITER, &after(Why::Sweep), done));
    assert!(!is_final(&WRITER, &after(Why::Sweep), Ending::skipped(Reason::Restored)));
    assert!(is_final(&WRITER, &after(Why::Sweep), failed));
    assert_eq!(status(&WRITER, &after(Why::Look), waits)["edata"]["look"], 2);
}

#[test]
fn a_failed_record_says_enough_to_do_it_again_and_no_more() {
    let info = fail_info(Ending::partial(Reason::SyncFailed), &stages());
    let record = failed_record(&SOURCE, &event(&["u", "v", "w"]), &[user("v")], &info);
    assert_eq!((record.topic, record.key.as_deref()), (OutputTopic::Failed, Some(&b"key"[..])));
    let expected = json!({
        "eid": "BE_JOB_REQUEST",
        "ets": 1_716_199_736_812_i64,
        "mid": "LP.1.a",
        "context": { "cdata": [{ "type": "Request", "id": "r-1" }, { "type": "Batch", "id": "b-7" }] },
        "edata": { "action": "delete-user", "objectType": "user", "organisationId": "org-1", "userIds": ["v"] },
        "jobName": "user-purge-sync",
        "failInfo": { "error": "sync_failed: http_500", "stage": "sync", "attempts": 8, "retriable": true },
    });
    assert_eq!(payload(&record), expected);
    assert_eq!(record.headers, position());
}

fn position() -> [(&'static str, String); 3] {
    let owned = |(name, value): (_, &str)| (name, value.to_owned());
    [("source_topic", "dev.delete.user"), ("source_partition", "1"), ("source_offset", "42")].map(owned)
}

#[test]
fn an_event_that_failed_as_a_whole_names_all_of_it() {
    let info = fail_info(Ending::failed(Reason::RangeTooWide), &stages());
    let whole = payload(&failed_record(&SOURCE, &range(), &[], &info));
    assert_eq!(whole["edata"]["tokenRange"], json!({ "start": "-9223372036854775808", "end": "7" }));
    assert_eq!(whole["edata"].get("userIds"), None);
    assert_eq!(whole["failInfo"]["retriable"], false);
    let one = payload(&failed_record(&SOURCE, &range(), &[user("u")], &info));
    assert_eq!((one["edata"].get("tokenRange"), &one["edata"]["userIds"]), (None, &json!(["u"])));
    let all = payload(&failed_record(&SOURCE, &event(&["u", "v"]), &[], &info));
    assert_eq!(all["edata"]["userIds"], json!(["u", "v"]));
}

#[test]
fn a_failure_is_named_by_the_stage_it_happened_in() {
    let mut stages = stages();
    stages.purge = StageReport { attempts: 3, error: Some("admin".into()), ..StageReport::of(StageStatus::Failed) };
    stages.lookup.error = Some("timeout".into());
    let info = |reason| {
        let FailInfo { error, stage, attempts, retriable } = fail_info(Ending::failed(reason), &stages);
        (error, stage, attempts, retriable)
    };
    assert_eq!(info(Reason::SyncFailed), ("sync_failed: http_500".into(), "sync", 8, true));
    assert_eq!(info(Reason::PurgeFailed), ("purge_failed: admin".into(), "purge", 3, true));
    assert_eq!(info(Reason::AllFailed), ("all_failed: http_500, admin".into(), "sync,purge", 8, true));
    assert_eq!(info(Reason::Protected), ("protected: admin".into(), "purge", 3, false));
    assert_eq!(info(Reason::LookupFailed), ("lookup_failed: timeout".into(), "lookup", 0, true));
    assert_eq!(info(Reason::RangeTooWide), ("range_too_wide".into(), "lookup", 0, false));
    stages.lookup.error = None;
    assert_eq!(fail_info(Ending::failed(Reason::NotFound), &stages).error, "not_found");
}

#[test]
fn a_rejected_record_tells_where_it_stands_and_never_what_it_holds() {
    let Decoded::Rejected(rejection) = decode(InputTopic::Delete, Some(b"abc")) else { panic!() };
    let record = rejected_record(&Source { key: None, ..SOURCE }, &rejection);
    assert_eq!((record.topic, &record.key), (OutputTopic::Failed, &None));
    let expected = json!({
        "source": { "topic": "dev.delete.user", "partition": 1, "offset": 42 },
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "jobName": "user-purge-sync",
        "failInfo": {
            "error": "record: is not JSON, or nested too deeply",
            "stage": "decode",
            "attempts": 1,
            "retriable": false,
        },
    });
    assert_eq!(payload(&record), expected);
    assert_eq!(record.headers, position());
}

#[test]
fn a_follow_up_is_a_request_like_any_other() {
    let follow_up = FollowUp { why: Why::Sweep, look: 2, of: "dev.delete.user-1-42-u".into() };
    let told = payload(&follow_up_record(&WRITER, &event(&["u", "v"]), &user("u"), &follow_up));
    assert_eq!((&told["eid"], &told["mid"]), (&json!("BE_JOB_REQUEST"), &json!("dev.delete.user-1-42-u-sweep")));
    let expected = json!({
        "action": "delete-user", "userId": "u", "objectType": "user", "organisationId": "org-1",
        "followUp": { "why": "sweep", "look": 2, "of": "dev.delete.user-1-42-u" },
    });
    assert_eq!(told["edata"], expected);
}

#[test]
fn a_range_is_summed_up_with_every_status_counted_from_zero() {
    let counts = vec![(Status::Success, 3), (Status::Failed, 1), (Status::Success, 2)];
    let told = RangeTold { range: TokenRange { start: i64::MIN, end: 7 }, rows: Some(6), counts, ending: None };
    let record = range_record(&WRITER, &SOURCE, &range(), &told);
    let summary = payload(&record);
    assert_eq!(record.key.as_deref(), Some(&b"-9223372036854775808:7"[..]));
    assert_eq!(summary["mid"], "dev.delete.user-1-42--9223372036854775808:7");
    assert_eq!(summary["object"], json!({ "id": "-9223372036854775808:7", "type": "TokenRange" }));
    let expected = json!({
        "action": "delete-user", "final": true, "status": null, "reason": null, "rows": 6,
        "counts": { "SUCCESS": 5, "PARTIAL": 0, "FAILED": 1, "SKIPPED": 0, "DEFERRED": 0 },
        "dryRun": false, "requestId": "r-1", "replayId": null,
    });
    assert_eq!(summary["edata"], expected);
    let wide = RangeTold { rows: None, ending: Some(Ending::failed(Reason::RangeTooWide)), ..told };
    let wide = payload(&range_record(&WRITER, &SOURCE, &range(), &wide));
    assert_eq!((&wide["edata"]["status"], &wide["edata"]["reason"]), (&json!("FAILED"), &json!("range_too_wide")));
}

#[test]
fn a_submission_tells_how_much_there_is_to_wait_for() {
    let object_type = ObjectType::user();
    let submission = Submission {
        request_id: "r-9",
        action: Action::ResyncUser,
        object_type: &object_type,
        events: 4,
        size: Size::Users(1000),
    };
    let record = submission_record(&WRITER, &submission);
    assert_eq!((record.topic, record.key.as_deref()), (OutputTopic::Status, Some(&b"r-9"[..])));
    let told = payload(&record);
    assert_eq!((&told["mid"], &told["object"]["type"]), (&json!("submission-r-9"), &json!("Submission")));
    assert_eq!(told["context"]["cdata"], json!([{ "type": "Request", "id": "r-9" }]));
    let expected =
        json!({ "action": "resync-user", "objectType": "user", "requestId": "r-9", "events": 4, "users": 1000 });
    assert_eq!(told["edata"], expected);
}
