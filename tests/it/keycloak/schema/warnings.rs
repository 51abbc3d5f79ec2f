//! What works, but not as it should, is told and stops nothing.

use user_purge_sync::adapters::keycloak::TableMap;

use super::{looked_at, try_purge, warnings};
use crate::keycloak::copy::Copy;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, settings, store_with};

fn tells(map: &TableMap, words: &str) -> bool {
    warnings(map).iter().any(|warning| warning.contains(words))
}

#[tokio::test]
async fn a_keycloak_that_nobody_has_touched_is_warned_of_in_nothing() {
    let map = looked_at(&Copy::make().await.settings()).await;
    assert_eq!((warnings(&map), map.refusals.len()), (vec![], 0));
    assert!(map.rows.iter().filter(|row| row.place.is_some()).all(|row| row.rights == "ok"));
    assert_eq!(map.realm_id.as_deref(), Some(REALM));
}

#[tokio::test]
async fn the_shared_schema_refuses_nothing() {
    let map = looked_at(&settings()).await;
    assert_eq!(map.refusals, []);
}

#[tokio::test]
async fn what_is_slow_or_copies_people_elsewhere_is_told_with_what_mends_it() {
    let copy = Copy::make().await;
    copy.change(
        "DROP INDEX user_attribute_user_id_idx;
         CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER audit AFTER DELETE ON credential FOR EACH ROW EXECUTE PROCEDURE keep();
         CREATE TABLE badge (holder varchar(36) REFERENCES user_entity ON DELETE SET NULL, at text);
         ALTER TABLE credential ADD created_by varchar(36);
         UPDATE pg_class SET reltuples = 1e6 WHERE relname = 'broker_link' AND relnamespace = current_schema()::regnamespace;
         DROP INDEX IF EXISTS broker_link_user_id_idx",
    )
    .await;
    let map = looked_at(&copy.settings()).await;
    for told in [
        "CREATE INDEX CONCURRENTLY idx_purge_user_attribute_user_id ON user_attribute (user_id);",
        "CREATE INDEX CONCURRENTLY idx_purge_badge_holder ON badge (holder);",
        "CREATE INDEX CONCURRENTLY idx_purge_broker_link_user_id ON broker_link (user_id);",
        "credential has a trigger of its own, audit",
        "badge.holder points to user_entity and lets go",
        "credential.created_by may name another user",
    ] {
        assert!(tells(&map, told), "{told}: {:?}", warnings(&map));
    }
    assert_eq!(map.warnings.len(), 6, "{:?}", warnings(&map));
    try_purge(&copy.store()).await.unwrap();
}

#[tokio::test]
async fn users_of_a_component_that_is_gone_are_told_by_their_number() {
    let (copy, person) = (Copy::make().await, Person::new());
    person.add_federated(&copy.database, &person.federated(), REALM).await;
    person.add_federated(&copy.database, &format!("f:gone:{}", person.id), REALM).await;
    let mut settings = copy.settings();
    let map = looked_at(&settings).await;
    assert!(tells(&map, "1 users of component \"gone\""), "{:?}", warnings(&map));
    assert!(tells(&map, "keycloak.former_providers = [\"gone\"]") && !tells(&map, &person.id));
    try_purge(&store_with(&settings)).await.unwrap();

    settings.former_providers = vec!["gone".to_owned()];
    assert_eq!(warnings(&looked_at(&settings).await), Vec::<String>::new());
}

#[tokio::test]
async fn rows_in_tables_that_keycloak_no_longer_uses_are_told_with_what_removes_them() {
    let copy = Copy::make().await;
    copy.change("CREATE TABLE IF NOT EXISTS user_session (id varchar(36), remember_me boolean)").await;
    assert_eq!(warnings(&looked_at(&copy.settings()).await), Vec::<String>::new());
    copy.change("INSERT INTO user_session (id, remember_me) VALUES ('old', false)").await;
    let map = looked_at(&copy.settings()).await;
    assert!(tells(&map, "TRUNCATE user_session;") && map.refusals.is_empty(), "{:?}", warnings(&map));
    try_purge(&copy.store()).await.unwrap();
}
