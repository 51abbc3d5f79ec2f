//! Is the realm there that the configuration means, and are its user storage components the ones that it names?

use std::time::Duration;

use tokio_postgres::Client;

use super::super::failure::of_postgres;
use super::warning::SchemaWarning;
use super::{Names, SchemaError, rows, texts};
use crate::ports::Failure;
use crate::settings::KeycloakSettings;

const STORAGE_PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";
/// What is only worth a warning must not keep a purge waiting.
const GHOST_PATIENCE: Duration = Duration::from_secs(5);

/// Users by the component in their id: the part up to the next colon, as Keycloak reads it.
const GHOSTS: &str = "\
SELECT split_part(f.id, ':', 2), count(*) FROM federated_user f
WHERE f.realm_id = $1::text AND f.id LIKE 'f:%:%' AND split_part(f.id, ':', 2) <> ALL ($2::text[])
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20";

/// Either somebody must mend the configuration, or the database cannot be asked.
pub(super) enum Trouble {
    Refused(SchemaError),
    Failed(Failure),
}

impl From<SchemaError> for Trouble {
    fn from(error: SchemaError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub(super) async fn find_realm(client: &Client, name: &str) -> Result<String, Trouble> {
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

pub(super) async fn check_provider(
    client: &Client,
    settings: &KeycloakSettings,
    realm_id: &str,
) -> Result<(), Trouble> {
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
pub(super) async fn check_former_providers(
    client: &Client,
    settings: &KeycloakSettings,
    realm_id: &str,
) -> Result<(), Trouble> {
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

/// Rows of users whose component is gone: nobody's purge would find them. Counts only, and as long as that is quick.
pub(in super::super) async fn ghosts(
    client: &Client,
    settings: &KeycloakSettings,
    realm_id: &str,
) -> Result<Vec<SchemaWarning>, Failure> {
    let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {}", GHOST_PATIENCE.as_millis());
    client.batch_execute(&begin).await.map_err(of_postgres)?;
    let known = texts(client, "SELECT id FROM component WHERE realm_id = $1::text", &[&realm_id]).await?;
    let known: Vec<_> = known.iter().chain(&settings.former_providers).collect();
    let found = client.query(GHOSTS, &[&realm_id, &known]).await;
    client.batch_execute("ROLLBACK").await.map_err(of_postgres)?;
    let Ok(found) = found else { return Ok(vec![SchemaWarning::GhostsUnknown(GHOST_PATIENCE.as_secs())]) };
    Ok(found.iter().map(|row| SchemaWarning::Ghost { provider: row.get(0), users: row.get(1) }).collect())
}
