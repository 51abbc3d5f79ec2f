//! Ends a user's access before the purge: offline tokens revoked client by client, then a logout.
//!
//! The order is the one that was measured to work on Keycloak 9, 21 and 26 (`facts/keycloak.md` 8.2): a logout alone writes a
//! not-before date that the purge then deletes, and the offline token is good again. A logout does end what is online, so
//! only clients with offline sessions are revoked. Keycloak writes every offline session to the database as it begins, and
//! there their clients are read for a whole block at once: asking Keycloak for each user took longer than all the rest.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde::Deserialize;

use super::admin_api::AdminApi;
use crate::ports::{Blame, CallResult, Disposition, Failure};

/// One id of a user whose access ends.
#[derive(Clone, Debug)]
pub(super) struct AccessEnd {
    pub id: String,
    /// Clients of its offline sessions in the database, by the name that the Admin API's paths use.
    pub clients: Vec<String>,
    /// The database has rows of it. Otherwise only a session in Keycloak's memory is a reason to log it out: that writes rows.
    pub known: bool,
}

/// A session as `users/{id}/sessions` tells it.
#[derive(Deserialize)]
struct Session {
    id: String,
    /// Internal id → name.
    #[serde(default)]
    clients: BTreeMap<String, String>,
}

impl AdminApi {
    /// Before the rows go.
    pub(super) async fn end_access(&self, ends: &[AccessEnd]) -> CallResult<()> {
        self.of_each(ends, |end| self.end_one(end)).await
    }

    /// Ends what a login left that was under way when the rows went; whether there was anything. Session by session: a logout
    /// would write rows of the user again.
    pub(super) async fn end_stragglers(&self, ends: &[AccessEnd]) -> CallResult<bool> {
        self.of_each(ends, |end| self.end_straggler(end)).await
    }

    /// One result per id, in order. What speaks of Keycloak as a whole fails the whole call.
    async fn of_each<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        ends: &[AccessEnd],
        one: impl Fn(AccessEnd) -> F,
    ) -> CallResult<T> {
        let mut running = stream::iter(ends.to_vec()).map(one).buffered(self.concurrency());
        let mut results = Vec::with_capacity(ends.len());
        while let Some(result) = running.next().await {
            match result {
                Err(failure) if speaks_of_all(&failure) => return Err(failure),
                one => results.push(one),
            }
        }
        Ok(results)
    }

    async fn end_straggler(&self, end: AccessEnd) -> Result<bool, Failure> {
        if is_no_path(&end.id) {
            return Ok(false);
        }
        for client in &end.clients {
            self.act_on_user(Method::DELETE, &["users", &end.id, "consents", client]).await?;
        }
        let sessions = self.read::<Vec<Session>>(&["users", &end.id, "sessions"]).await?.unwrap_or_default();
        for session in &sessions {
            self.act_on_user(Method::DELETE, &["sessions", &session.id]).await?;
        }
        Ok(!end.clients.is_empty() || !sessions.is_empty())
    }

    async fn end_one(&self, end: AccessEnd) -> Result<(), Failure> {
        if is_no_path(&end.id) {
            return Ok(());
        }
        let mut clients: BTreeSet<String> = end.clients.into_iter().collect();
        if !end.known {
            let sessions = self.read::<Vec<Session>>(&["users", &end.id, "sessions"]).await?.unwrap_or_default();
            if sessions.is_empty() {
                return Ok(());
            }
            clients.extend(sessions.into_iter().flat_map(|session| session.clients.into_values()));
        }
        for client in &clients {
            self.act_on_user(Method::DELETE, &["users", &end.id, "consents", client]).await?;
        }
        // Order: last, so that no session of a client revoked above is left to be refreshed.
        self.act_on_user(Method::POST, &["users", &end.id, "logout"]).await
    }
}

/// No URL can hold these as a part of its path, so Keycloak has no such user to log out.
fn is_no_path(id: &str) -> bool {
    id == "." || id == ".."
}

fn speaks_of_all(failure: &Failure) -> bool {
    match failure.disposition {
        Disposition::Retry(Blame::Server | Blame::Throttle(_)) | Disposition::Hold => true,
        Disposition::Retry(Blame::Call) | Disposition::Reject => false,
    }
}
