//! From a Kafka record to an event, or to the reason why it is none.
//!
//! Strict where a mistake could act on the wrong user or lose one, lenient everywhere else. Which members are read
//! at all stands in `decode/keep.rs`; what is then done with an event does not belong here.

mod keep;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::event::{Action, Decoded, Event, FollowUp, Origin, Rejection, Subjects, TokenRange, Why};
use super::ids::{InputTopic, InvalidUserId, ObjectType, UserId};

/// Brokers take 1 MiB by default, and a thousand of the longest ids fit into that.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most entries of `edata.userIds`.
pub const MAX_USER_IDS: usize = 1000;

/// Status ids are the longest text that travels on; anything longer is not an id.
const MAX_TEXT_BYTES: usize = 2048;

/// The most entries of `context.cdata` that travel on: they are in the failed record of every user of the event.
const MAX_CDATA: usize = 4;

/// What is wrong with a record, before its size and hash are added.
struct Flaw {
    field: &'static str,
    problem: &'static str,
}

type Checked<T> = Result<T, Flaw>;

/// Decodes a record's payload as it is understood on its topic. `None` is a tombstone.
pub fn decode(topic: InputTopic, payload: Option<&[u8]>) -> Decoded {
    match read(topic, payload) {
        Ok(Some(event)) => Decoded::Event(event),
        Ok(None) => Decoded::OtherAction,
        Err(Flaw { field, problem }) => {
            let size = payload.map_or(0, <[u8]>::len);
            Decoded::Rejected(Rejection { field, problem, size, hash: hash(payload) })
        }
    }
}

/// SHA-256 in hexadecimal: recognises a payload without holding it. A tombstone's is that of nothing.
pub fn hash(payload: Option<&[u8]>) -> String {
    format!("{:x}", Sha256::digest(payload.unwrap_or_default()))
}

/// None for an action of other consumers.
fn read(topic: InputTopic, payload: Option<&[u8]>) -> Checked<Option<Event>> {
    let record = parse(payload)?;
    let edata = member(&record, "edata");
    if !edata.is_object() {
        return flaw("edata", if edata.is_null() { "is missing" } else { "is not an object" });
    }
    let Some(action) = action(topic, edata)? else { return Ok(None) };
    let subjects = subjects(topic, action, edata)?;
    let object_type = match topic {
        InputTopic::Delete => ObjectType::user(),
        InputTopic::Request | InputTopic::Delay => object_type(action, edata)?,
    };
    let follow_up = match topic {
        InputTopic::Delete | InputTopic::Request => None,
        InputTopic::Delay => Some(follow_up(member(edata, "followUp"))?),
    };
    Ok(Some(Event { action, object_type, subjects, follow_up, origin: origin(&record) }))
}

fn parse(payload: Option<&[u8]>) -> Checked<Value> {
    let Some(payload) = payload else { return flaw("record", "is a tombstone") };
    if payload.len() > MAX_BYTES {
        return flaw("record", "is too large");
    }
    let Ok(text) = std::str::from_utf8(payload) else { return flaw("record", "is not UTF-8") };
    if text.trim().is_empty() {
        return flaw("record", "is empty");
    }
    match keep::parse(text) {
        Ok(record) if record.is_object() => Ok(record),
        Ok(_) => flaw("record", "is not a JSON object"),
        Err(error) if error.is_eof() => flaw("record", "ends in the middle"),
        Err(_) => flaw("record", "is not JSON, or nested too deeply"),
    }
}

fn action(topic: InputTopic, edata: &Value) -> Checked<Option<Action>> {
    const FIELD: &str = "edata.action";
    let action = optional_text(member(edata, "action"), FIELD)?;
    match (topic, action) {
        (InputTopic::Delete, None) => Ok(Some(Action::DeleteUser)),
        (InputTopic::Delete, Some(name)) => Ok(Some(Action::DeleteUser).filter(|action| action.name() == name)),
        (InputTopic::Request | InputTopic::Delay, None) => flaw(FIELD, "is missing"),
        (InputTopic::Request | InputTopic::Delay, Some(name)) => match Action::from_name(name) {
            Some(action) => Ok(Some(action)),
            None => flaw(FIELD, "is none of delete-user, resync-user, retire-local-user"),
        },
    }
}

fn subjects(topic: InputTopic, action: Action, edata: &Value) -> Checked<Subjects> {
    let [user_id, user_ids, range] = ["userId", "userIds", "tokenRange"].map(|name| member(edata, name));
    let listed = match (topic, user_id, user_ids, range) {
        (InputTopic::Delete, user_id, _, _) | (_, user_id, Value::Null, Value::Null) => vec![one_user(user_id)?],
        (_, Value::Null, user_ids, Value::Null) => list_of_users(user_ids)?,
        (_, Value::Null, Value::Null, range) => return Ok(Subjects::Range(token_range(range)?)),
        _ => return flaw("edata", "has more than one of userId, userIds, tokenRange"),
    };
    let managed = match action {
        Action::DeleteUser => managed_users(member(edata, "managed_users"))?,
        Action::ResyncUser | Action::RetireLocalUser => Vec::new(),
    };
    Ok(Subjects::Users(without_repeats(listed.into_iter().chain(managed))))
}

fn one_user(value: &Value) -> Checked<UserId> {
    const FIELD: &str = "edata.userId";
    match value {
        Value::String(id) => user(id, FIELD),
        Value::Null => flaw(FIELD, "is missing"),
        _ => flaw(FIELD, "is not a string"),
    }
}

