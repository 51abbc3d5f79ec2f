//! What the page shows: where the worker stands as of the last look, the last hour of outcomes, the last failures.
//!
//! A whole look is handed over about once a second; nothing here is touched on the way of an item. A user's id is in a
//! failure only when whoever hands it over was told to give it (`http.show_user_ids`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::hour::{Counts, Hour};
use crate::domain::outcome::Status;
use crate::settings::PurgeMode;

/// Failures that are kept.
pub const FAILURES: usize = 50;

/// Fixed for the life of the process.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    pub version: &'static str,
    pub env: String,
    pub group: String,
    pub mode: Option<PurgeMode>,
}

/// Where things stand: what one look at the engine finds.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    pub stages: Vec<StageLook>,
    pub budget: BudgetLook,
    pub partitions: Vec<PartitionLook>,
    pub totals: Totals,
    /// Whether Kafka acknowledges what is published.
    pub is_publishing: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageLook {
    pub name: &'static str,
    pub ready: usize,
    pub delayed: usize,
    pub in_call: usize,
    /// Users of one call at most, and calls at once: found while running where the limiter adapts. Absent: no bound.
    pub block: Option<usize>,
    pub calls: usize,
    /// Since the start.
    pub answered: u64,
    pub call_seconds: f64,
    pub breaker: BreakerLook,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerLook {
    /// `closed`, `open` or `held`.
    pub state: &'static str,
    pub reason: Option<String>,
    pub since_seconds: f64,
}

/// Units.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BudgetLook {
    pub limit: usize,
    pub fresh: usize,
    pub other: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionLook {
    pub topic: &'static str,
    pub number: i32,
    /// Records; absent until Kafka has told the partition's end.
    pub lag: Option<i64>,
    pub frontier_age_seconds: f64,
    pub is_held: bool,
}

/// Since the start; the page makes rates of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    pub events: BTreeMap<&'static str, u64>,
    pub users: u64,
    pub statuses: u64,
    pub rejected: u64,
}

/// A user who is not done, or a record that is no event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureLook {
    /// Milliseconds since 1970.
    pub at: i64,
    /// `FAILED`, `PARTIAL` or `REJECTED`.
    pub status: &'static str,
    /// The action, or where the record is.
    pub what: String,
    pub reason: String,
    pub user: Option<String>,
}

/// Written by the pipeline's observer, read by the page.
#[derive(Debug)]
pub struct Overview {
    about: About,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    look: Look,
    looked: Option<Instant>,
    hour: Hour,
    /// Newest last.
    failures: VecDeque<FailureLook>,
}

impl Overview {
    pub fn new(about: About) -> Self {
        let started = Instant::now();
        let state = State { look: Look::default(), looked: None, hour: Hour::new(started), failures: VecDeque::new() };
        Self { about, started, state: Mutex::new(state) }
    }

    /// A new look, and what ended and failed since the one before.
    pub fn hand_over(&self, look: Look, ended: Counts, failures: impl IntoIterator<Item = FailureLook>) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.look = look;
        state.looked = Some(now);
        state.hour.add(ended, now);
        state.failures.extend(failures);
        let over = state.failures.len().saturating_sub(FAILURES);
        state.failures.drain(..over);
    }

    /// The document that the page asks for.
    pub fn render(&self, is_ready: bool) -> String {
        let now = Instant::now();
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.hour.turn_to(now);
        let seconds = |since: Instant| now.duration_since(since).as_secs_f64();
        let document = Document {
            about: &self.about,
            is_ready,
            uptime_seconds: seconds(self.started),
            age_seconds: state.looked.map(seconds),
            look: &state.look,
            outcomes: Outcomes {
                statuses: Status::ALL.map(Status::name),
                slice_seconds: Hour::SLICE.as_secs(),
                newest_seconds: state.hour.newest_for(now).as_secs_f64(),
                slices: state.hour.slices(),
            },
            failures: &state.failures,
        };
        serde_json::to_string(&document).unwrap_or_else(|error| {
            tracing::error!(%error, "the overview cannot be rendered");
            "{}".to_owned()
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    about: &'a About,
    is_ready: bool,
    uptime_seconds: f64,
    /// Of the look; absent before the first one.
    age_seconds: Option<f64>,
    #[serde(flatten)]
    look: &'a Look,
    outcomes: Outcomes<'a>,
    failures: &'a VecDeque<FailureLook>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcomes<'a> {
    /// In the order of a slice's counts.
    statuses: [&'static str; 5],
    slice_seconds: u64,
    /// How long the newest slice has lasted.
    newest_seconds: f64,
    /// Oldest first; those before the start are absent.
    slices: &'a VecDeque<Counts>,
}

/// For people: seconds of a call, on average.
pub fn mean_seconds(total: Duration, calls: u64) -> f64 {
    if calls == 0 { 0.0 } else { total.as_secs_f64() / calls as f64 }
}
