//! Which keys there are, and of what kind: read off the settings themselves, so that nothing is listed twice.

use std::collections::{BTreeMap, BTreeSet};

use config::{Value, ValueKind};

use super::Settings;
use super::layer::{Entry, Layer};
use super::load::Problem;

/// Maps whose keys are the operator's.
const OPEN_MAPS: [&str; 4] = ["kafka.properties", "kafka.property_files", "cassandra.tables", "keycloak.tables"];

/// Which keys there are, taken from the settings themselves.
pub(super) struct Shape {
    keys: BTreeMap<String, Kind>,
    lists: BTreeSet<String>,
    optional: BTreeSet<String>,
}

/// What a value must be, unless it comes as text: everything in the environment does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    /// Lists and maps: serde says what is wrong with them.
    Other,
}

impl Kind {
    /// The library would make `page = 1.5` a 2 and `attempts = true` a 1.
    fn objection(self, value: &ValueKind) -> Option<String> {
        let expected = match self {
            Self::Text => "text in quotes",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Other => return None,
        };
        let (found, fits) = match value {
            ValueKind::I64(_) => ("a number", self == Self::Number),
            ValueKind::Float(_) => ("a number with a point", false),
            ValueKind::Boolean(_) => ("true or false", self == Self::Flag),
            _ => return None,
        };
        (!fits).then(|| format!("must be {expected}, is {found}"))
    }
}

impl Shape {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut shape = Self { keys: BTreeMap::new(), lists: BTreeSet::new(), optional: BTreeSet::new() };
        shape.walk("", &serde_json::to_value(settings).unwrap_or_default());
        shape
    }

    fn walk(&mut self, path: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) if !OPEN_MAPS.contains(&path) => {
                for (name, field) in fields {
                    self.walk(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, field);
                }
                return;
            }
            serde_json::Value::Array(_) => drop(self.lists.insert(path.to_owned())),
            serde_json::Value::Null => drop(self.optional.insert(path.to_owned())),
            _ => {}
        }
        let kind = match value {
            serde_json::Value::String(_) | serde_json::Value::Null => Kind::Text,
            serde_json::Value::Number(_) => Kind::Number,
            serde_json::Value::Bool(_) => Kind::Flag,
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => Kind::Other,
        };
        self.keys.insert(path.to_owned(), kind);
    }

    pub(super) fn objection(&self, entry: &Entry) -> Option<Problem> {
        let key = entry.key.as_str();
        let open = OPEN_MAPS.iter().any(|map| key.strip_prefix(map).is_some_and(|rest| rest.starts_with('.')));
        if open {
            return None;
        }
        if let Some(kind) = self.keys.get(key).filter(|_| !OPEN_MAPS.contains(&key)) {
            return kind.objection(&entry.value.kind).map(|message| Problem::new(key, message).from(&entry.origin));
        }
        let is_section =
            OPEN_MAPS.contains(&key) || self.keys.keys().any(|known| known.starts_with(&format!("{key}.")));
        let message = match self.nearest(key) {
            _ if is_section => "is a section, not a key".to_owned(),
            Some(known) => format!("there is no such key; did you mean {known}?"),
            None => "there is no such key".to_owned(),
        };
        Some(Problem::new(key, message).from(&entry.origin))
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let likeness = |known: &String| strsim::damerau_levenshtein(known, key);
        self.keys.keys().min_by_key(|known| likeness(known)).filter(|known| likeness(known) <= 3).map(String::as_str)
    }

    /// Comma text becomes a list, an empty optional value none at all.
    pub(super) fn fit(&self, mut layer: Layer) -> Layer {
        for Entry { key, value, .. } in &mut layer.entries {
            let ValueKind::String(text) = &value.kind else { continue };
            if self.lists.contains(key) {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                *value = parts.map(str::to_owned).collect::<Vec<String>>().into();
            } else if self.optional.contains(key) && text.trim().is_empty() {
                *value = Value::new(None, ValueKind::Nil);
            }
        }
        layer
    }
}
