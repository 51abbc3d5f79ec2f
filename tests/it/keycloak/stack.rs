//! Where the local stack is, and stores on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local_stack::Stack;
use tokio_postgres::{Client, NoTls};
use user_purge_sync::adapters::keycloak::{AdminApi, PgIdentityStore};
use user_purge_sync::domain::ids::UserId;
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Failure, IdentityStore, PurgeOrder, Purged};
use user_purge_sync::settings::{
    AdminApiSettings, KeycloakSettings, PurgeMode, PurgeSettings, TlsSettings, TrailSettings, Verify,
};

pub const REALM: &str = "sunbird-realm-id";
pub const PROVIDER: &str = "cassandrafederationid";
pub const OTHER_REALM: &str = "other-realm-id";
pub const OTHER_PROVIDER: &str = "otherfederationid";

/// As the worker is configured: its own role, with the rights of `deploy/keycloak-role.sql`.
pub fn settings() -> KeycloakSettings {
    let Stack { postgres, keycloak, .. } = Stack::shared_database();
    KeycloakSettings {
        host: postgres.host.clone(),
        port: postgres.port,
        database: postgres.database.clone(),
        username: postgres.user.clone(),
        password: postgres.password.clone().into(),
        password_file: None,
        schema: "public".to_owned(),
        realm: keycloak.realm.clone(),
        provider_id: PROVIDER.to_owned(),
        former_providers: Vec::new(),
        deny_list: Vec::new(),
        statement_timeout: Duration::from_secs(20),
        lock_timeout: Duration::from_secs(2),
        allow_version: None,
        tables: BTreeMap::new(),
        tls: TlsSettings { enabled: false, ca_file: None },
        trail: TrailSettings::OFF,
        admin_api: AdminApiSettings {
            enabled: true,
            url: keycloak.url.clone(),
            client_id: keycloak.client_id.clone(),
            client_secret: keycloak.client_secret.clone().into(),
            client_secret_file: None,
            timeout: Duration::from_secs(20),
            concurrency: 4,
            ca_file: None,
        },
    }
}

pub fn purge_settings(mode: PurgeMode) -> PurgeSettings {
    PurgeSettings {
        mode: Some(mode),
        block_size: 500,
        concurrency: 2,
        linger: Duration::from_millis(5),
        verify: Verify::Count,
        canary_every: Duration::from_mins(10),
        max_rows_per_user: 10_000,
        max_users_per_hour: 0,
    }
}

/// Deletes, without the Admin API.
pub fn store() -> PgIdentityStore {
    store_with(&settings())
}

pub fn store_with(settings: &KeycloakSettings) -> PgIdentityStore {
    store_in(settings, PurgeMode::Delete)
}

pub fn store_in(settings: &KeycloakSettings, mode: PurgeMode) -> PgIdentityStore {
    PgIdentityStore::new(settings, &purge_settings(mode), None)
}

pub fn dry_store() -> PgIdentityStore {
    PgIdentityStore::new(&settings(), &purge_settings(PurgeMode::DryRun), None)
}

pub fn admin_api() -> Arc<AdminApi> {
    Arc::new(AdminApi::try_new(&settings()).unwrap())
}

/// The superuser: makes users and looks at what is left.
pub async fn database() -> Client {
    let postgres = &Stack::shared_database().postgres;
    let mut config = tokio_postgres::Config::new();
    config.host(&postgres.host).port(postgres.port).dbname(&postgres.database).user(&postgres.admin_user);
    let (client, connection) = config.connect(NoTls).await.expect("the local stack is up");
    tokio::spawn(connection);
    client
}

pub fn order(user: &str, kind: PurgeKind) -> PurgeOrder {
    PurgeOrder { user: UserId::parse(user).unwrap(), kind }
}

/// Purges one user.
pub async fn purge(store: &PgIdentityStore, user: &str, kind: PurgeKind) -> Purged {
    purge_all(store, &[order(user, kind)]).await.remove(0)
}

/// Purges a block; nothing may fail.
pub async fn purge_all(store: &PgIdentityStore, orders: &[PurgeOrder]) -> Vec<Purged> {
    let results = store.purge(orders).await.map_err(told).unwrap();
    assert_eq!(results.len(), orders.len());
    results.into_iter().map(|result| result.map_err(told).unwrap()).collect()
}

/// A failure with its source, which is where the readable text is.
pub fn told(failure: Failure) -> String {
    let source = failure.source.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{:?} {failure}: {source}", failure.disposition)
}

pub fn rows(purged: Purged) -> RowCounts {
    match purged {
        Purged::Clean { rows, residue: 0 } => rows,
        other => panic!("not clean: {other:?}"),
    }
}

/// How many rows of each table hold a text anywhere, and a checksum of them.
pub type Snapshot = BTreeMap<String, (u64, String)>;

/// Looks through every column of every table of the connection's schema.
pub async fn rows_holding(database: &Client, text: &str) -> Snapshot {
    rows_holding_any(database, &[text.to_owned()]).await
}

pub async fn rows_holding_any(database: &Client, texts: &[String]) -> Snapshot {
    let any: Vec<_> = texts.iter().map(|text| format!("strpos(x::text, {}) > 0", literal(text))).collect();
    rows_where(database, &any.join(" OR ")).await
}

/// All rows that hold none of these.
pub async fn rows_without(database: &Client, texts: &[&str]) -> Snapshot {
    let none: Vec<_> = texts.iter().map(|text| format!("strpos(x::text, {}) = 0", literal(text))).collect();
    rows_where(database, &none.join(" AND ")).await
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn rows_where(database: &Client, condition: &str) -> Snapshot {
    const TABLES: &str = "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let one = |table: &str| {
        format!(
            "SELECT '{table}', count(*), coalesce(md5(string_agg(x::text, '|' ORDER BY x::text)), '') \
             FROM {table} x WHERE {condition}"
        )
    };
    let tables = database.query(TABLES, &[]).await.unwrap();
    let search: Vec<_> = tables.iter().map(|row| one(row.get(0))).collect();
    let found = database.query(&search.join(" UNION ALL "), &[]).await.unwrap();
    let counted = found.iter().map(|row| (row.get(0), (row.get::<_, i64>(1).unsigned_abs(), row.get(2))));
    counted.filter(|(_, (count, _))| *count > 0).collect()
}

pub fn counts(snapshot: &Snapshot) -> BTreeMap<&str, u64> {
    snapshot.iter().map(|(table, (count, _))| (table.as_str(), *count)).collect()
}
