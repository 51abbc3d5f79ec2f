//! The worker's role: exactly what the purge needs.

use local_stack::Stack;
use user_purge_sync::adapters::keycloak::TableMap;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::settings::KeycloakSettings;

use super::{looked_at, warnings};
use crate::keycloak::copy::Copy;
use crate::keycloak::later::copy_of_all_versions;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{purge, rows, rows_holding, store_with};
use crate::keycloak::trail::{ALL, be_administered, live_a_life};

/// A role of the test's own, without any right.
async fn newcomer(copy: &Copy, name: &str) -> KeycloakSettings {
    let name = format!("{name}_{}", std::process::id());
    copy.change(&format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'purge-local'")).await;
    KeycloakSettings { username: name, password: "purge-local".into(), ..copy.settings() }
}

async fn leaves(copy: &Copy, newcomer: &KeycloakSettings) {
    copy.change(&format!("DROP OWNED BY {0}; DROP ROLE {0}", newcomer.username)).await;
}

fn of_rights(map: &TableMap) -> Vec<String> {
    warnings(map).into_iter().filter(|warning| warning.starts_with("keycloak.username")).collect()
}

#[tokio::test]
async fn what_is_told_to_be_missing_is_what_a_purge_needs() {
    let (copy, person, other) = (copy_of_all_versions().await, Person::new(), Person::new());
    let newcomer = KeycloakSettings { trail: ALL, ..newcomer(&copy, "newcomer").await };
    person.move_in(&copy.database).await;
    live_a_life(&person, &copy.database, &person.id, &other).await;
    be_administered(&person, &copy.database, &person.id).await;
    // First what the checks themselves need: without it nothing more can be said of the realm.
    let map = looked_at(&newcomer).await;
    assert_eq!((map.refusals.len(), map.realm_id.as_ref()), (1, None));
    for told in of_rights(&map) {
        copy.change(told.split_once("deploy/keycloak-role.sql grants: ").unwrap().1).await;
    }

    assert_eq!(of_rights(&looked_at(&newcomer).await), Vec::<String>::new());
    rows(purge(&store_with(&newcomer), &person.id, PurgeKind::Full).await);
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
    leaves(&copy, &newcomer).await;
}

#[tokio::test]
async fn what_no_purge_needs_is_told() {
    let copy = Copy::make().await;
    let newcomer = newcomer(&copy, "overdone").await;
    let role = &newcomer.username;
    copy.change(&format!(
        "GRANT {} TO {role};
         GRANT SELECT (secret_data), INSERT, UPDATE (priority), TRUNCATE ON credential TO {role};
         GRANT DELETE ON realm TO {role}; ALTER TABLE web_origins OWNER TO {role}; ALTER ROLE {role} CREATEDB",
        Stack::shared_database().postgres.user
    ))
    .await;
    let map = looked_at(&newcomer).await;
    let told: Vec<_> = map.warnings.iter().map(ToString::to_string).collect();
    for right in [
        "may create databases",
        "owns 1 tables, web_origins among them",
        "INSERT on credential",
        "TRUNCATE on credential",
        "UPDATE (priority) on credential",
        "SELECT (secret_data) on credential",
        "DELETE on realm",
    ] {
        let warning = format!("keycloak.username has a right that it should not have: {right}");
        assert!(told.contains(&warning), "{right}: {told:?}");
    }
    assert_eq!(told.len(), 7, "{told:?}");
    leaves(&copy, &newcomer).await;
}

#[tokio::test]
async fn a_superuser_is_told_in_a_word() {
    let copy = Copy::make().await;
    let settings =
        KeycloakSettings { username: Stack::shared_database().postgres.admin_user.clone(), ..copy.settings() };
    let told = warnings(&looked_at(&settings).await);
    assert!(told.contains(&"keycloak.username has a right that it should not have: is a superuser".to_owned()));
    assert!(!told.iter().any(|warning| warning.contains(" owns ") || warning.contains(" on ")), "{told:?}");
}
