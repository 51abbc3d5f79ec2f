//! The words in which `validate` says what may be: each finds one kind of mistake and names the key.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::load::Problem;

/// At most `calls` in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRate {
    pub calls: u32,
    pub per: Duration,
}

impl CallRate {
    /// Reads `100/s`, `600/min`, `5000/h`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (calls, unit) = text.split_once('/')?;
        let calls = calls.trim().parse().ok().filter(|&calls| calls > 0)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Self { calls, per: Duration::from_secs(seconds) })
    }

    /// How long so many take.
    pub fn time_for(self, count: u64) -> Duration {
        Duration::from_secs_f64(self.per.as_secs_f64() * count as f64 / f64::from(self.calls))
    }
}

#[derive(Default)]
pub(super) struct Rules {
    pub(super) problems: Vec<Problem>,
}

impl Rules {
    pub(super) fn fail(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(key, message));
    }

    pub(super) fn require(&mut self, holds: bool, key: &str, message: &str) {
        if !holds {
            self.fail(key, message.to_owned());
        }
    }

    /// A secret stands in the configuration or in a file: which of two would hold is nobody's guess.
    pub(super) fn one_of(&mut self, secret: &SecretString, file: Option<&PathBuf>, key: &str) {
        let both = file.is_some() && !secret.expose_secret().is_empty();
        self.require(!both, &format!("{key}_file"), &format!("and {key} are both set; keep one of them"));
    }

    pub(super) fn positive(&mut self, value: Duration, key: &str) {
        self.require(!value.is_zero(), key, "must be longer than 0s");
    }

    pub(super) fn within(&mut self, value: usize, least: usize, most: usize, key: &str) {
        self.require((least..=most).contains(&value), key, &format!("must be {least} to {most}, is {value}"));
    }

    /// An address with a name and a password in it would be printed as it is.
    pub(super) fn url(&mut self, text: &str, key: &str) {
        let Some(url) = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return self.fail(key, "must be a URL that starts with http:// or https://".to_owned());
        };
        self.require(url.username().is_empty() && url.password().is_none(), key, "must not hold a user or password");
    }
}

/// A bare word that is no level would be a module's name, and a log that shows only that module: `inof` shows nothing.
pub(super) fn is_directive(text: &str) -> bool {
    let text = text.trim();
    text.contains(['=', '[', ']'])
        || (!text.is_empty() && text.parse::<tracing_subscriber::filter::LevelFilter>().is_ok())
}

pub(super) fn is_topic(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'))
}

/// Names of keyspaces and tables become part of a statement.
pub(super) fn is_identifier(name: &str) -> bool {
    (1..=48).contains(&name.len()) && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// `host` or `host:port`; an IPv6 address with a port stands in brackets.
pub(super) fn is_host(text: &str, needs_port: bool) -> bool {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    !host.is_empty()
        && !host.contains(|letter: char| letter.is_whitespace() || letter == '/')
        && port.map_or(!needs_port, |port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
