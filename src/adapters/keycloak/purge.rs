//! The way of one purge block: guards, end of access, the transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::access::AccessEnd;
use super::admin_api::AdminApi;
use super::block::Block;
use super::connection::{Call, Connection, Connections};
use super::id_forms::IdForms;
use super::protect::{self, Look};
use super::statements::Effect;
use super::transaction::{self, Ended, Sessions};
use crate::ports::{Blame, CallResult, Disposition, Failure, IdentityStore, PurgeOrder, Purged, UserCache};
use crate::settings::{KeycloakSettings, PurgeMode, PurgeSettings};

/// Purges users straight from Keycloak's PostgreSQL: Keycloak itself cannot delete Sunbird's federated users, and deletes the
/// others one at a time.
pub struct PgIdentityStore {
    connections: Connections,
    id_forms: IdForms,
    deny_list: HashSet<String>,
    /// Absent: tokens of purged users go on being refreshed until Keycloak restarts.
    admin_api: Option<Arc<AdminApi>>,
}

impl PgIdentityStore {
    /// Does no I/O: connections are opened, and the start-up checks run, when they are needed. Every mode but `delete` counts
    /// only.
    pub fn new(keycloak: &KeycloakSettings, purge: &PurgeSettings, admin_api: Option<Arc<AdminApi>>) -> Self {
        let effect = match purge.mode {
            Some(PurgeMode::Delete) => Effect::Delete,
            Some(PurgeMode::DryRun | PurgeMode::Off) | None => Effect::Count,
        };
        Self {
            connections: Connections::new(keycloak.clone(), effect, purge.concurrency),
            id_forms: IdForms::new(&keycloak.provider_id, &keycloak.former_providers),
            deny_list: keycloak.deny_list.iter().cloned().collect(),
            admin_api: admin_api.filter(|_| effect == Effect::Delete),
        }
    }

    async fn purge_block(&self, orders: &[PurgeOrder]) -> CallResult<Purged> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let mut block = Block::new(orders, &self.id_forms, &self.deny_list);
        let lease = self.connections.take().await?;
        match self.purge_on(&lease, &mut block).await {
            Ok(()) => lease.give_back(),
            Err(failure) => {
                // After anything worse the next call starts from a connection whose checks have passed.
                if failure.disposition == Disposition::Retry(Blame::Call) && lease.rollback().await.is_ok() {
                    lease.give_back();
                }
                return Err(failure);
            }
        }
        Ok(block.into_results())
    }

    async fn purge_on(&self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        if let Some(admin_api) = &self.admin_api {
            // Order: before the rows go. A logout afterwards would write rows again, and tokens of a user without rows are
            // refreshed as if nothing had happened.
            end_access(connection, block, admin_api).await?;
            match transaction::run(connection, block, Sessions::Ended).await? {
                Ended::Done => return Ok(()),
                // Once more, and then whatever is found: rows of sessions that Keycloak has lost never go by themselves.
                Ended::LoggedIn => end_access(connection, block, admin_api).await?,
            }
        }
        transaction::run(connection, block, Sessions::Whatever).await.map(drop)
    }

    async fn answers(&self) -> Result<(), Failure> {
        let lease = self.connections.take().await?;
        lease.ping().await?;
        lease.give_back();
        // A Keycloak that is ill may answer 500 for every user, as it does for one whom it cannot serve.
        match &self.admin_api {
            Some(admin_api) => admin_api.probe().await,
            None => Ok(()),
        }
    }
}

/// Ends the access of exactly those who are about to be purged, under each id that Keycloak knows.
async fn end_access(connection: &Connection, block: &mut Block<'_>, admin_api: &AdminApi) -> Result<(), Failure> {
    protect::look(connection, block, Look::BeforeTheLock).await?;
    let (ids, realm, statements) = (block.ids(), &connection.schema.realm_id, &connection.statements);
    let answers = connection
        .pipeline(&[Call::new(&statements.known, vec![&ids, realm]), Call::new(&statements.clients, vec![&ids, realm])])
        .await?;
    let [known, sessions] = answers.as_slice() else { return Ok(()) };
    let known: HashSet<String> = known.iter().map(|row| row.get(0)).collect();
    let mut clients: HashMap<String, Vec<String>> = HashMap::new();
    for row in sessions {
        clients.entry(row.get(0)).or_default().push(row.get(1));
    }
    let ends: Vec<_> = block
        .ids_to_end(&known)
        .into_iter()
        .map(|end| AccessEnd { clients: clients.remove(&end.id).unwrap_or_default(), id: end.id, known: end.has_rows })
        .collect();
    for (end, result) in ends.iter().zip(admin_api.end_access(&ends).await?) {
        if let Err(failure) = result {
            block.fail(&end.id, failure);
        }
    }
    Ok(())
}

impl IdentityStore for PgIdentityStore {
    fn purge<'a>(&'a self, orders: &'a [PurgeOrder]) -> BoxFuture<'a, CallResult<Purged>> {
        self.purge_block(orders).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.answers().boxed()
    }
}
