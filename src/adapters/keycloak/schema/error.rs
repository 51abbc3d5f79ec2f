//! What a person must mend before anything is purged.

use super::unknown::Unknowns;
use crate::ports::{Disposition, Failure};

/// What was found that a person must mend. Each message starts with the key to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("keycloak.host: PostgreSQL {0} is too old: 11 is the oldest supported")]
    ServerTooOld(String),
    #[error("keycloak.host: the server is a standby and cannot delete: name the primary")]
    Standby,
    #[error("keycloak.schema: {schema:?} holds no Keycloak; schemas of this database that do: {found}")]
    NotKeycloak { schema: String, found: Names },
    #[error("keycloak.username lacks rights that deploy/keycloak-role.sql grants: {0}")]
    RightsMissing(Names),
    #[error(
        "keycloak.schema: a migration holds Keycloak's lock (databasechangeloglock): wait until Keycloak has started"
    )]
    Migrating,
    #[error(
        "keycloak.allow_version: the schema was made by Keycloak {version:?}; this worker knows 7 to {newest}. Once somebody \
         has looked at `check keycloak`: allow_version = \"{major}\""
    )]
    UnknownVersion { version: String, newest: u32, major: String },
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
    #[error("keycloak.username: row security hides rows of {0} from this role: ALTER ROLE … BYPASSRLS")]
    RowSecurity(Names),
    #[error("keycloak.tables: {0}")]
    UnknownTables(Unknowns),
    #[error("keycloak.tables.{table}: {why}")]
    Chosen { table: String, why: String },
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
            Self::RightsMissing(_) => "rights_missing",
            Self::Migrating => "migrating",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::NoRealm { .. } => "no_realm",
            Self::MasterRealm => "master_realm",
            Self::NoProvider { .. } => "no_provider",
            Self::ForeignProvider(_) | Self::InvalidProvider(_) => "former_providers",
            Self::NoColumn { .. } => "no_column",
            Self::RowSecurity(_) => "row_security",
            Self::UnknownTables(_) => "unknown_table",
            Self::Chosen { .. } => "keycloak_tables",
        }
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        Self::new(Disposition::Hold, error.reason()).because(error)
    }
}
