//! A configuration that means another database than it says is held, with the key to change; an outage is an outage.

use user_purge_sync::adapters::keycloak::AdminApi;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Blame, Disposition, IdentityStore, UserCache};
use user_purge_sync::settings::KeycloakSettings;

use crate::keycloak::stack::{OTHER_PROVIDER, database, order, settings, store_with};

const OUTAGE: Disposition = Disposition::Retry(Blame::Server);

/// Both the probe and a purge say so.
async fn fails(change: impl Fn(&mut KeycloakSettings), disposition: Disposition, text: &str) {
    let mut settings = settings();
    change(&mut settings);
    let store = store_with(&settings);
    let purged = store.purge(&[order("nobody", PurgeKind::Full)]).await.map(|_| ());
    for failure in [store.probe().await.unwrap_err(), purged.unwrap_err()] {
        assert_eq!(failure.disposition, disposition, "{failure}");
        let source = failure.source.map(|source| source.to_string()).unwrap_or_default();
        assert!(source.contains(text), "{source}");
    }
}

#[tokio::test]
async fn the_right_configuration_passes() {
    let store = store_with(&settings());
    store.probe().await.unwrap();
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_wrong_realm_is_held_and_the_others_are_named() {
    fails(|settings| settings.realm = "sunbird2".to_owned(), Disposition::Hold, "keycloak.realm: there is no realm")
        .await;
    fails(|settings| settings.realm = "sunbird2".to_owned(), Disposition::Hold, "master, other, sunbird").await;
    fails(|settings| settings.realm = "master".to_owned(), Disposition::Hold, "keycloak.realm: \"master\"").await;
}

#[tokio::test]
async fn a_wrong_provider_is_held_and_the_right_one_is_named() {
    for wrong in ["", "cassandra-storage-provider", OTHER_PROVIDER] {
        let change = |settings: &mut KeycloakSettings| settings.provider_id = wrong.to_owned();
        fails(change, Disposition::Hold, "keycloak.provider_id: ").await;
        fails(change, Disposition::Hold, "the realm has \"cassandrafederationid\" (cassandra-storage-provider)").await;
    }
}

#[tokio::test]
async fn a_former_provider_of_another_realm_is_held() {
    for wrong in [OTHER_PROVIDER, "a:b", ""] {
        let change = |settings: &mut KeycloakSettings| settings.former_providers = vec![wrong.to_owned()];
        fails(change, Disposition::Hold, "keycloak.former_providers: ").await;
    }
}

#[tokio::test]
async fn a_wrong_password_or_database_is_held() {
    fails(|settings| settings.password = "wrong".into(), Disposition::Hold, "keycloak.username, keycloak.password")
        .await;
    fails(|settings| settings.username = "nobody".to_owned(), Disposition::Hold, "keycloak.username").await;
    fails(|settings| settings.database = "keycloak2".to_owned(), Disposition::Hold, "keycloak.database").await;
}

#[tokio::test]
async fn a_wrong_schema_is_held_and_the_right_one_is_named() {
    for wrong in ["keycloak", "pg_catalog", "Public"] {
        let change = |settings: &mut KeycloakSettings| settings.schema = wrong.to_owned();
        fails(change, Disposition::Hold, "keycloak.schema: ").await;
        fails(change, Disposition::Hold, "schemas of this database that do: ").await;
        fails(change, Disposition::Hold, "public").await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_outage() {
    fails(|settings| settings.port = 1, OUTAGE, "keycloak.host, keycloak.port").await;
    fails(|settings| settings.host = "no-such-host.invalid".to_owned(), OUTAGE, "keycloak.host, keycloak.port").await;
}

#[tokio::test]
async fn a_missing_right_is_held_and_its_table_is_named() {
    let (database, role) = (database().await, format!("without_rights_{}", std::process::id()));
    database.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'purge-local'")).await.unwrap();
    let change = |settings: &mut KeycloakSettings| settings.username.clone_from(&role);
    fails(
        change,
        Disposition::Hold,
        "keycloak.username lacks rights that deploy/keycloak-role.sql grants: GRANT SELECT",
    )
    .await;
    database.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_held_when_tls_is_asked_for() {
    fails(|settings| settings.tls.enabled = true, Disposition::Hold, "keycloak.tls").await;
}

#[tokio::test]
async fn an_admin_api_that_refuses_is_held_and_one_that_is_gone_is_an_outage() {
    type Case = (fn(&mut KeycloakSettings), Disposition, &'static str);
    let cases: [Case; 4] = [
        (|settings| settings.admin_api.client_secret = "wrong".into(), Disposition::Hold, "client_secret"),
        (|settings| settings.admin_api.client_id = "portal".to_owned(), Disposition::Hold, "client_id"),
        (|settings| settings.realm = "nowhere".to_owned(), Disposition::Hold, "keycloak.realm"),
        (|settings| settings.admin_api.url = "http://127.0.0.1:1/auth".to_owned(), OUTAGE, "keycloak.admin_api.url"),
    ];
    for (change, disposition, text) in cases {
        let mut settings = settings();
        change(&mut settings);
        let api = AdminApi::try_new(&settings).unwrap();
        for failure in [api.probe().await.unwrap_err(), api.clear().await.unwrap_err()] {
            assert_eq!(failure.disposition, disposition, "{text}");
            assert!(failure.source.unwrap().to_string().contains(text), "{text}");
        }
    }
}
