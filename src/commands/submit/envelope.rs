//! The events that `submit` publishes, in the envelope of the deletion API (`facts/sunbird.md` 3.5). Pure.

use serde_json::json;
use uuid::Uuid;

use crate::domain::event::Action;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::record::{OutputRecord, OutputTopic};

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
    /// Asks for the users of one page; keyed by the first, so that one user's requests keep their order.
    pub(super) fn request(&self, ids: &[UserId], stamp: Stamp) -> OutputRecord {
        let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
        let first = ids.first().copied().unwrap_or_default();
        let kind = self.object_type.as_str();
        let envelope = json!({
            "eid": "BE_JOB_REQUEST",
            "ets": stamp.ets,
            "mid": format!("LP.{}.{}", stamp.ets, stamp.uuid),
            "actor": { "id": "user-purge-sync", "type": "System" },
            "context": {
                "pdata": { "id": "org.sunbird.platform", "pid": "user-purge-sync", "ver": env!("CARGO_PKG_VERSION") },
                "cdata": [{ "type": "Request", "id": self.request_id }],
            },
            "object": { "id": first, "type": kind },
            "edata": { "action": self.action.name(), "iteration": 1, "objectType": kind, "userIds": ids },
        });
        OutputRecord {
            topic: OutputTopic::Request,
            key: Some(first.as_bytes().to_vec()),
            payload: envelope.to_string().into_bytes(),
            headers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn submission() -> Submission {
        Submission { action: Action::ResyncUser, object_type: ObjectType::user(), request_id: "ticket-7".to_owned() }
    }

    const STAMP: Stamp = Stamp { ets: 1_716_199_736_812, uuid: Uuid::from_u128(7) };

    #[test]
    fn a_request_is_the_envelope_of_the_deletion_api() {
        let ids = ["u-1", "o'brien"].map(|id| UserId::parse(id).unwrap());
        let record = submission().request(&ids, STAMP);
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
}
