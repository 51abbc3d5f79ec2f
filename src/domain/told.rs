//! What a record of the status topic says, read back for those who follow it. The reverse of `report`.

use serde::Deserialize;

use super::outcome::Status;

/// A record of the status topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    User(UserTold),
    Range(RangeTold),
    Submission(SubmissionTold),
}

/// What became of one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserTold {
    pub request_id: Option<String>,
    /// Nothing was done: it says what would be.
    pub is_dry: bool,
    pub user: String,
    pub is_final: bool,
    pub status: Status,
    pub reason: String,
    /// The first stage that failed.
    pub failed_in: Option<&'static str>,
    /// Counted attempts, of lookup, sync and purge.
    pub attempts: [u32; 3],
    /// Milliseconds in each, of the stages that it was in.
    pub spent: [Option<u64>; 3],
    /// Milliseconds since 1970.
    pub ets: i64,
}

/// What became of one token range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeTold {
    pub request_id: Option<String>,
    pub is_dry: bool,
    pub name: String,
    /// How many users it holds; `None` where it was not read to the end.
    pub rows: Option<u64>,
    /// Only where it ended as a whole.
    pub status: Option<Status>,
    pub reason: Option<String>,
    pub ets: i64,
}

/// What one `submit` has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmissionTold {
    pub request_id: String,
    pub events: u64,
    /// `None` for token ranges.
    pub users: Option<u64>,
    /// Of token ranges: the users when they were cut. `None` where nobody counted them.
    pub rows: Option<u64>,
}

/// The stages in the order of the attempts.
pub const STAGES: [&str; 3] = ["lookup", "sync", "purge"];

/// `None` for what is no status of ours: the topic may hold what later versions write.
pub fn read(payload: &[u8]) -> Option<Told> {
    let Record { ets, object, edata } = serde_json::from_slice(payload).ok()?;
    Some(match object.kind.as_str() {
        "Submission" => {
            let (request_id, events, users, rows) = (edata.request_id?, edata.events?, edata.users, edata.rows);
            Told::Submission(SubmissionTold { request_id, events, users, rows })
        }
        "TokenRange" => Told::Range(RangeTold {
            request_id: edata.request_id,
            is_dry: edata.dry_run,
            name: object.id,
            rows: edata.rows,
            status: edata.status.as_deref().and_then(status),
            reason: edata.reason,
            ets,
        }),
        _ => {
            let stages = edata.stages?;
            let stages = [stages.lookup, stages.sync, stages.purge];
            let failed_in = stages.iter().position(|stage| stage.status == "FAILED");
            Told::User(UserTold {
                request_id: edata.request_id,
                is_dry: edata.dry_run,
                user: object.id,
                is_final: edata.is_final?,
                status: status(edata.status.as_deref()?)?,
                reason: edata.reason?,
                failed_in: failed_in.map(|index| STAGES[index]),
                attempts: stages.each_ref().map(|stage| stage.attempts),
                spent: stages.map(|stage| stage.duration_ms),
                ets,
            })
        }
    })
}

fn status(name: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.name() == name)
}

#[derive(Deserialize)]
struct Record {
    ets: i64,
    object: Object,
    edata: Edata,
}

#[derive(Deserialize)]
struct Object {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edata {
    #[serde(rename = "final")]
    is_final: Option<bool>,
    status: Option<String>,
    reason: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    dry_run: bool,
    stages: Option<Stages>,
    rows: Option<u64>,
    events: Option<u64>,
    users: Option<u64>,
}

#[derive(Deserialize)]
struct Stages {
    lookup: Stage,
    sync: Stage,
    purge: Stage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    status: String,
    attempts: u32,
    duration_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event::{Action, Event, Origin, Subjects, TokenRange};
    use crate::domain::ids::{ObjectType, UserId};
    use crate::domain::outcome::{Access, Ending, Reason, StageReport, StageReports, StageStatus};
    use crate::domain::report::status::{Told as Reported, status_record};
    use crate::domain::report::summary::{RangeTold as Range, Size, Submission, range_record, submission_record};
    use crate::domain::report::{Source, Writer};

    const WRITER: Writer = Writer { env: "dev", now: 7, dry_run: false, replay_id: None };
    const SOURCE: Source = Source { topic: "t", partition: 0, offset: 1, key: None };

    fn event(subjects: Subjects) -> Event {
        let origin = Origin { request_id: Some("ticket-7".to_owned()), ..Origin::default() };
        Event { action: Action::ResyncUser, object_type: ObjectType::user(), subjects, follow_up: None, origin }
    }

    /// What `report` writes is what is read here.
    #[test]
    fn a_status_says_what_was_told() {
        let user = UserId::parse("u-1").unwrap();
        let took = Some(Duration::from_millis(1250));
        let failed = StageReport { attempts: 8, took, ..StageReport::of(StageStatus::Failed) };
        let stages = StageReports {
            lookup: StageReport::of(StageStatus::Ok),
            sync: failed,
            purge: StageReport::of(StageStatus::Skipped),
        };
        let told = Reported {
            user: &user,
            ending: Ending::failed(Reason::SyncFailed),
            access: Access::Unchanged,
            stages: &stages,
            root_org_id: None,
            duration: Duration::from_secs(1),
        };
        let record = status_record(&WRITER, &SOURCE, &event(Subjects::Users(vec![user.clone()])), &told);
        let read = read(&record.payload);
        let wanted = UserTold {
            request_id: Some("ticket-7".to_owned()),
            is_dry: false,
            user: "u-1".to_owned(),
            is_final: true,
            status: Status::Failed,
            reason: "sync_failed".to_owned(),
            failed_in: Some("sync"),
            attempts: [0, 8, 0],
            spent: [None, Some(1250), None],
            ets: 7,
        };
        assert_eq!(read, Some(Told::User(wanted)));
    }

    #[test]
    fn a_range_says_how_many_it_held() {
        let range = TokenRange { start: 1, end: 9 };
        let told = Range { range, rows: Some(3), counts: vec![], ending: None };
        let record = range_record(&WRITER, &SOURCE, &event(Subjects::Range(range)), &told);
        let Some(Told::Range(read)) = read(&record.payload) else { panic!("no range") };
        assert_eq!((read.name.as_str(), read.rows, read.status), ("1:9", Some(3), None));
        assert_eq!(read.request_id.as_deref(), Some("ticket-7"));
    }

    #[test]
    fn a_submission_says_how_much_there_is_to_wait_for() {
        let object_type = ObjectType::user();
        let submission = Submission {
            request_id: "ticket-7",
            action: Action::ResyncUser,
            object_type: &object_type,
            events: 4,
            size: Size::Rows(4000),
        };
        let wanted = SubmissionTold { request_id: "ticket-7".to_owned(), events: 4, users: None, rows: Some(4000) };
        assert_eq!(read(&submission_record(&WRITER, &submission).payload), Some(Told::Submission(wanted)));
    }

    #[test]
    fn what_is_no_status_is_passed_over() {
        for other in [&b""[..], b"{}", b"[]", b"\xff", br#"{"ets":1,"object":{"id":"u","type":"User"},"edata":{}}"#] {
            assert_eq!(read(other), None);
        }
    }
}
