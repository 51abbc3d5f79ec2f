//! `deploy/keycloak-role.sql`: by default what every purge needs, and for each option what it needs besides.

use user_purge_sync::adapters::keycloak::table_map;
use user_purge_sync::settings::{EventPolicy, PurgeMode, TrailSettings};

use crate::keycloak::copy::Copy;
use crate::keycloak::later::{copy_of_all_versions, switch};
use crate::keycloak::stack::{purge_settings, settings, told};
use crate::keycloak::trail::settings_of;

/// What the start-up checks say of the role's rights.
async fn complaints(copy: &Copy, trail: TrailSettings) -> Vec<String> {
    let purge = purge_settings(PurgeMode::Delete);
    let map = table_map(&settings_of(copy, trail), &purge).await.map_err(told).unwrap();
    assert_eq!(map.refusals, []);
    map.warnings.iter().map(ToString::to_string).filter(|warning| warning.contains(" right")).collect()
}

#[tokio::test]
async fn each_option_has_a_switch_that_gives_exactly_its_rights() {
    let (copy, off) = (copy_of_all_versions().await, TrailSettings::OFF);
    for (option, trail) in [
        ("", off),
        ("events", TrailSettings { events: EventPolicy::Delete, ..off }),
        ("events", TrailSettings { events: EventPolicy::Anonymise, ..off }),
        ("admin_events", TrailSettings { admin_events: EventPolicy::Delete, ..off }),
        ("admin_events", TrailSettings { admin_events: EventPolicy::Anonymise, ..off }),
        ("policies", TrailSettings { policies: true, ..off }),
        ("invitations", TrailSettings { invitations: true, ..off }),
    ] {
        switch(&copy, option).await;
        assert_eq!(complaints(&copy, trail).await, Vec::<String>::new(), "{option}");
        if trail != off {
            let too_much = complaints(&copy, off).await;
            assert!(too_much.iter().all(|told| told.contains("should not have")) && !too_much.is_empty(), "{option}");
            switch(&copy, "").await;
            let missing = complaints(&copy, trail).await;
            assert!(missing.iter().all(|told| told.contains("lacks")) && !missing.is_empty(), "{option}");
        }
    }
}

const READABLE: &str = "\
    SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
    WHERE c.relnamespace = current_schema()::regnamespace AND has_column_privilege($1, c.oid, a.attnum, 'SELECT') \
      AND (c.relname, a.attname) IN (('credential', 'secret_data'), ('fed_user_credential', 'secret_data'), \
        ('user_attribute', 'value'), ('fed_user_attribute', 'value'), ('user_entity', 'email'), \
        ('user_entity', 'last_name'), ('offline_client_session', 'data'), ('client', 'secret'))";

#[tokio::test]
async fn password_hashes_and_values_are_unreadable_but_for_the_canary() {
    let copy = copy_of_all_versions().await;
    let role = settings().username;
    let readable = async |options: &str| {
        switch(&copy, options).await;
        copy.database.query(READABLE, &[&role]).await.unwrap().len()
    };
    assert_eq!(readable("").await, 0);
    assert_eq!(readable("events,admin_events,policies").await, 0);
    assert_eq!(readable("canary").await, 8);
}
