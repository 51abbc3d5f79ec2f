//! Start-up checks: is this the database, the schema, the realm and the provider that the configuration means?
//!
//! They run on every new connection, so a failover, an upgrade of Keycloak or a corrected configuration is noticed when it
//! matters. A wrong provider id would otherwise make each purge a silent success of zero rows.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::failure::of_postgres;
use super::tables::{Key, TABLES, Table};
use crate::ports::{Disposition, Failure};
use crate::settings::KeycloakSettings;

/// The oldest PostgreSQL that is supported, as `server_version_num`.
const OLDEST_SERVER: i32 = 110_000;
/// Without these a schema is not Keycloak's.
const LANDMARKS: [&str; 2] = ["user_entity", "federated_user"];
const STORAGE_PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";

/// What was found that a person must mend. Each message starts with the key to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("keycloak.host: PostgreSQL {0} is too old: 11 is the oldest supported")]
    ServerTooOld(String),
    #[error("keycloak.host: the server is a standby and cannot delete: name the primary")]
    Standby,
    #[error("keycloak.schema: {schema:?} holds no Keycloak; schemas of this database that do: {found}")]
    NotKeycloak { schema: String, found: Names },
    #[error(
        "keycloak.schema: a migration holds Keycloak's lock (databasechangeloglock): wait until Keycloak has started"
    )]
    Migrating,
    #[error("keycloak.realm: there is no realm {realm:?}; the database has {found}")]
    NoRealm { realm: String, found: Names },
    #[error("keycloak.realm: \"master\" holds Keycloak's own administrators and is never purged")]
    MasterRealm,
    #[error(
        "keycloak.provider_id: {provider:?} is no user storage component of realm {realm:?}; the realm has {found}"
    )]
    NoProvider { provider: String, realm: String, found: Names },
    #[error("keycloak.former_providers: {0:?} is a component of another realm")]
    ForeignProvider(String),
    #[error("keycloak.former_providers: {0:?} cannot be a component's id")]
    InvalidProvider(String),
    #[error("keycloak.schema: table {table} has no column {column}: this Keycloak is newer than this worker knows")]
    NoColumn { table: &'static str, column: &'static str },
}

/// Names in a message; says so when there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl std::fmt::Display for Names {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        formatter.write_str(&self.0.join(", "))
    }
}

impl SchemaError {
    fn reason(&self) -> &'static str {
        match self {
            Self::ServerTooOld(_) => "server_too_old",
            Self::Standby => "standby",
            Self::NotKeycloak { .. } => "not_keycloak",
            Self::Migrating => "migrating",
            Self::NoRealm { .. } => "no_realm",
            Self::MasterRealm => "master_realm",
            Self::NoProvider { .. } => "no_provider",
            Self::ForeignProvider(_) | Self::InvalidProvider(_) => "former_providers",
            Self::NoColumn { .. } => "no_column",
        }
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        Self::new(Disposition::Hold, error.reason()).because(error)
    }
}

/// The schema as it is.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// What `realm_id` columns hold: need not be the realm's name.
    pub realm_id: String,
    /// The tables of the map that exist, in its order.
    pub tables: Vec<&'static Table>,
}

impl Schema {
    /// Runs every check and sets the connection's search path to the one schema.
    pub(super) async fn check(client: &Client, settings: &KeycloakSettings) -> Result<Self, Failure> {
        check_server(client).await?;
        let tables = find_tables(client, &settings.schema).await?;
        // Statements name tables without their schema, so that they can be read.
        rows(client, "SELECT set_config('search_path', quote_ident($1::text), false)", &[&settings.schema]).await?;
        check_migration(client).await?;
        let realm_id = find_realm(client, &settings.realm).await?;
        check_provider(client, settings, &realm_id).await?;
        check_former_providers(client, settings, &realm_id).await?;
        Ok(Self { realm_id, tables })
    }
}

async fn rows(client: &Client, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    client.query(sql, params).await.map_err(of_postgres)
}

/// The first column of every row.
async fn texts(client: &Client, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<String>, Failure> {
    rows(client, sql, params).await?.iter().map(|row| row.try_get(0).map_err(of_postgres)).collect()
}

async fn check_server(client: &Client) -> Result<(), Failure> {
    const SQL: &str =
        "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), pg_is_in_recovery()";
    for row in rows(client, SQL, &[]).await? {
        if row.get::<_, i32>(0) < OLDEST_SERVER {
            return Err(SchemaError::ServerTooOld(row.get(1)).into());
        }
        if row.get(2) {
            return Err(SchemaError::Standby.into());
        }
    }
    Ok(())
}

/// Reads `pg_catalog`: `information_schema` would hide what our role may not touch.
async fn find_tables(client: &Client, schema: &str) -> Result<Vec<&'static Table>, Failure> {
    const COLUMNS: &str = "\
        SELECT c.relname::text, a.attname::text \
        FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
        WHERE n.nspname::text = $1::text AND c.relkind IN ('r', 'p')";
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(client, COLUMNS, &[&schema]).await? {
        columns.entry(row.get(0)).or_default().insert(row.get(1));
    }
    if LANDMARKS.iter().any(|table| !columns.contains_key(*table)) {
        let found = Names(schemas_of_keycloak(client).await?);
        return Err(SchemaError::NotKeycloak { schema: schema.to_owned(), found }.into());
    }
    existing(&columns).map_err(Failure::from)
}

