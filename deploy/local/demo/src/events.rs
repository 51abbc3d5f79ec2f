//! Records as Sunbird's deletion API publishes them, and those of the request topic.

use serde_json::{Value, json};
use uuid::Uuid;

/// A record to publish.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: Option<String>,
    /// `None`: a tombstone.
    pub payload: Option<Vec<u8>>,
    /// `None`: by key, or anywhere.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; `None`: now.
    pub time: Option<i64>,
}

impl Record {
    #[must_use]
    pub fn on(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// As if it had been published then, milliseconds since 1970.
    #[must_use]
    pub fn of(mut self, time: i64) -> Self {
        self.time = Some(time);
        self
    }

    /// Anything, as it is.
    #[must_use]
    pub fn raw(payload: impl Into<Vec<u8>>) -> Self {
        Self { key: None, payload: Some(payload.into()), partition: None, time: None }
    }

    /// Without a payload, as a compaction's deletion is.
    #[must_use]
    pub fn tombstone() -> Self {
        Self { key: None, payload: None, partition: None, time: None }
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.payload.as_ref().map_or(0, Vec::len)
    }

    fn json(key: Option<String>, value: &Value) -> Self {
        Self { key, payload: Some(value.to_string().into_bytes()), partition: None, time: None }
    }
}

/// A name that must be found nowhere: `no_personal_data_leaves`.
pub const USER_NAME: &str = "jane_7hq2_never_told";

/// A part of everything personal that the users of tests have, in events, in Cassandra and in Keycloak: no id, number or
/// word of ours has it.
pub const PERSONAL: &str = "jane_7hq2";

/// What the deletion API publishes: without a key, with the name in clear.
#[must_use]
pub fn deletion(id: &str) -> Record {
    deletion_with_managed(id, &[])
}

/// The same, of a user who manages others.
#[must_use]
pub fn deletion_with_managed(id: &str, managed: &[String]) -> Record {
    let edata = json!({
        "action": "delete-user",
        "iteration": 1,
        "userId": id,
        "userName": USER_NAME,
        "organisationId": "01309282781705830427",
        "suggested_users": [{"role": "content_creator", "users": ["874ed8a5-782e-4f6c-8f36-e0288455901e"]}],
        "managed_users": managed,
    });
    Record::json(None, &envelope(id, &edata))
}

/// A request for one user: `delete-user`, `resync-user`, `retire-local-user`.
#[must_use]
pub fn request(action: &str, id: &str) -> Record {
    let edata = json!({"action": action, "iteration": 1, "userId": id, "userName": USER_NAME});
    Record::json(Some(id.to_owned()), &envelope(id, &edata))
}

/// A request for many users.
#[must_use]
pub fn request_all(action: &str, ids: &[String]) -> Record {
    let key = ids.first().cloned();
    let object = key.clone().unwrap_or_default();
    let edata = json!({"action": action, "iteration": 1, "userIds": ids, "userName": USER_NAME});
    Record::json(key, &envelope(&object, &edata))
}

/// A request for all users of a token range, open at its start and closed at its end.
#[must_use]
pub fn request_range(action: &str, start: i64, end: i64) -> Record {
    let name = format!("{start}:{end}");
    let range = json!({"start": start.to_string(), "end": end.to_string()});
    let edata = json!({"action": action, "iteration": 1, "tokenRange": range});
    Record::json(Some(name.clone()), &envelope(&name, &edata))
}

fn envelope(id: &str, edata: &Value) -> Value {
    let ets = std::time::UNIX_EPOCH.elapsed().map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    json!({
        "eid": "BE_JOB_REQUEST",
        "ets": ets,
        "mid": format!("LP.{ets}.{}", Uuid::new_v4()),
        "actor": {"id": "Sunbird LMS Flink Job", "type": "System"},
        "context": {
            "pdata": {"id": "org.sunbird.platform", "ver": "1.0"},
            "cdata": {"id": Uuid::new_v4().simple().to_string(), "type": "Request"},
        },
        "object": {"id": id, "type": "user"},
        "edata": edata,
    })
}
