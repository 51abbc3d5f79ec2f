//! Start-up checks: is this the database, the schema, the realm and the provider that the configuration means, and is there
//! nothing in it that knows a person and that nobody has decided about?
//!
//! `catalog` reads the schema; `closure`, `suspects`, `chosen`, `index_cover` and `rights` conclude from it; `survey` puts it
//! together. They run on every new connection, and a connection is new again after an hour and when Keycloak was upgraded.
//! A wrong provider id would otherwise make each purge a silent success of zero rows.

mod catalog;
mod chosen;
mod closure;
mod error;
mod index_cover;
mod needs;
mod realm;
mod rights;
mod survey;
mod suspects;
mod table_map;
mod unknown;
mod version;
mod warning;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::failure::of_postgres;
use super::statements::Effect;
use super::tables::Table;
use crate::ports::Failure;
use crate::settings::{KeycloakSettings, PurgeSettings, Verify};

pub use error::SchemaError;
pub use table_map::{MapRow, TableMap};
pub use warning::SchemaWarning;

pub(super) use catalog::Catalog;
#[cfg(test)]
pub(super) use catalog::testing;
use error::Names;
pub(super) use realm::ghosts;
pub(super) use survey::Survey;
pub(super) use version::STAMP;

/// What the connection is for: that decides which rights it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intent {
    pub effect: Effect,
    /// The canary searches every text, secrets too.
    pub searches_all: bool,
}

impl Intent {
    pub(super) fn of(effect: Effect, purge: &PurgeSettings) -> Self {
        Self { effect, searches_all: purge.verify == Verify::Canary }
    }
}

/// The schema as it is.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// What `realm_id` columns hold: need not be the realm's name.
    pub realm_id: String,
    /// The tables of the map that exist, in its order, after those that the configuration adds.
    pub tables: Vec<&'static Table>,
    pub catalog: Catalog,
    /// What `STAMP` said.
    pub stamp: String,
    pub warnings: Vec<SchemaWarning>,
}

impl Schema {
    /// Runs every check and sets the connection's search path to the one schema.
    pub(super) async fn check(client: &Client, settings: &KeycloakSettings, intent: Intent) -> Result<Self, Failure> {
        let survey = Survey::take(client, settings, intent).await?;
        if let Some(refusal) = survey.refusals.into_iter().next() {
            return Err(refusal.into());
        }
        let realm = survey.realm.expect("where nothing refuses, the realm was found");
        let Survey { plan: tables, catalog, warnings, .. } = survey;
        Ok(Self { realm_id: realm.id, tables, catalog, stamp: realm.stamp, warnings })
    }
}

async fn rows(client: &Client, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    client.query(sql, params).await.map_err(of_postgres)
}

/// The first column of every row.
async fn texts(client: &Client, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<String>, Failure> {
    rows(client, sql, params).await?.iter().map(|row| row.try_get(0).map_err(of_postgres)).collect()
}
