//! Which keys there are, and of what kind: read off the settings themselves, so that nothing is listed twice.

use std::collections::BTreeSet;

use config::{Value, ValueKind};

use super::Settings;
use super::layer::{Entry, Layer};
use super::load::Problem;

/// Maps whose keys are the operator's.
const OPEN_MAPS: [&str; 2] = ["kafka.properties", "cassandra.tables"];

/// Which keys there are, taken from the settings themselves.
pub(super) struct Shape {
    keys: BTreeSet<String>,
    lists: BTreeSet<String>,
    optional: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut shape = Self { keys: BTreeSet::new(), lists: BTreeSet::new(), optional: BTreeSet::new() };
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
        self.keys.insert(path.to_owned());
    }

    pub(super) fn objection(&self, entry: &Entry) -> Option<Problem> {
        let key = entry.key.as_str();
        let open = OPEN_MAPS.iter().any(|map| key.strip_prefix(map).is_some_and(|rest| rest.starts_with('.')));
        if open || (self.keys.contains(key) && !OPEN_MAPS.contains(&key)) {
            return None;
        }
        let is_section =
            OPEN_MAPS.contains(&key) || self.keys.iter().any(|known| known.starts_with(&format!("{key}.")));
        let message = match self.nearest(key) {
            _ if is_section => "is a section, not a key".to_owned(),
            Some(known) => format!("there is no such key; did you mean {known}?"),
            None => "there is no such key".to_owned(),
        };
        Some(Problem::new(key, message).from(&entry.origin))
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let likeness = |known: &String| strsim::damerau_levenshtein(known, key);
        self.keys.iter().min_by_key(|known| likeness(known)).filter(|known| likeness(known) <= 3).map(String::as_str)
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
