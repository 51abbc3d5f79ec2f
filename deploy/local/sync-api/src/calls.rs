//! The log of calls: how many, with which ids, how they ended, and whether two calls at once named the same user.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use tokio::time::Instant;

/// Calls kept with their ids; totals cover all.
const KEPT: usize = 1_000;

/// One ended call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub number: u64,
    /// When it arrived, RFC 3339 in UTC.
    pub at: String,
    pub request_id: Option<String>,
    /// The status answered, or "closed" (no answer), or "abandoned" (the client went first).
    pub end: String,
    pub took_ms: u128,
    pub ids: Vec<String>,
}

/// What `GET /calls` shows.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallSummary {
    pub calls: u64,
    pub ids: u64,
    pub largest_call: usize,
    /// Calls that named an id more than once.
    pub calls_with_duplicates: u64,
    pub in_flight: usize,
    pub max_in_flight: usize,
    /// The highest number of calls in flight at once that named the same id.
    pub max_concurrent_per_user: usize,
    /// Ids that two or more calls at once named, with their highest number.
    pub overlapping_users: BTreeMap<String, usize>,
    pub ends: BTreeMap<String, u64>,
    /// The last calls that ended, oldest first.
    pub recent: Vec<Call>,
}

#[derive(Default)]
pub struct CallLog {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    totals: CallSummary,
    in_flight_by_id: HashMap<String, usize>,
    ended: VecDeque<Call>,
}

impl CallLog {
    /// Notes a call that arrived; it is in flight until the returned guard is ended or dropped.
    pub(crate) fn begin(self: &Arc<Self>, request_id: Option<String>, ids: Vec<String>) -> CallInFlight {
        let mut held = self.lock();
        let distinct: HashSet<String> = ids.iter().cloned().collect();
        held.totals.calls += 1;
        held.totals.ids += ids.len() as u64;
        held.totals.largest_call = held.totals.largest_call.max(ids.len());
        held.totals.calls_with_duplicates += u64::from(distinct.len() < ids.len());
        held.totals.in_flight += 1;
        held.totals.max_in_flight = held.totals.max_in_flight.max(held.totals.in_flight);
        for id in &distinct {
            held.enter(id);
        }
        let call = Call {
            number: held.totals.calls,
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            request_id,
            end: "abandoned".to_owned(),
            took_ms: 0,
            ids,
        };
        CallInFlight { log: Arc::clone(self), call: Some(call), distinct, since: Instant::now() }
    }

    pub fn summary(&self, last: usize) -> CallSummary {
        let held = self.lock();
        let totals = &held.totals;
        let skipped = held.ended.len().saturating_sub(last);
        CallSummary {
            ends: totals.ends.clone(),
            overlapping_users: totals.overlapping_users.clone(),
            recent: held.ended.iter().skip(skipped).cloned().collect(),
            ..*totals
        }
    }

    /// Forgets everything but the calls in flight.
    pub fn clear(&self) {
        let mut held = self.lock();
        let in_flight = held.totals.in_flight;
        let most = held.in_flight_by_id.values().copied().max().unwrap_or(0);
        held.totals = CallSummary {
            in_flight,
            max_in_flight: in_flight,
            max_concurrent_per_user: most,
            ..CallSummary::default()
        };
        held.ended.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn enter(&mut self, id: &str) {
        let count = self.in_flight_by_id.entry(id.to_owned()).or_default();
        *count += 1;
        let count = *count;
        self.totals.max_concurrent_per_user = self.totals.max_concurrent_per_user.max(count);
        if count > 1 {
            let most = self.totals.overlapping_users.entry(id.to_owned()).or_default();
            *most = count.max(*most);
        }
    }

    fn leave(&mut self, id: &str) {
        if let Some(count) = self.in_flight_by_id.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.in_flight_by_id.remove(id);
            }
        }
    }
}

/// A call in flight. Dropped without an end, it counts as abandoned: hyper drops a call when its client goes away.
pub(crate) struct CallInFlight {
    log: Arc<CallLog>,
    call: Option<Call>,
    distinct: HashSet<String>,
    since: Instant,
}

impl CallInFlight {
    pub(crate) fn end(mut self, end: String) {
        if let Some(call) = &mut self.call {
            call.end = end;
        }
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        let Some(mut call) = self.call.take() else { return };
        call.took_ms = self.since.elapsed().as_millis();
        let mut held = self.log.lock();
        held.totals.in_flight = held.totals.in_flight.saturating_sub(1);
        *held.totals.ends.entry(call.end.clone()).or_default() += 1;
        for id in &self.distinct {
            held.leave(id);
        }
        if held.ended.len() == KEPT {
            held.ended.pop_front();
        }
        held.ended.push_back(call);
    }
}
