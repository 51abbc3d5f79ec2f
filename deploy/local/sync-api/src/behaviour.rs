//! How the stand-in is told to behave: the JSON of `PUT /behaviour`, its rules, and the switch that holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::sync::watch;

/// Statuses that `fail` can answer with; each has a body as its real sender writes it.
pub const FAIL_STATUSES: [u16; 9] = [400, 401, 403, 404, 413, 429, 500, 502, 503];

/// What is wrong, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    #[default]
    Normal,
    /// Answers `status` without doing anything.
    Fail,
    /// Takes the call and is silent, for good or for `after`.
    Hang,
    /// Closes the connection without an answer, nothing done.
    Close,
    /// Does the work, then closes the connection.
    ApplyThenLoseAnswer,
    /// Does the work, yet answers 500 at the service's limit of 10 s.
    Timeout,
    CassandraDown,
    CassandraFrozen,
    IndexDown,
    IndexFrozen,
}

impl Mode {
    /// Chosen once for a call when it arrives; the other modes are outages, looked at for each id when it is handled.
    fn is_of_a_call(self) -> bool {
        matches!(self, Self::Fail | Self::Hang | Self::Close | Self::ApplyThenLoseAnswer | Self::Timeout)
    }
}

/// A behaviour in force. Every key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Behaviour {
    pub mode: Mode,
    /// With `fail`: the status to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With `fail`: seconds for a `Retry-After` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// With `hang`: how long, then the call goes on as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Pause>,
    /// With a mode of a call: for how many calls; then the mode is `normal` again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Time for an id whose row exists; `--per-id` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_id: Option<Pause>,
    /// Time for an id without a row; `--per-missing-id` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_missing_id: Option<Pause>,
    /// Time before a call is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_call: Option<Pause>,
    /// More time for these ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slow_ids: BTreeMap<String, Pause>,
    /// Reported false at the top level, not indexed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub false_ids: BTreeSet<String>,
    /// In neither place, not indexed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub absent_ids: BTreeSet<String>,
    /// A block is handled up to such an id, then answered 500.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub poison_ids: BTreeSet<String>,
    /// Calls with more ids are answered 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ids: Option<usize>,
    /// Calls with a larger body are answered 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<usize>,
}

impl Behaviour {
    /// Reads the body of `PUT /behaviour`; the error names the key that is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let behaviour: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| error.to_string())?;
        json.end().map_err(|error| error.to_string())?;
        behaviour.checked()
    }

    fn checked(self) -> Result<Self, String> {
        let fails = self.mode == Mode::Fail;
        match self.status {
            None if fails => return Err(format!("mode fail needs status, one of {FAIL_STATUSES:?}")),
            Some(status) if fails && !FAIL_STATUSES.contains(&status) => {
                return Err(format!("status: {status} is none of {FAIL_STATUSES:?}"));
            }
            Some(_) if !fails => return Err("status goes with mode fail only".to_owned()),
            _ => {}
        }
        if self.retry_after.is_some() && !fails {
            return Err("retryAfter goes with mode fail only".to_owned());
        }
        if self.after.is_some() && self.mode != Mode::Hang {
            return Err("after goes with mode hang only".to_owned());
        }
        match self.calls {
            Some(0) => Err("calls: at least 1".to_owned()),
            Some(_) if !self.mode.is_of_a_call() => {
                Err("calls goes with the modes fail, hang, close, applyThenLoseAnswer and timeout only".to_owned())
            }
            _ => Ok(self),
        }
    }

    fn after_one_call(&self) -> Self {
        match self.calls {
            Some(calls) if calls > 1 => Self { calls: Some(calls - 1), ..self.clone() },
            Some(_) => {
                let ended = Self { mode: Mode::Normal, status: None, retry_after: None, after: None, ..self.clone() };
                Self { calls: None, ..ended }
            }
            None => self.clone(),
        }
    }
}

/// Holds the behaviour in force and tells those who wait when it changes.
pub(crate) struct BehaviourSwitch {
    current: watch::Sender<Arc<Behaviour>>,
}

impl BehaviourSwitch {
    pub(crate) fn new() -> Self {
        Self { current: watch::Sender::new(Arc::default()) }
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.current.send_replace(Arc::new(behaviour));
    }

    pub(crate) fn current(&self) -> Arc<Behaviour> {
        Arc::clone(&self.current.borrow())
    }

    /// The behaviour for a call that arrives; counts it against `calls`.
    pub(crate) fn claim(&self) -> Arc<Behaviour> {
        let mut claimed = Arc::default();
        self.current.send_if_modified(|current| {
            claimed = Arc::clone(current);
            let counted = current.calls.is_some();
            if counted {
                *current = Arc::new(current.after_one_call());
            }
            counted
        });
        claimed
    }

    /// Waits until the mode is another one, at most for `limit`; whether it changed.
    pub(crate) async fn leaves(&self, mode: Mode, limit: Duration) -> bool {
        let mut changes = self.current.subscribe();
        let left = changes.wait_for(|behaviour| behaviour.mode != mode);
        tokio::time::timeout(limit, left).await.is_ok()
    }
}

/// A duration that is written with its unit, such as `"200ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(pub Duration);

impl Serialize for Pause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Pause;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration with its unit, such as \"200ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pause, E> {
                let pause = humantime::parse_duration(text).map(Pause);
                pause.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
