//! Reads a sync request the way the service does, which refuses little and fails at odd places.

use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize as _;
use serde_json::Value;

use crate::play;
use crate::rows::ObjectType;
use crate::sunbird::{self, Answer, ClientError};

/// An element of `objectIds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Text(String),
    Null,
    /// A number, a list…: the service's cast fails when it gets there (recording 22).
    NotText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// No list, or an empty one: nothing is done (recordings 04, 05).
    None,
    List(Vec<Id>),
    /// A string, a number…: the cast fails at once (recording 19).
    NotAList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// No `operationType`: answered before the work.
    Fire,
    /// `sync`, in any case: answered after the work.
    Verified,
    /// Anything else: the work is done, yet its end is never told (recording 08).
    Unanswered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncRequest {
    pub(crate) object_type: ObjectType,
    pub(crate) operation: Operation,
    pub(crate) ids: Ids,
}

/// Why there is nothing to work on.
#[derive(Debug)]
pub(crate) enum Refusal {
    Client(ClientError),
    Malformed(serde_json::Error),
    /// The controller failed while it read (recording 26).
    Unreadable,
}

impl Refusal {
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Answer {
        match self {
            Self::Client(error) => sunbird::client_error(&sunbird::message_id(request), *error),
            Self::Malformed(error) => play::malformed_json(request, request.body(), error),
            Self::Unreadable => sunbird::unserialisable(),
        }
    }
}

/// Order: Play decodes a JSON body before the controller sees it; the controller maps it, then checks `objectType`.
pub(crate) fn read(request: &Request<Bytes>) -> Result<SyncRequest, Refusal> {
    if !is_json(request) {
        return Err(Refusal::Client(sunbird::NOT_JSON));
    }
    if request.body().is_empty() {
        return Err(Refusal::Client(sunbird::BODY_INVALID));
    }
    // Jackson stops after the first value: what follows it is not looked at.
    let mut json = serde_json::Deserializer::from_slice(request.body());
    let body = Value::deserialize(&mut json).map_err(Refusal::Malformed)?;
    let Value::Object(mut body) = body else { return Err(Refusal::Client(sunbird::BODY_INVALID)) };
    match body.remove("request") {
        None => Err(Refusal::Client(sunbird::OBJECT_TYPE_MISSING)),
        Some(Value::Null) => Err(Refusal::Unreadable),
        Some(Value::Object(fields)) => read_fields(fields),
        Some(_) => Err(Refusal::Client(sunbird::BODY_INVALID)),
    }
}

fn read_fields(mut fields: serde_json::Map<String, Value>) -> Result<SyncRequest, Refusal> {
    let object_type = match fields.remove("objectType") {
        None | Some(Value::Null) => return Err(Refusal::Client(sunbird::OBJECT_TYPE_MISSING)),
        Some(Value::String(name)) => ObjectType::parse(&name).ok_or(Refusal::Client(sunbird::OBJECT_TYPE_UNKNOWN))?,
        Some(_) => return Err(Refusal::Unreadable),
    };
    let operation = match fields.remove("operationType") {
        None | Some(Value::Null) => Operation::Fire,
        Some(Value::String(name)) if name.trim().is_empty() => Operation::Fire,
        Some(Value::String(name)) if name.eq_ignore_ascii_case("sync") => Operation::Verified,
        Some(_) => Operation::Unanswered,
    };
    let ids = match fields.remove("objectIds") {
        None | Some(Value::Null) => Ids::None,
        Some(Value::Array(ids)) if ids.is_empty() => Ids::None,
        Some(Value::Array(ids)) => Ids::List(ids.into_iter().map(id).collect()),
        Some(_) => Ids::NotAList,
    };
    Ok(SyncRequest { object_type, operation, ids })
}

fn id(value: Value) -> Id {
    match value {
        Value::String(text) => Id::Text(text),
        Value::Null => Id::Null,
        _ => Id::NotText,
    }
}

fn is_json(request: &Request<Bytes>) -> bool {
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json") || media_type.eq_ignore_ascii_case("text/json")
}

impl SyncRequest {
    /// The ids as the call log shows them.
    pub(crate) fn text_ids(&self) -> Vec<String> {
        let Ids::List(ids) = &self.ids else { return Vec::new() };
        ids.iter().filter_map(|id| if let Id::Text(text) = id { Some(text.clone()) } else { None }).collect()
    }

    pub(crate) fn id_count(&self) -> usize {
        if let Ids::List(ids) = &self.ids { ids.len() } else { 0 }
    }
}