fn list_of_users(value: &Value) -> Checked<Vec<UserId>> {
    const FIELD: &str = "edata.userIds";
    let Value::Array(entries) = value else { return flaw(FIELD, "is not a list") };
    if entries.is_empty() {
        return flaw(FIELD, "is empty");
    }
    if entries.len() > MAX_USER_IDS {
        return flaw(FIELD, "has more than 1000 entries");
    }
    entries.iter().map(|entry| entry_user(entry, FIELD)).collect()
}

/// Absent in old events and null in some (`facts/sunbird.md` 3.5); consumers have met null entries as well (4.1).
fn managed_users(value: &Value) -> Checked<Vec<UserId>> {
    const FIELD: &str = "edata.managed_users";
    let entries = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(entries) => entries,
        _ => return flaw(FIELD, "is not a list"),
    };
    let blank = |entry: &Value| entry.as_str().is_some_and(|text| text.trim().is_empty());
    let told = entries.iter().filter(|&entry| !entry.is_null() && !blank(entry));
    told.map(|entry| entry_user(entry, FIELD)).collect()
}

fn entry_user(entry: &Value, field: &'static str) -> Checked<UserId> {
    match entry {
        Value::String(id) => user(id, field),
        _ => flaw(field, "has an entry that is not a string"),
    }
}

fn user(id: &str, field: &'static str) -> Checked<UserId> {
    UserId::parse(id).or_else(|invalid| flaw(field, problem(invalid)))
}

/// [`InvalidUserId`] in static words.
fn problem(invalid: InvalidUserId) -> &'static str {
    match invalid {
        InvalidUserId::Blank => "is blank",
        InvalidUserId::TooLong => "is longer than 255 characters",
        InvalidUserId::ControlCharacter => "holds a control character",
    }
}

fn without_repeats(users: impl Iterator<Item = UserId>) -> Vec<UserId> {
    let mut seen = HashSet::new();
    users.filter(|user| seen.insert(user.clone())).collect()
}

fn token_range(value: &Value) -> Checked<TokenRange> {
    if !value.is_object() {
        return flaw("edata.tokenRange", "is not an object");
    }
    let start = token(member(value, "start"), "edata.tokenRange.start")?;
    let end = token(member(value, "end"), "edata.tokenRange.end")?;
    if start >= end {
        return flaw("edata.tokenRange", "does not start before its end");
    }
    Ok(TokenRange { start, end })
}

/// A number, or a decimal string: JavaScript cannot hold a token in a number.
fn token(value: &Value, field: &'static str) -> Checked<i64> {
    let token = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    token.ok_or(Flaw { field, problem: "is not a whole number of 64 bits" })
}

/// Only a resync may be about something else than users: a contradiction is refused, not guessed away.
fn object_type(action: Action, edata: &Value) -> Checked<ObjectType> {
    const FIELD: &str = "edata.objectType";
    let Some(name) = optional_text(member(edata, "objectType"), FIELD)? else { return Ok(ObjectType::user()) };
    let object_type = ObjectType::new(name);
    match action {
        Action::ResyncUser => Ok(object_type),
        Action::DeleteUser | Action::RetireLocalUser if object_type.is_user() => Ok(object_type),
        Action::DeleteUser | Action::RetireLocalUser => flaw(FIELD, "is not user, and the action is not resync-user"),
    }
}

fn follow_up(value: &Value) -> Checked<FollowUp> {
    if !value.is_object() {
        return flaw("edata.followUp", if value.is_null() { "is missing" } else { "is not an object" });
    }
    let Some(why) = member(value, "why").as_str().and_then(Why::from_name) else {
        return flaw("edata.followUp.why", "is none of look, sweep, sync, purge");
    };
    let Some(look) = member(value, "look").as_u64().and_then(|look| u32::try_from(look).ok()) else {
        return flaw("edata.followUp.look", "is not a count");
    };
    let Some(of) = short_text(member(value, "of")) else {
        return flaw("edata.followUp.of", "is not the id of a status");
    };
    Ok(FollowUp { why, look, of })
}

/// Nothing here decides what is done, so what is odd is left out instead of refused.
fn origin(record: &Value) -> Origin {
    let cdata: Vec<_> = match member(member(record, "context"), "cdata") {
        Value::Array(entries) => entries.iter().filter_map(cdata_entry).take(MAX_CDATA).collect(),
        one => cdata_entry(one).into_iter().collect(),
    };
    Origin {
        mid: short_text(member(record, "mid")),
        ets: member(record, "ets").as_i64(),
        request_id: cdata.iter().find(|(kind, _)| kind == "Request").map(|(_, id)| id.clone()),
        cdata,
        organisation_id: short_text(member(member(record, "edata"), "organisationId")),
        redriven: member(member(record, "edata"), "redriven")
            .as_u64()
            .map_or(0, |times| times.try_into().unwrap_or(u32::MAX)),
    }
}

/// Type and id.
fn cdata_entry(entry: &Value) -> Option<(String, String)> {
    Some((short_text(member(entry, "type"))?, short_text(member(entry, "id"))?))
}

/// A member of an object; null for one that is absent, or where there is no object.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn short_text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_short = !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES;
    // No id has control characters, and in JSON each takes six bytes.
    (is_short && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn optional_text<'a>(value: &'a Value, field: &'static str) -> Checked<Option<&'a str>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => flaw(field, "is blank"),
        Value::String(text) => Ok(Some(text)),
        _ => flaw(field, "is not a string"),
    }
}

fn flaw<T>(field: &'static str, problem: &'static str) -> Checked<T> {
    Err(Flaw { field, problem })
}
