//! Which Keycloak made the schema: what `migration_model` says, and whether that is one this worker knows.

use tokio_postgres::Client;

use super::super::failure::of_postgres;
use super::catalog::Catalog;
use super::{SchemaError, texts};
use crate::ports::Failure;

/// The majors that were looked at.
const KNOWN: std::ops::RangeInclusive<u32> = 7..=26;

/// One text that changes when a migration begins, ends or has been: compared in every transaction.
pub(in super::super) const STAMP: &str = "\
SELECT coalesce(string_agg(version, ',' ORDER BY version), '') \
    || (SELECT count(*) FROM databasechangeloglock WHERE locked) FROM migration_model";

/// The version of the last migration; Keycloak 7 has one row without a time.
pub(in super::super) async fn find_version(client: &Client, catalog: &Catalog) -> Result<String, Failure> {
    let newest = catalog.column("migration_model", "update_time").map_or("", |_| "ORDER BY update_time DESC");
    let sql = format!("SELECT version FROM migration_model WHERE version IS NOT NULL {newest} LIMIT 1");
    Ok(texts(client, &sql, &[]).await?.pop().unwrap_or_default())
}

pub(in super::super) async fn read_stamp(client: &Client) -> Result<String, Failure> {
    let row = client.query_one(STAMP, &[]).await.map_err(of_postgres)?;
    Ok(row.get(0))
}

/// A Keycloak that nobody has looked at is held, unless somebody says that it was.
pub(in super::super) fn check_version(version: &str, allowed: Option<&str>) -> Result<(), SchemaError> {
    let major = major_of(version);
    let is_known = major.is_some_and(|major| KNOWN.contains(&major));
    if is_known || (major.is_some() && major == allowed.and_then(major_of)) {
        return Ok(());
    }
    Err(SchemaError::UnknownVersion {
        version: version.to_owned(),
        newest: *KNOWN.end(),
        major: version.split('.').next().unwrap_or_default().to_owned(),
    })
}

fn major_of(version: &str) -> Option<u32> {
    version.trim().split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keycloak_that_nobody_has_looked_at_is_held() {
        for version in ["7.0.1", "9.0.3", "18.0.6.redhat-00001", "26", "26.8.0"] {
            assert_eq!(check_version(version, None), Ok(()), "{version}");
        }
        for version in ["27.0.0", "999.0.0-SNAPSHOT", "6.0.1", "", "newest"] {
            let error = check_version(version, None).unwrap_err().to_string();
            assert!(error.starts_with("keycloak.allow_version: "), "{error}");
        }
    }

    #[test]
    fn one_major_can_be_allowed() {
        assert_eq!(check_version("27.0.0", Some("27")), Ok(()));
        assert_eq!(check_version("27.1.0", Some("27.0.2")), Ok(()));
        assert!(check_version("28.0.0", Some("27")).is_err());
        assert!(check_version("newest", Some("newest")).is_err());
    }
}
