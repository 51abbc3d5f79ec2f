//! Layers on top of each other: defaults, a file, Sunbird's environment names, our own environment names.
//!
//! Each layer is flat, dotted key to value, and remembers where a value came from: every complaint can name the place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use config::{Config, ConfigError};

use super::layer::Layer;
use super::shape::Shape;
use super::{Settings, aliases};

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where each value that is not a default came from, by dotted key: a file or a variable.
pub type Origins = BTreeMap<String, String>;

/// Settings, with where they came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub origins: Origins,
}

/// One thing to mend. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted; empty when it is about a whole file.
    pub key: String,
    pub message: String,
    pub origin: Option<String>,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), origin: None }
    }

    pub(super) fn from(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.message)?;
        match &self.origin {
            Some(origin) => write!(formatter, " (from {origin})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, at once.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:{}", lines_of(.problems))]
pub struct SettingsError {
    pub problems: Vec<Problem>,
}

fn lines_of(problems: &[Problem]) -> String {
    problems.iter().flat_map(|problem| ["\n  ".to_owned(), problem.to_string()]).collect()
}

impl From<Problem> for SettingsError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// The process's environment. What is no UTF-8 in a value is replaced, so that it is complained about where it matters.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

impl Settings {
    /// Reads all layers. `env` is the process's environment; variables of others are ignored.
    ///
    /// # Errors
    /// All that is wrong, each with its key and the file or variable it came from.
    pub fn load(
        config_file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        Loaded::load(config_file, env).map(|loaded| loaded.settings)
    }
}

impl Loaded {
    /// As [`Settings::load`], and keeps the origins.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load(
        config_file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let env: Vec<(String, String)> = env.collect();
        let mut problems = Vec::new();
        let defaults = Layer::parse(DEFAULTS, "the built-in defaults")?;
        let file = config_file.map(Layer::read).transpose()?.unwrap_or_default();
        let own = Layer::of_variables(&env);
        let sunbird = aliases::layer(&env, &own, &mut problems);

        let shape = Shape::of(&deserialize(&[&defaults], &Origins::new())?);
        let mut origins = Origins::new();
        for layer in [&file, &sunbird, &own] {
            problems.extend(layer.entries.iter().filter_map(|entry| shape.objection(entry)));
            origins.extend(layer.origins());
        }
        if !problems.is_empty() {
            return Err(SettingsError { problems });
        }
        let layers = [defaults, file, sunbird, own].map(|layer| shape.fit(layer));
        let mut settings = deserialize(&layers.each_ref(), &origins)?;
        settings.normalize();
        problems.extend(settings.problems().into_iter().map(|problem| match origins.get(&problem.key) {
            Some(origin) => problem.from(origin),
            None => problem,
        }));
        if problems.is_empty() { Ok(Self { settings, origins }) } else { Err(SettingsError { problems }) }
    }
}

fn deserialize(layers: &[&Layer], origins: &Origins) -> Result<Settings, SettingsError> {
    let mut builder = Config::builder();
    for layer in layers {
        builder = builder.add_source((*layer).clone());
    }
    let config = builder.build().map_err(|error| Problem::new("", error.to_string()))?;
    serde_path_to_error::deserialize(config).map_err(|error| {
        let key = error.path().to_string();
        let problem = Problem::new(&key, what(error.inner()));
        match origins.get(&key) {
            Some(origin) => problem.from(origin),
            None => problem,
        }
        .into()
    })
}

/// Without the key and origin that the library adds: it knows neither exactly.
fn what(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => what(error),
        ConfigError::Type { unexpected, expected, .. } => format!("invalid type: {unexpected}, expected {expected}"),
        other => other.to_string(),
    }
}
