//! How single fields are read and shown where serde's own way says too little or too much.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serializer};

use super::KafkaSettings;

const REDACTED: &str = "***";

/// A word of a closed list; the error names the list.
pub(super) fn choice<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

pub(super) fn optional_choice<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<String>::deserialize(deserializer)?.map(|word| T::deserialize(word.into_deserializer())).transpose()
}

/// A map whose keys hold dots: `security.protocol` is one key, however deep TOML nests it.
pub(super) fn dotted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Node {
        Bool(bool),
        Number(i64),
        Text(String),
        Table(BTreeMap<String, Node>),
    }
    fn collect(prefix: &str, node: Node, into: &mut BTreeMap<String, String>) {
        let text = match node {
            Node::Bool(value) => value.to_string(),
            Node::Number(value) => value.to_string(),
            Node::Text(value) => value,
            Node::Table(nodes) => {
                for (key, node) in nodes {
                    collect(&format!("{prefix}.{key}"), node, into);
                }
                return;
            }
        };
        into.insert(prefix.to_owned(), text);
    }
    let mut flat = BTreeMap::new();
    for (key, node) in BTreeMap::<String, Node>::deserialize(deserializer)? {
        collect(&key, node, &mut flat);
    }
    Ok(flat)
}

/// A time with its unit.
pub(super) mod duration {
    use std::time::Duration;

    pub use humantime_serde::serialize;
    use serde::{Deserializer, de::Error};

    /// Far above what makes sense, far below what sums of times can hold.
    const LONGEST: Duration = Duration::from_hours(365 * 24);

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let time: Duration = humantime_serde::deserialize(deserializer)?;
        if time > LONGEST { Err(D::Error::custom("must be at most 365days")) } else { Ok(time) }
    }
}

/// An empty secret is shown as such: it means that there is none.
pub(super) fn redacted<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { REDACTED })
}

pub(super) fn redacted_properties<S: Serializer>(
    properties: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(shown(properties))
}

/// librdkafka's own names for what must not be shown, by the words they are made of.
fn is_secret(property: &str) -> bool {
    ["password", "secret", "pem", "oauthbearer", "jaas"].iter().any(|word| property.contains(word))
}

fn shown(properties: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    properties.iter().map(|(key, value)| (key.as_str(), if is_secret(key) { REDACTED } else { value }))
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("session_timeout", &self.session_timeout)
            .field("commit_interval", &self.commit_interval)
            .field("properties", &shown(&self.properties).collect::<BTreeMap<_, _>>())
            .field("property_files", &self.property_files)
            .finish()
    }
}
