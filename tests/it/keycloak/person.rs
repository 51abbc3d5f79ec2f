//! Users with everything that a user can have, written as Keycloak writes it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::keycloak::stack::{OTHER_PROVIDER, OTHER_REALM, PROVIDER, REALM};

/// Shared by all tests: a resource server belongs to a client, not to a user.
const RESOURCE_SERVER: &str = "it-resource-server";
const SCOPE: &str = "it-scope";

/// Somebody, and the mark that every row of theirs holds in one column or another.
pub struct Person {
    pub id: String,
    pub mark: String,
    serial: AtomicU64,
}

impl Person {
    pub fn new() -> Self {
        Self::with_id(Uuid::new_v4().to_string())
    }

    pub fn with_id(id: String) -> Self {
        let mark = Uuid::new_v4().simple().to_string()[..16].to_owned();
        Self { id, mark, serial: AtomicU64::new(0) }
    }

    pub fn federated(&self) -> String {
        format!("f:{PROVIDER}:{}", self.id)
    }

    /// The same id under the other realm's component.
    pub fn federated_elsewhere(&self) -> String {
        format!("f:{OTHER_PROVIDER}:{}", self.id)
    }

    /// A new key of at most 36 characters.
    pub fn key(&self) -> String {
        format!("{}-{}", self.mark, self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Both forms, with rows in every table of this Keycloak that knows a user.
    pub async fn move_in(&self, database: &Client) {
        self.add_local(database, REALM).await;
        self.add_federated(database, &self.federated(), REALM).await;
    }

    pub async fn add_local(&self, database: &Client, realm: &str) {
        let id = self.id.as_str();
        let person = [("id", id), ("realm_id", realm), ("enabled", "true"), ("username", &self.key())];
        self.insert(database, "user_entity", &person).await;
        for table in [
            "user_attribute",
            "user_role_mapping",
            "user_group_membership",
            "user_required_action",
            "federated_identity",
        ] {
            self.insert(database, table, &[("user_id", id)]).await;
        }
        let credential = self.key();
        self.insert(database, "credential", &[("id", &credential), ("user_id", id), ("type", "password")]).await;
        self.insert(database, "credential_attribute", &[("credential_id", &credential)]).await;
        let consent = self.key();
        self.insert(database, "user_consent", &[("id", &consent), ("user_id", id)]).await;
        self.insert(database, "user_consent_client_scope", &[("user_consent_id", &consent)]).await;
        let verifiable = self.key();
        self.insert(database, "user_ver_credential", &[("id", &verifiable), ("user_id", id)]).await;
        self.insert(database, "issued_ver_credential", &[("user_id", id), ("ver_credential_id", &verifiable)]).await;
        self.add_free(database, id, realm).await;
    }

    pub async fn add_federated(&self, database: &Client, id: &str, realm: &str) {
        let handle = [("id", id), ("realm_id", realm), ("storage_provider_id", &self.key())];
        self.insert(database, "federated_user", &handle).await;
        self.add_federated_without_handle(database, id, realm).await;
        self.add_free(database, id, realm).await;
    }

    /// `federated_user` has one row per id whatever the realm: a second realm's rows come without.
    pub async fn add_federated_without_handle(&self, database: &Client, id: &str, realm: &str) {
        let user = [("user_id", id), ("realm_id", realm)];
        for table in [
            "broker_link",
            "fed_user_attribute",
            "fed_user_group_membership",
            "fed_user_required_action",
            "fed_user_role_mapping",
        ] {
            self.insert(database, table, &user).await;
        }
        let credential = self.key();
        self.insert(database, "fed_user_credential", &[user[0], user[1], ("id", &credential), ("type", "password")])
            .await;
        self.insert(database, "fed_credential_attribute", &[("credential_id", &credential)]).await;
        let consent = self.key();
        self.insert(database, "fed_user_consent", &[user[0], user[1], ("id", &consent)]).await;
        self.insert(database, "fed_user_consent_cl_scope", &[("user_consent_id", &consent)]).await;
        let verifiable = self.key();
        self.insert(database, "fed_user_ver_credential", &[user[0], user[1], ("id", &verifiable)]).await;
        let issued = [user[0], user[1], ("ver_credential_id", verifiable.as_str())];
        self.insert(database, "fed_issued_ver_credential", &issued).await;
    }

    /// Sessions and what else names either form without a foreign key.
    pub async fn add_free(&self, database: &Client, id: &str, realm: &str) {
        self.add_session(database, id, realm).await;
        let failure = [("user_id", id), ("realm_id", realm), ("last_ip_failure", &self.key())];
        self.insert(database, "login_failure", &failure).await;
        let login = ("root_auth_session_id", Uuid::new_v4().to_string());
        self.insert(database, "root_auth_session", &[("id", &login.1), ("realm_id", realm)]).await;
        self.insert(database, "auth_session", &[(login.0, &login.1), ("auth_user_id", id)]).await;
        self.insert(database, "workflow_state", &[("resource_id", id)]).await;
        self.add_authorization(database, id).await;
    }

    pub async fn add_session(&self, database: &Client, id: &str, realm: &str) {
        let session = self.key();
        let (flag, key) = (("offline_flag", "1"), ("user_session_id", session.as_str()));
        // Not over yet: Keycloak takes away what is.
        let [begun, seen, used] =
            ["created_on", "last_session_refresh", "timestamp"].map(|column| (column, "2000000000"));
        let user = [key, ("user_id", id), ("realm_id", realm), flag, begun, seen];
        self.insert(database, "offline_user_session", &user).await;
        // A Keycloak bug leaves the other flag on some.
        self.insert(database, "offline_client_session", &[key, flag, used]).await;
        self.insert(database, "offline_client_session", &[key, ("offline_flag", "0"), used]).await;
    }

    /// A resource, shared with somebody by a ticket whose policies come with it.
    pub async fn add_authorization(&self, database: &Client, owner: &str) {
        let server = ("resource_server_id", RESOURCE_SERVER);
        self.share(database, "resource_server", &[("id", RESOURCE_SERVER)]).await;
        self.share(database, "resource_server_scope", &[("id", SCOPE), ("name", SCOPE), server]).await;
        let (resource, uma, people) = (self.key(), self.key(), self.key());
        self.insert(database, "resource_server_resource", &[("id", &resource), ("owner", owner), server]).await;
        for policy in [&uma, &people] {
            self.insert(database, "resource_server_policy", &[("id", policy), ("owner", owner), server]).await;
        }
        self.insert(database, "associated_policy", &[("policy_id", &uma), ("associated_policy_id", &people)]).await;
        self.insert(database, "policy_config", &[("policy_id", &people), ("name", "users")]).await;
        self.insert(database, "scope_policy", &[("policy_id", &uma), ("scope_id", SCOPE)]).await;
        self.insert(database, "resource_policy", &[("policy_id", &uma), ("resource_id", &resource)]).await;
        self.insert(database, "resource_scope", &[("resource_id", &resource), ("scope_id", SCOPE)]).await;
        self.insert(database, "resource_uris", &[("resource_id", &resource)]).await;
        self.insert(database, "resource_attribute", &[("resource_id", &resource)]).await;
        let ticket = [("owner", owner), ("resource_id", &resource), ("policy_id", &uma), server];
        self.insert(database, "resource_server_perm_ticket", &ticket).await;
    }

    /// Writes a row where this Keycloak has the table. What must not be null and is not given is filled: texts hold the mark.
    pub async fn insert(&self, database: &Client, table: &str, given: &[(&str, &str)]) {
        self.write(database, table, given, "").await;
    }

    /// Writes a row that all tests use, once.
    pub async fn share(&self, database: &Client, table: &str, given: &[(&str, &str)]) {
        self.write(database, table, given, "ON CONFLICT DO NOTHING").await;
    }

    async fn write(&self, database: &Client, table: &str, given: &[(&str, &str)], conflict: &str) {
        const COLUMNS: &str = "\
            SELECT a.attname::text, format_type(a.atttypid, CASE WHEN a.atttypmod < 24 THEN a.atttypmod END), \
                a.attnotnull AND (NOT a.atthasdef OR a.atttypid = 'varchar'::regtype) \
            FROM pg_attribute a WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped";
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for row in database.query(COLUMNS, &[&table]).await.unwrap() {
            let (name, kind, required): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
            let value = given.iter().find(|(column, _)| *column == name).map(|(_, value)| (*value).to_owned());
            let Some(value) = value.or_else(|| required.then(|| self.filling(&kind))) else { continue };
            names.push(name);
            values.push(format!("'{}'", value.replace('\'', "''")));
        }
        if !names.is_empty() {
            let (names, values) = (names.join(", "), values.join(", "));
            let sql = format!("INSERT INTO {table} ({names}) VALUES ({values}) {conflict}");
            database.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }

    fn filling(&self, kind: &str) -> String {
        match kind {
            "boolean" => "false".to_owned(),
            "smallint" | "integer" | "bigint" => "0".to_owned(),
            // With its length: too short for a mark. Keycloak keeps words there, which differ by version.
            short if short.ends_with(')') => "0".to_owned(),
            _ => self.key(),
        }
    }
}

/// The other realm's federated user with this external id, and their rows.
pub async fn twin_elsewhere(database: &Client, person: &Person) -> Person {
    let twin = Person::with_id(person.id.clone());
    twin.add_federated(database, &person.federated_elsewhere(), OTHER_REALM).await;
    twin
}
