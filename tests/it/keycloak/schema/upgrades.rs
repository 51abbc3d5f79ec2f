//! A schema that changes under a running worker is checked again before anything else is purged.

use std::time::Duration;

use user_purge_sync::ports::{Blame, Disposition, IdentityStore};

use super::{held, try_purge};
use crate::keycloak::copy::Copy;

const NEW_TABLE: &str = "CREATE TABLE tenant (user_id varchar(36) REFERENCES user_entity)";

#[tokio::test]
async fn an_upgrade_of_keycloak_is_noticed_before_the_next_block() {
    let copy = Copy::make().await;
    let store = copy.store();
    try_purge(&store).await.unwrap();
    copy.change(NEW_TABLE).await;
    copy.change("INSERT INTO migration_model (id, version, update_time) VALUES ('new', '26.9.0', 2000000000)").await;

    let noticed = try_purge(&store).await.unwrap_err();
    assert_eq!(noticed.disposition, Disposition::Retry(Blame::Server));
    assert_eq!(noticed.reason.to_string(), "keycloak_upgraded");
    assert!(held(&store).await.contains("table tenant is not known"));
    copy.change("DROP TABLE tenant").await;
    try_purge(&store).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_begins_is_noticed_before_the_next_block() {
    let copy = Copy::make().await;
    let store = copy.store();
    try_purge(&store).await.unwrap();
    copy.change("UPDATE databasechangeloglock SET locked = true").await;
    assert_eq!(try_purge(&store).await.unwrap_err().reason.to_string(), "keycloak_upgraded");
    assert!(held(&store).await.contains("a migration holds Keycloak's lock"));
    copy.change("UPDATE databasechangeloglock SET locked = false").await;
    try_purge(&store).await.unwrap();
}

#[tokio::test]
async fn a_check_is_believed_for_an_hour() {
    let copy = Copy::make().await;
    let store = copy.store();
    store.probe().await.unwrap();
    copy.change(NEW_TABLE).await;
    for (minutes, is_believed) in [(59, true), (2, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(minutes)).await;
        tokio::time::resume();
        assert_eq!(store.probe().await.is_ok(), is_believed, "{minutes}");
    }
}
