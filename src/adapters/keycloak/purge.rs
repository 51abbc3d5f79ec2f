//! The way of one purge block: guards, end of access, the transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::admin_api::AdminApi;
use super::block::Block;
use super::canary::Canary;
use super::connection::{Connection, Connections};
use super::ending;
use super::fuses::UsersPerHour;
use super::id_forms::IdForms;
use super::schema::Intent;
use super::statements::Effect;
use super::transaction::{self, Ended, Sessions};
use crate::adapters::tls::Ends;
use crate::ports::{Blame, CallResult, Disposition, Failure, IdentityStore, PurgeOrder, Purged, UserCache};
use crate::settings::{KeycloakSettings, PurgeMode, PurgeSettings};

/// How often one block waits for users who are logging in.
const MOST_LOGINS: usize = 6;

/// Purges users straight from Keycloak's PostgreSQL: Keycloak itself cannot delete Sunbird's federated users, and deletes the
/// others one at a time.
pub struct PgIdentityStore {
    connections: Connections,
    id_forms: IdForms,
    deny_list: HashSet<String>,
    max_rows: u64,
    users_per_hour: UsersPerHour,
    canary: Option<Canary>,
    effect: Effect,
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
            connections: Connections::new(keycloak.clone(), Intent::of(effect, purge), purge.concurrency),
            id_forms: IdForms::new(&keycloak.provider_id, &keycloak.former_providers),
            deny_list: keycloak.deny_list.iter().cloned().collect(),
            max_rows: purge.max_rows_per_user,
            // Whoever is only counted is not purged.
            users_per_hour: UsersPerHour::new(if effect == Effect::Delete { purge.max_users_per_hour } else { 0 }),
            admin_api: admin_api.filter(|_| effect == Effect::Delete),
            canary: None,
            effect,
        }
    }

    /// Users that were purged are looked for afterwards.
    #[must_use]
    pub fn watched_by(mut self, canary: Option<Canary>) -> Self {
        self.canary = canary.filter(|_| self.effect == Effect::Delete);
        self
    }

    /// When the certificates of the database end.
    pub fn certificates(&self) -> Ends {
        self.connections.certificates()
    }

    async fn purge_block(&self, orders: &[PurgeOrder]) -> CallResult<Purged> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let mut block = Block::new(orders, &self.id_forms, &self.deny_list).with_max_rows(self.max_rows);
        let grant = self.users_per_hour.grant(block.users(), Instant::now());
        block.hold_back(grant.users, || self.users_per_hour.failure());
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
        grant.used(block.users_with_rows(), Instant::now());
        Ok(block.into_results())
    }

    async fn purge_on(&self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        let keys = match &self.canary {
            Some(canary) => canary.keys(connection, block).await?,
            None => None,
        };
        self.purge_now(connection, block).await?;
        if let (Some(canary), Some(keys)) = (&self.canary, keys) {
            canary.look_for(block.fullest(), keys);
        }
        Ok(())
    }

    async fn purge_now(&self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        let (mut sessions, mut logins, mut active) = (Sessions::Whatever, 0, false);
        if let Some(admin_api) = &self.admin_api {
            // Order: before the rows go. A logout afterwards would write rows again, and tokens of a user without rows are
            // refreshed as if nothing had happened.
            active = ending::before(connection, block, admin_api).await?;
            sessions = Sessions::Ended;
        }
        loop {
            match (transaction::run(connection, block, sessions).await?, &self.admin_api) {
                // Each time one of the block is out of it.
                (Ended::Heavy, _) => {}
                (Ended::LoggedIn, Some(admin_api)) => {
                    if logins == 0 {
                        // Order: whoever logs in faster than we end it must not be able to begin again.
                        transaction::take_credentials(connection, block).await?;
                        admin_api.clear().await?;
                    }
                    (active, logins) = (true, logins + 1);
                    ending::again(connection, block, admin_api).await?;
                    // Rows of sessions that Keycloak has lost never go by themselves.
                    sessions = if logins < MOST_LOGINS { Sessions::Ended } else { Sessions::Whatever };
                }
                (Ended::Done, Some(admin_api)) => return ending::after(connection, block, admin_api, active).await,
                (Ended::Done | Ended::LoggedIn, None) => return Ok(()),
            }
        }
    }

    async fn answers(&self) -> Result<(), Failure> {
        let lease = self.connections.take().await?;
        lease.ping().await?;
        lease.give_back();
        self.users_per_hour.check(Instant::now())?;
        // A Keycloak that is ill may answer 500 for every user, as it does for one whom it cannot serve.
        match &self.admin_api {
            Some(admin_api) => admin_api.probe().await,
            None => Ok(()),
        }
    }
}

impl IdentityStore for PgIdentityStore {
    fn purge<'a>(&'a self, orders: &'a [PurgeOrder]) -> BoxFuture<'a, CallResult<Purged>> {
        self.purge_block(orders).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.answers().boxed()
    }
}
