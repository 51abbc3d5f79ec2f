//! The canary: a purged user is looked for in every text of Keycloak's schema, known table or not.
//!
//! The count before the commit proves that nothing is left where we know to look. The canary finds what nobody knew: a table
//! of a new Keycloak or of an extension, a purge that looks in the wrong place. It runs beside the purge, after the commit, on
//! a connection of its own, for one user at a time.

mod allowed;
mod needles;
mod search;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

use self::allowed::is_written_later;
use self::needles::Needles;
use self::search::{Place, Search};
use super::block::Block;
use super::connection::{Call, Connection};
use super::tables::{Family, Table};
use crate::ports::Failure;
use crate::ports::canary::{CanaryReport, CanaryWatch};
use crate::settings::{KeycloakSettings, PurgeSettings, Verify};

/// `$1` ids, `$2` realm: whose, and a key by which rows may name the user that hold no id. Session ids are in audit records
/// and in client sessions, consent ids in their scopes.
pub(super) const KEYS: &str = "\
SELECT s.user_id, s.user_session_id FROM offline_user_session s JOIN unnest($1::text[]) AS t(id) ON s.user_id = t.id
WHERE s.realm_id = $2::text
UNION ALL
SELECT c.user_id, c.id FROM user_consent c JOIN unnest($1::text[]) AS t(id) ON c.user_id = t.id
UNION ALL
SELECT c.user_id, c.id FROM credential c JOIN unnest($1::text[]) AS t(id) ON c.user_id = t.id
UNION ALL
SELECT c.user_id, c.id FROM fed_user_consent c JOIN unnest($1::text[]) AS t(id) ON c.user_id = t.id
WHERE c.realm_id = $2::text
UNION ALL
SELECT c.user_id, c.id FROM fed_user_credential c JOIN unnest($1::text[]) AS t(id) ON c.user_id = t.id
WHERE c.realm_id = $2::text";

/// How long what is found is left alone before it is an alarm.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Anywhere: a write of Keycloak that is under way at the commit is over by then.
    pub soon: Duration,
    /// In tables that a login in flight writes to: the sweep has been there by then.
    pub sweep: Duration,
}

impl Patience {
    /// `delay`: `delay.after`. A sweep may be late.
    pub fn with_sweeps_after(delay: Duration) -> Self {
        Self { soon: Duration::from_secs(5), sweep: delay + Duration::from_mins(2) }
    }
}

/// Looks for one purged user now and then.
pub struct Canary {
    every: Duration,
    patience: Patience,
    search: Arc<Search>,
    watch: Arc<dyn CanaryWatch>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: Option<Instant>,
    /// Dropped with the canary: it outlives nothing.
    running: Option<AbortOnDropHandle<()>>,
}

/// The keys of a block's users, from before their rows went.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, Vec<String>>);

impl Canary {
    /// `None` unless `purge.verify` asks for it.
    pub fn of(
        keycloak: &KeycloakSettings,
        purge: &PurgeSettings,
        patience: Patience,
        watch: Arc<dyn CanaryWatch>,
    ) -> Option<Self> {
        (purge.verify == Verify::Canary).then(|| Self {
            every: purge.canary_every,
            patience,
            search: Arc::new(Search::new(keycloak.clone())),
            watch,
            state: Mutex::default(),
        })
    }

    /// The keys of the block's users if a search is due; nothing if not.
    ///
    /// # Errors
    /// When the database fails, as any statement of the block may.
    pub(super) async fn keys(&self, connection: &Connection, block: &Block<'_>) -> Result<Option<Keys>, Failure> {
        if !self.is_due(&self.state(), Instant::now()) {
            return Ok(None);
        }
        let ids = block.ids();
        let call = Call::new(&connection.statements.keys, vec![&ids, &connection.schema.realm_id]);
        let mut keys = Keys::default();
        for row in connection.pipeline(&[call]).await?.iter().flatten() {
            keys.0.entry(row.get(0)).or_default().push(row.get(1));
        }
        Ok(Some(keys))
    }

    /// The block is committed: begins to look for its fullest user, and comes back at once.
    pub(super) fn look_for(&self, ids: Option<Vec<String>>, mut keys: Keys) {
        let Some(ids) = ids else { return };
        let mut state = self.state();
        let now = Instant::now();
        if !self.is_due(&state, now) {
            return;
        }
        let keys: Vec<String> = ids.iter().flat_map(|id| keys.0.remove(id).unwrap_or_default()).collect();
        let looking = Looking {
            needles: Needles::new(&ids, &keys),
            search: Arc::clone(&self.search),
            watch: Arc::clone(&self.watch),
            patience: self.patience,
        };
        state.begun = Some(now);
        state.running = Some(spawn(looking));
    }

    fn is_due(&self, state: &State, now: Instant) -> bool {
        let rested = state.begun.is_none_or(|begun| now.duration_since(begun) >= self.every);
        rested && state.running.as_ref().is_none_or(AbortOnDropHandle::is_finished)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "aborted with the canary, so it outlives nothing")]
fn spawn(looking: Looking) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(looking.run()))
}

/// One search from beginning to end.
struct Looking {
    needles: Needles,
    search: Arc<Search>,
    watch: Arc<dyn CanaryWatch>,
    patience: Patience,
}

impl Looking {
    async fn run(self) {
        let begun = Instant::now();
        let first = self.search.everywhere(&self.needles).await;
        let report = CanaryReport {
            took: begun.elapsed(),
            columns: first.columns,
            found: first.found.len(),
            unreadable: first.unreadable,
            unfinished: first.unfinished,
        };
        self.watch.searched(&report);
        if first.found.is_empty() {
            return;
        }
        tokio::time::sleep(self.patience.soon).await;
        let still = self.search.again(&self.needles, &first.found).await;
        // Order: what no login can have written is told at once, the rest only when the sweep has left it too.
        let (in_flight, at_once): (Vec<Place>, Vec<Place>) = still.into_iter().partition(may_be_of_a_login);
        self.tell(&at_once);
        if !in_flight.is_empty() {
            tokio::time::sleep(self.patience.sweep).await;
            self.tell(&self.search.again(&self.needles, &in_flight).await);
        }
    }

    fn tell(&self, places: &[Place]) {
        for place in places {
            self.watch.found(&place.table, &place.column);
        }
    }
}

/// Tables that the sweep takes rows from.
fn may_be_of_a_login(place: &Place) -> bool {
    let is_free = Table::named(&place.table).is_some_and(|table| table.family == Family::Free);
    is_free || is_written_later(&place.table)
}
