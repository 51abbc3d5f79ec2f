//! A purged user can do nothing any more in the running Keycloak.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Protection, Purged, UserCache};
use user_purge_sync::settings::PurgeMode;
use uuid::Uuid;

use crate::keycloak::person::Person;
use crate::keycloak::stack::{
    PROVIDER, REALM, admin_api, database, order, purge, purge_all, purge_settings, rows, rows_holding, settings,
};

const PASSWORD: &str = "correct horse battery staple";

/// A browser and an administrator at once.
struct Keycloak {
    http: Client,
    base: String,
    admin_token: String,
}

impl Keycloak {
    async fn visit() -> Self {
        let (http, base) = (Client::new(), settings().admin_api.url);
        let form =
            [("grant_type", "password"), ("client_id", "admin-cli"), ("username", "admin"), ("password", "admin")];
        let url = format!("{base}/realms/master/protocol/openid-connect/token");
        let token: Value = http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        Self { http, base, admin_token: token["access_token"].as_str().unwrap().to_owned() }
    }

    async fn admin(&self, method: Method, path: &str, body: Value) {
        let url = format!("{}/admin/realms/sunbird/{path}", self.base);
        let call = self.http.request(method, url).bearer_auth(&self.admin_token).json(&body);
        let answer = call.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Value, StatusCode> {
        let url = format!("{}/realms/sunbird/protocol/openid-connect/token", self.base);
        let answer = self.http.post(url).form(form).send().await.unwrap();
        if answer.status().is_success() { Ok(answer.json().await.unwrap()) } else { Err(answer.status()) }
    }

    async fn log_in(&self, name: &str, client: &str, scope: &str) -> Result<String, StatusCode> {
        let form = [
            ("grant_type", "password"),
            ("client_id", client),
            ("scope", scope),
            ("username", name),
            ("password", PASSWORD),
        ];
        let token = self.token(&form).await?;
        Ok(token["refresh_token"].as_str().unwrap().to_owned())
    }

    async fn refresh(&self, client: &str, token: &str) -> Result<(), StatusCode> {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.token(&form).await.map(drop)
    }

    async fn set_password(&self, id: &str) {
        let body = json!({"type": "password", "value": PASSWORD, "temporary": false});
        self.admin(Method::PUT, &format!("users/{id}/reset-password"), body).await;
    }
}

/// An online and an offline token of two clients.
struct Tokens(Vec<(&'static str, String)>);

impl Tokens {
    async fn of(keycloak: &Keycloak, name: &str) -> Self {
        let mut tokens = Vec::new();
        for client in ["portal", "mobile"] {
            for scope in ["openid", "openid offline_access"] {
                tokens.push((client, keycloak.log_in(name, client, scope).await.unwrap()));
            }
        }
        Self(tokens)
    }

    async fn refreshed(&self, keycloak: &Keycloak) -> usize {
        let mut good = 0;
        for (client, token) in &self.0 {
            good += usize::from(keycloak.refresh(client, token).await.is_ok());
        }
        good
    }
}

async fn purge_with_access(user: &str, kind: PurgeKind) -> Purged {
    let api = admin_api();
    let store = PgIdentityStore::new(&settings(), &purge_settings(PurgeMode::Delete), Some(Arc::clone(&api)));
    let purged = purge(&store, user, kind).await;
    api.clear().await.unwrap();
    purged
}

/// Before: everything works. After: nothing does, and no row tells of it.
async fn loses_access(keycloak: &Keycloak, name: &str, user: &str) {
    let tokens = Tokens::of(keycloak, name).await;
    assert_eq!(tokens.refreshed(keycloak).await, 4);

    assert!(!rows(purge_with_access(user, PurgeKind::Full).await).is_empty());

    assert_eq!(tokens.refreshed(keycloak).await, 0);
    assert!(keycloak.log_in(name, "portal", "openid").await.is_err());
    assert_eq!(tokens.refreshed(keycloak).await, 0);
    let mut left = rows_holding(&database().await, user).await;
    // Keycloak's audit log, which a purge leaves alone for now.
    left.remove("event_entity");
    assert_eq!(left.keys().collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn access_ends_for_a_federated_user() {
    let (keycloak, id) = (Keycloak::visit().await, Uuid::new_v4().to_string());
    keycloak.set_password(&format!("f:{PROVIDER}:{id}")).await;
    loses_access(&keycloak, &id, &id).await;
}

#[tokio::test]
async fn access_ends_for_a_local_user() {
    let (keycloak, name) = (Keycloak::visit().await, format!("local-{}", Uuid::new_v4()));
    keycloak.admin(Method::POST, "users", json!({"username": name, "enabled": true})).await;
    let sql = "SELECT id FROM user_entity WHERE username = $1::text";
    let id: String = database().await.query_one(sql, &[&name]).await.unwrap().get(0);
    keycloak.set_password(&id).await;
    loses_access(&keycloak, &name, &id).await;
}

#[tokio::test]
async fn everybody_else_stays_logged_in() {
    let keycloak = Keycloak::visit().await;
    let (gone, stays) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    for id in [&gone, &stays] {
        keycloak.set_password(&format!("f:{PROVIDER}:{id}")).await;
    }
    let tokens = Tokens::of(&keycloak, &stays).await;
    purge_with_access(&gone, PurgeKind::Full).await;
    assert_eq!(tokens.refreshed(&keycloak).await, 4);
}

/// Logged in, in the memory of Keycloak alone: older servers keep online sessions there, and a federated user who never
/// changed anything has no row.
async fn logged_in_without_a_row(keycloak: &Keycloak, id: &str) -> String {
    let (database, federated) = (database().await, format!("f:{PROVIDER}:{id}"));
    keycloak.set_password(&federated).await;
    let token = keycloak.log_in(id, "portal", "openid").await.unwrap();
    for (table, column) in
        [("fed_user_credential", "user_id"), ("fed_user_attribute", "user_id"), ("federated_user", "id")]
    {
        let sql = format!("DELETE FROM {table} WHERE {column} = $1::text");
        database.execute(&sql, &[&federated]).await.unwrap();
    }
    keycloak.refresh("portal", &token).await.unwrap();
    token
}

async fn loses_access_without_a_row(kind: PurgeKind) {
    let (keycloak, id) = (Keycloak::visit().await, Uuid::new_v4().to_string());
    let token = logged_in_without_a_row(&keycloak, &id).await;

    purge_with_access(&id, kind).await;

    assert!(keycloak.refresh("portal", &token).await.is_err());
    assert!(rows_holding(&database().await, &id).await.is_empty());
    // Nothing is left to do: a second purge writes nothing either.
    assert!(rows(purge_with_access(&id, kind).await).is_empty());
}

#[tokio::test]
async fn access_ends_for_a_federated_user_without_a_row() {
    loses_access_without_a_row(PurgeKind::Full).await;
}

/// Of a login that was under way during the purge.
#[tokio::test]
async fn a_sweep_ends_the_access_of_a_login_that_came_too_late() {
    loses_access_without_a_row(PurgeKind::Sweep).await;
}

/// The block waits for the lock on a neighbour's row while the user logs in. The neighbour is locked as a login would lock
/// them: it stops the purge, not the logout before it.
#[tokio::test]
async fn a_login_between_the_end_of_access_and_the_purge_is_ended_too() {
    let (keycloak, mut database) = (Keycloak::visit().await, database().await);
    let (id, neighbour) = (Uuid::new_v4().to_string(), Person::new());
    keycloak.set_password(&format!("f:{PROVIDER}:{id}")).await;
    let given = [("id", neighbour.id.as_str()), ("realm_id", REALM), ("enabled", "true"), ("username", &neighbour.id)];
    neighbour.insert(&database, "user_entity", &given).await;
    let mut settings = settings();
    settings.lock_timeout = Duration::from_secs(15);
    let store = PgIdentityStore::new(&settings, &purge_settings(PurgeMode::Delete), Some(admin_api()));
    let orders = [order(&id, PurgeKind::Full), order(&neighbour.id, PurgeKind::Full)];

    let busy = database.transaction().await.unwrap();
    busy.execute("SELECT FROM user_entity WHERE id = $1::text FOR KEY SHARE", &[&neighbour.id]).await.unwrap();
    let holder: i32 = busy.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let watcher = crate::keycloak::stack::database().await;
    let login = async {
        // Not on the holder's connection: a transaction sees the activity of its first look for ever.
        let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int4 = ANY (pg_blocking_pids(pid)))";
        while !watcher.query_one(waiting, &[&holder]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        let token = keycloak.log_in(&id, "mobile", "openid offline_access").await.unwrap();
        busy.rollback().await.unwrap();
        token
    };
    let (results, token) = tokio::join!(purge_all(&store, &orders), login);
    admin_api().clear().await.unwrap();

    assert!(results.into_iter().all(|purged| !rows(purged).is_empty()));
    assert!(keycloak.refresh("mobile", &token).await.is_err());
}

#[tokio::test]
async fn a_protected_user_stays_logged_in() {
    let (keycloak, id) = (Keycloak::visit().await, Uuid::new_v4().to_string());
    keycloak.set_password(&format!("f:{PROVIDER}:{id}")).await;
    let tokens = Tokens::of(&keycloak, &id).await;
    let (database, federated) = (database().await, format!("f:{PROVIDER}:{id}"));
    let sql = "\
        INSERT INTO fed_user_role_mapping (user_id, role_id, realm_id, storage_provider_id) \
        SELECT $1::text, r.id, c.realm_id, $2::text FROM keycloak_role r JOIN client c ON c.id = r.client \
        WHERE c.client_id = 'realm-management' AND c.realm_id = $3::text AND r.name = 'view-users'";
    database.execute(sql, &[&federated, &PROVIDER, &REALM]).await.unwrap();
    let before = rows_holding(&database, &id).await;

    assert_eq!(purge_with_access(&id, PurgeKind::Full).await, Purged::Protected(Protection::Admin));

    assert_eq!(rows_holding(&database, &id).await, before);
    assert_eq!(tokens.refreshed(&keycloak).await, 4);
}
