//! One layer of configuration: flat, and each value remembers where it came from.

use std::path::Path;

use config::{ConfigError, Value};

use super::load::{Problem, SettingsError};

const PREFIX: &str = "USER_PURGE_SYNC__";

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: String,
}

/// Flat: dotted key to value.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) entries: Vec<Entry>,
}

impl Layer {
    pub(super) fn set(&mut self, key: &str, value: &str, origin: &str) {
        self.entries.push(Entry { key: key.to_owned(), value: value.into(), origin: origin.to_owned() });
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = (String, String)> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.origin.clone()))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// `USER_PURGE_SYNC__SECTION__KEY`, in any case. Names of librdkafka's properties get their dots back.
    pub(super) fn of_variables(env: &[(String, String)]) -> Self {
        let mut layer = Self::default();
        for (name, value) in env {
            let Some(path) = name.to_ascii_uppercase().strip_prefix(PREFIX).map(str::to_ascii_lowercase) else {
                continue;
            };
            let key = path.replace("__", ".");
            let dotted = |map| Some(format!("{map}{}", key.strip_prefix(map)?.replace('_', ".")));
            let key = ["kafka.properties.", "kafka.property_files."].into_iter().find_map(dotted).unwrap_or(key);
            layer.set(&key, value, name);
        }
        layer
    }

    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::new("", format!("cannot be read: {error}")).from(&name))?;
        Self::parse(&text, &name)
    }

    /// A syntax error is told by its line alone: the line itself may hold a secret.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self, SettingsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table = text.parse::<toml::Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            // Where a value is of no type at all, the message quotes it; what follows the first colon does.
            let message = error.message().split(": ").next().unwrap_or_default();
            Problem::new("", format!("line {line}: {message}")).from(origin)
        })?;
        let mut layer = Self::default();
        layer.flatten("", table, origin);
        Ok(layer)
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table, origin: &str) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(inner) => self.flatten(&key, inner, origin),
                leaf => self.entries.push(Entry { key, value: plain(leaf), origin: origin.to_owned() }),
            }
        }
    }
}

fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, plain(value))).collect::<config::Map<_, _>>().into()
        }
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, Value>, ConfigError> {
        Ok(self.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect())
    }
}
