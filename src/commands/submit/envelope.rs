//! The events that `submit` publishes, in the envelope of the deletion API (`facts/sunbird.md` 3.5). Pure.

use serde_json::json;
use uuid::Uuid;

use crate::domain::event::{Action, Subjects};
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::record::{OutputRecord, OutputTopic};
use crate::domain::report::range_name;

/// What all records of one submission share.
#[derive(Clone, Debug)]
pub(super) struct Submission {
    pub action: Action,
    pub object_type: ObjectType,
    /// Every status names it.
    pub request_id: String,
}

/// What makes one record different from the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Milliseconds since 1970.
    pub ets: i64,
    pub uuid: Uuid,
}

impl Submission {
    /// Asks for the users of one page, keyed by the first, so that one user's requests keep their order; or of one token range.
    pub(super) fn request(&self, subjects: &Subjects, stamp: Stamp) -> OutputRecord {
        let kind = self.object_type.as_str();
        let mut edata = json!({ "action": self.action.name(), "iteration": 1, "objectType": kind });
        let (key, of) = match subjects {
            Subjects::Users(ids) => {
                edata["userIds"] = ids.iter().map(UserId::as_str).collect();
                (ids.first().map(ToString::to_string).unwrap_or_default(), kind)
            }
            Subjects::Range(range) => {
                // As text: not every reader of JSON has whole numbers of 64 bits.
                edata["tokenRange"] = json!({ "start": range.start.to_string(), "end": range.end.to_string() });
                (range_name(*range), "TokenRange")
            }
        };
        let envelope = json!({
            "eid": "BE_JOB_REQUEST",
            "ets": stamp.ets,
            "mid": format!("LP.{}.{}", stamp.ets, stamp.uuid),
            "actor": { "id": "user-purge-sync", "type": "System" },
            "context": {
                "pdata": { "id": "org.sunbird.platform", "pid": "user-purge-sync", "ver": env!("CARGO_PKG_VERSION") },
                "cdata": [{ "type": "Request", "id": self.request_id }],
            },
            "object": { "id": key, "type": of },
            "edata": edata,
        });
        OutputRecord {
            topic: OutputTopic::Request,
            key: Some(key.into_bytes()),
            payload: envelope.to_string().into_bytes(),
            headers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::decode::decode;
    use crate::domain::event::{Decoded, TokenRange};
    use crate::domain::ids::InputTopic;

    fn submission() -> Submission {
        Submission { action: Action::ResyncUser, object_type: ObjectType::user(), request_id: "ticket-7".to_owned() }
    }

    const STAMP: Stamp = Stamp { ets: 1_716_199_736_812, uuid: Uuid::from_u128(7) };

    #[test]
    fn a_request_is_the_envelope_of_the_deletion_api() {
        let ids = ["u-1", "o'brien"].map(|id| UserId::parse(id).unwrap());
        let record = submission().request(&Subjects::Users(ids.into()), STAMP);
        assert_eq!((record.topic, record.key.as_deref()), (OutputTopic::Request, Some(b"u-1".as_slice())));
        let event: Value = serde_json::from_slice(&record.payload).unwrap();
        assert_eq!(
            event,
            json!({
                "eid": "BE_JOB_REQUEST",
                "ets": 1_716_199_736_812_i64,
                "mid": "LP.1716199736812.00000000-0000-0000-0000-000000000007",
                "actor": { "id": "user-purge-sync", "type": "System" },
                "context": {
                    "pdata": { "id": "org.sunbird.platform", "pid": "user-purge-sync", "ver": env!("CARGO_PKG_VERSION") },
                    "cdata": [{ "type": "Request", "id": "ticket-7" }],
                },
                "object": { "id": "u-1", "type": "user" },
                "edata": {
                    "action": "resync-user", "iteration": 1, "objectType": "user", "userIds": ["u-1", "o'brien"],
                },
            })
        );
    }

    /// What is written here is what workers read.
    #[test]
    fn a_token_range_arrives_as_it_was_asked_for() {
        let range = TokenRange { start: i64::MIN, end: 9_007_199_254_740_993 };
        let submission = Submission { object_type: ObjectType::new("organisation"), ..submission() };
        let record = submission.request(&Subjects::Range(range), STAMP);
        assert_eq!(record.key.as_deref(), Some(b"-9223372036854775808:9007199254740993".as_slice()));
        let Decoded::Event(event) = decode(InputTopic::Request, Some(&record.payload)) else { panic!("is no event") };
        assert_eq!((event.action, event.subjects), (Action::ResyncUser, Subjects::Range(range)));
        assert_eq!(
            (event.object_type.as_str(), event.origin.request_id.as_deref()),
            ("organisation", Some("ticket-7"))
        );
    }
}
