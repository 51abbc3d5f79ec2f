//! A schema that is not as it should be is held, with the key to change.

use super::{delete_by, held, try_purge};
use crate::keycloak::copy::Copy;
use crate::keycloak::stack::store_with;

#[tokio::test]
async fn each_state_that_forbids_a_purge_is_held_and_named() {
    let copy = Copy::make().await;
    for (change, back, told) in [
        (
            "UPDATE databasechangeloglock SET locked = true",
            "UPDATE databasechangeloglock SET locked = false",
            "keycloak.schema: a migration holds Keycloak's lock",
        ),
        (
            "ALTER TABLE credential ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE credential DISABLE ROW LEVEL SECURITY",
            "keycloak.username: row security hides rows of credential",
        ),
        (
            "UPDATE migration_model SET version = '27.0.0'",
            "UPDATE migration_model SET version = '26.8.0'",
            "keycloak.allow_version: the schema was made by Keycloak \"27.0.0\"",
        ),
        (
            "ALTER TABLE credential RENAME user_id TO subject",
            "ALTER TABLE credential RENAME subject TO user_id",
            "keycloak.schema: table credential has no column user_id",
        ),
    ] {
        copy.change(change).await;
        let error = held(&copy.store()).await;
        assert!(error.contains(told), "{error}");
        copy.change(back).await;
    }
    try_purge(&copy.store()).await.unwrap();
}

#[tokio::test]
async fn a_newer_keycloak_passes_once_somebody_has_looked_at_it() {
    let copy = Copy::make().await;
    copy.change("UPDATE migration_model SET version = '27.0.0'").await;
    let mut settings = copy.settings();
    settings.allow_version = Some("27".to_owned());
    try_purge(&store_with(&settings)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_decided_so_is_held() {
    let copy = Copy::make().await;
    copy.change("CREATE TABLE note (about varchar(255))").await;
    for (tables, told) in [
        (delete_by("note", "whom"), "keycloak.tables.note: has no column \"whom\"; it has about"),
        (delete_by("credential", "user_id"), "keycloak.tables.credential: is purged anyway"),
    ] {
        let mut settings = copy.settings();
        settings.tables = tables;
        let error = held(&store_with(&settings)).await;
        assert!(error.contains(told), "{error}");
    }
}