fn existing(columns: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<&'static Table>, SchemaError> {
    let mut found = Vec::new();
    for table in &TABLES {
        let Some(have) = columns.get(table.name) else { continue };
        if let Key::Parent { table: parent, .. } = table.key
            && !columns.contains_key(parent)
        {
            continue;
        }
        if let Some(column) = table.columns().into_iter().find(|column| !have.contains(*column)) {
            return Err(SchemaError::NoColumn { table: table.name, column });
        }
        found.push(table);
    }
    Ok(found)
}

async fn schemas_of_keycloak(client: &Client) -> Result<Vec<String>, Failure> {
    const SQL: &str = "\
        SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relname IN ('user_entity', 'federated_user') AND c.relkind IN ('r', 'p') \
        GROUP BY 1 HAVING count(*) = 2 ORDER BY 1";
    texts(client, SQL, &[]).await
}

async fn check_migration(client: &Client) -> Result<(), Failure> {
    if rows(client, "SELECT 1 FROM databasechangeloglock WHERE locked", &[]).await?.is_empty() {
        return Ok(());
    }
    Err(SchemaError::Migrating.into())
}

async fn find_realm(client: &Client, name: &str) -> Result<String, Failure> {
    if name == "master" {
        return Err(SchemaError::MasterRealm.into());
    }
    let mut found = texts(client, "SELECT id FROM realm WHERE name = $1::text", &[&name]).await?;
    if let Some(id) = found.pop() {
        return Ok(id);
    }
    let found = Names(texts(client, "SELECT name FROM realm WHERE name IS NOT NULL ORDER BY 1", &[]).await?);
    Err(SchemaError::NoRealm { realm: name.to_owned(), found }.into())
}

async fn check_provider(client: &Client, settings: &KeycloakSettings, realm_id: &str) -> Result<(), Failure> {
    const SQL: &str = "\
        SELECT id, coalesce(provider_id, '') FROM component \
        WHERE realm_id = $1::text AND provider_type = $2::text ORDER BY id";
    let components = rows(client, SQL, &[&realm_id, &STORAGE_PROVIDER]).await?;
    if components.iter().any(|row| row.get::<_, &str>(0) == settings.provider_id) {
        return Ok(());
    }
    let found = components.iter().map(|row| format!("{:?} ({})", row.get::<_, &str>(0), row.get::<_, &str>(1)));
    Err(SchemaError::NoProvider {
        provider: settings.provider_id.clone(),
        realm: settings.realm.clone(),
        found: Names(found.collect()),
    }
    .into())
}

/// A former provider may be gone, but it may not be another realm's: not every table has a realm to compare.
async fn check_former_providers(client: &Client, settings: &KeycloakSettings, realm_id: &str) -> Result<(), Failure> {
    const SQL: &str = "\
        SELECT c.id FROM component c JOIN unnest($1::text[]) AS t(id) ON c.id = t.id WHERE c.realm_id <> $2::text";
    // Keycloak reads a federated id up to its second colon.
    if let Some(invalid) = settings.former_providers.iter().find(|id| id.trim().is_empty() || id.contains(':')) {
        return Err(SchemaError::InvalidProvider(invalid.clone()).into());
    }
    match texts(client, SQL, &[&settings.former_providers, &realm_id]).await?.pop() {
        Some(foreign) => Err(SchemaError::ForeignProvider(foreign).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(tables: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        tables.iter().map(|(table, names)| ((*table).to_owned(), owned(names))).collect()
    }

    #[test]
    fn only_tables_that_exist_are_worked_on_in_the_maps_order() {
        let live = columns(&[
            ("user_entity", &["id", "realm_id"]),
            ("credential", &["id", "user_id"]),
            // Without its parent nothing tells whose a row is.
            ("offline_client_session", &["user_session_id"]),
        ]);
        let names: Vec<_> = existing(&live).unwrap().iter().map(|table| table.name).collect();
        assert_eq!(names, ["credential", "user_entity"]);
    }

    #[test]
    fn a_known_table_of_another_shape_is_not_guessed_at() {
        let live = columns(&[("workflow_state", &["execution_id", "subject"])]);
        let error = existing(&live).unwrap_err();
        assert_eq!(error, SchemaError::NoColumn { table: "workflow_state", column: "resource_id" });
        assert_eq!(Failure::from(error).disposition, Disposition::Hold);
    }
}
