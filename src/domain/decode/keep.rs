//! Which members of an event are read at all: the rest is skipped while parsing, so that personal data (`userName`,
//! `suggested_users`, whatever else a producer adds) is never held, at any depth of nesting and whatever its size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A member that is read: the whole of it, or only some members of it in turn.
struct Keep {
    name: &'static str,
    only: Option<&'static [Keep]>,
}

const fn whole(name: &'static str) -> Keep {
    Keep { name, only: None }
}

/// The allow-list. `object` is not on it: the user id that counts is `edata.userId`.
const EVENT: &[Keep] = &[
    whole("mid"),
    whole("ets"),
    Keep { name: "context", only: Some(&[whole("cdata")]) },
    Keep {
        name: "edata",
        only: Some(&[
            whole("action"),
            whole("userId"),
            whole("userIds"),
            whole("tokenRange"),
            whole("managed_users"),
            whole("objectType"),
            whole("organisationId"),
            whole("followUp"),
            whole("redriven"),
        ]),
    },
];

/// Parses an event down to what is read of it. Of a key that occurs twice the last one wins.
///
/// An object that should be there and is something else comes out as null or `false`, without its content.
pub(super) fn parse(text: &str) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_str(text);
    let event = Only(EVENT).deserialize(&mut json)?;
    json.end()?;
    Ok(event)
}

/// Reads an object and keeps only these members.
struct Only(&'static [Keep]);

impl<'de> DeserializeSeed<'de> for Only {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Only {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            match self.0.iter().find(|keep| keep.name == key) {
                Some(Keep { only: None, .. }) => kept.insert(key, members.next_value()?),
                Some(Keep { only: Some(only), .. }) => kept.insert(key, members.next_value_seed(Only(only))?),
                None => members.next_value::<IgnoredAny>().map(|_| None)?,
            };
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Bool(false))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Bool(false))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Bool(false))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Bool(false))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Bool(false))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Bool(false))
    }
}
