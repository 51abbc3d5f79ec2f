//! Rows in Keycloak's own schema, set-based: thousands of users in a second, in every table that knows one.

use std::collections::BTreeMap;

use anyhow::Context as _;
use tokio_postgres::{Client, NoTls};

use crate::Stack;

/// The database as its superuser sees it.
pub struct KeycloakRows {
    client: Client,
    realm: String,
    provider: String,
    membership: &'static str,
}

/// `$1` plain ids, `$2` the realm's id. Everything personal has a [`crate::events::PERSONAL`] in it.
const LOCAL: [&str; 8] = [
    "INSERT INTO user_entity (id, email, email_constraint, first_name, email_verified, enabled, realm_id, username, created_timestamp, not_before)
     SELECT id, mail, mail, 'jane_7hq2', true, true, $2::text, 'jane_7hq2-' || id, 0, 0
     FROM unnest($1::text[]) t(id), concat('jane_7hq2-', id, '@local.test') mail",
    "INSERT INTO user_attribute (id, name, value, user_id)
     SELECT gen_id('ua', id), 'phone', 'jane_7hq2 9', id FROM unnest($1::text[]) t(id) WHERE $2::text <> ''",
    "INSERT INTO credential (id, type, user_id, created_date, secret_data, credential_data, priority)
     SELECT gen_id('c', id), 'password', id, 0, '{}', '{}', 10 FROM unnest($1::text[]) t(id) WHERE $2::text <> ''",
    "INSERT INTO user_role_mapping (role_id, user_id)
     SELECT r.id, t.id FROM unnest($1::text[]) t(id) JOIN keycloak_role r
     ON r.realm_id = $2::text AND r.name IN ('offline_access', 'uma_authorization') AND NOT r.client_role",
    "INSERT INTO user_required_action (user_id, required_action)
     SELECT id, 'UPDATE_PASSWORD' FROM unnest($1::text[]) t(id) WHERE $2::text <> ''",
    "INSERT INTO federated_identity (identity_provider, realm_id, federated_user_id, federated_username, user_id)
     SELECT 'google', $2::text, 'jane_7hq2-' || id, 'jane_7hq2', id FROM unnest($1::text[]) t(id)",
    "INSERT INTO user_consent (id, client_id, user_id, created_date, last_updated_date)
     SELECT gen_id('uc', t.id), c.id, t.id, 0, 0 FROM unnest($1::text[]) t(id)
     JOIN client c ON c.realm_id = $2::text AND c.client_id = 'portal'",
    "INSERT INTO user_consent_client_scope (user_consent_id, scope_id)
     SELECT gen_id('uc', id), 'scope-1' FROM unnest($1::text[]) t(id) WHERE $2::text <> ''",
];

/// The same. Since 26 a membership has a type, which has no default.
const MEMBERSHIP: &str = "INSERT INTO user_group_membership (group_id, user_id)
     SELECT 'group-1', id FROM unnest($1::text[]) t(id) WHERE $2::text <> ''";
const TYPED_MEMBERSHIP: &str = "INSERT INTO user_group_membership (group_id, user_id, membership_type)
     SELECT 'group-1', id, 'UNMANAGED' FROM unnest($1::text[]) t(id) WHERE $2::text <> ''";

/// `$1` federated ids, `$2` the realm's id, `$3` the provider.
const FEDERATED: [&str; 11] = [
    "INSERT INTO federated_user (id, storage_provider_id, realm_id) SELECT id, $3::text, $2::text FROM unnest($1::text[]) t(id)",
    "INSERT INTO fed_user_credential (id, type, created_date, user_id, realm_id, storage_provider_id, secret_data, credential_data, priority)
     SELECT gen_id('fc', id), 'password', 0, id, $2::text, $3::text, '{}', '{}', 10 FROM unnest($1::text[]) t(id)",
    "INSERT INTO fed_user_attribute (id, name, user_id, realm_id, storage_provider_id, value)
     SELECT gen_id('fa', id), 'phone', id, $2::text, $3::text, 'jane_7hq2 9' FROM unnest($1::text[]) t(id)",
    "INSERT INTO fed_user_role_mapping (role_id, user_id, realm_id, storage_provider_id)
     SELECT r.id, t.id, $2::text, $3::text FROM unnest($1::text[]) t(id)
     JOIN keycloak_role r ON r.realm_id = $2::text AND r.name = 'offline_access' AND NOT r.client_role",
    "INSERT INTO fed_user_required_action (required_action, user_id, realm_id, storage_provider_id)
     SELECT 'UPDATE_PASSWORD', id, $2::text, $3::text FROM unnest($1::text[]) t(id)",
    "INSERT INTO fed_user_group_membership (group_id, user_id, realm_id, storage_provider_id)
     SELECT 'group-1', id, $2::text, $3::text FROM unnest($1::text[]) t(id)",
    "INSERT INTO fed_user_consent (id, client_id, user_id, realm_id, storage_provider_id, created_date, last_updated_date)
     SELECT gen_id('fuc', t.id), c.id, t.id, $2::text, $3::text, 0, 0 FROM unnest($1::text[]) t(id)
     JOIN client c ON c.realm_id = $2::text AND c.client_id = 'portal'",
    "INSERT INTO fed_user_consent_cl_scope (user_consent_id, scope_id)
     SELECT gen_id('fuc', id), 'scope-1' FROM unnest($1::text[]) t(id) WHERE $2::text || $3::text <> ''",
    "INSERT INTO broker_link (identity_provider, storage_provider_id, realm_id, broker_user_id, broker_username, user_id)
     SELECT 'google', $3::text, $2::text, 'jane_7hq2', 'jane_7hq2', id FROM unnest($1::text[]) t(id)",
    "INSERT INTO offline_user_session (user_session_id, user_id, realm_id, created_on, offline_flag, data, last_session_refresh)
     SELECT gen_id('s', id), id, $2::text, n.now, '1', '{}', n.now FROM unnest($1::text[]) t(id),
     (SELECT extract(epoch FROM now())::int AS now) n WHERE $3::text <> ''",
    "INSERT INTO offline_client_session (user_session_id, client_id, offline_flag, timestamp, data, client_storage_provider, external_client_id)
     SELECT gen_id('s', t.id), c.id, '1', extract(epoch FROM now())::int, '{}', 'local', 'local' FROM unnest($1::text[]) t(id)
     JOIN client c ON c.realm_id = $2::text AND c.client_id = 'portal' WHERE $3::text <> ''",
];

/// Tables and how they name a user; `$1` ids in every form.
const COUNTED: [(&str, &str); 20] = [
    ("user_entity", "id = ANY($1)"),
    ("user_attribute", "user_id = ANY($1)"),
    ("credential", "user_id = ANY($1)"),
    ("user_role_mapping", "user_id = ANY($1)"),
    ("user_required_action", "user_id = ANY($1)"),
    ("federated_identity", "user_id = ANY($1)"),
    ("user_consent", "user_id = ANY($1)"),
    ("user_consent_client_scope", "user_consent_id = ANY(SELECT gen_id('uc', id) FROM unnest($1::text[]) t(id))"),
    ("user_group_membership", "user_id = ANY($1)"),
    ("federated_user", "id = ANY($1)"),
    ("fed_user_credential", "user_id = ANY($1)"),
    ("fed_user_attribute", "user_id = ANY($1)"),
    ("fed_user_role_mapping", "user_id = ANY($1)"),
    ("fed_user_required_action", "user_id = ANY($1)"),
    ("fed_user_group_membership", "user_id = ANY($1)"),
    ("fed_user_consent", "user_id = ANY($1)"),
    ("fed_user_consent_cl_scope", "user_consent_id = ANY(SELECT gen_id('fuc', id) FROM unnest($1::text[]) t(id))"),
    ("broker_link", "user_id = ANY($1)"),
    ("offline_user_session", "user_id = ANY($1)"),
    ("offline_client_session", "user_session_id = ANY(SELECT gen_id('s', id) FROM unnest($1::text[]) t(id))"),
];

impl KeycloakRows {
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn connect(stack: &Stack) -> anyhow::Result<Self> {
        let postgres = &stack.postgres;
        let mut config = tokio_postgres::Config::new();
        config.host(&postgres.host).port(postgres.port).dbname(&postgres.database).user(&postgres.admin_user);
        let (client, connection) = config.connect(NoTls).await.context("postgres")?;
        tokio::spawn(connection);
        let row = client.query_one("SELECT id::text FROM realm WHERE name = $1", &[&stack.keycloak.realm]).await?;
        // Row ids that are known again from the user's, without a look: at most 36 characters.
        let function = "CREATE OR REPLACE FUNCTION pg_temp.gen_id(kind text, id text) RETURNS text
                        LANGUAGE sql IMMUTABLE AS $$ SELECT kind || '-' || left(md5(id), 30) $$;
                        SET search_path = public, pg_temp";
        client.batch_execute(function).await?;
        let typed = "SELECT FROM information_schema.columns
                     WHERE table_name = 'user_group_membership' AND column_name = 'membership_type'";
        let membership = if client.query(typed, &[]).await?.is_empty() { MEMBERSHIP } else { TYPED_MEMBERSHIP };
        Ok(Self { client, realm: row.get(0), provider: stack.keycloak.provider_id.clone(), membership })
    }

    /// Statements of this module's own, for a test's special rows.
    #[must_use]
    pub fn sql(&self) -> &Client {
        &self.client
    }

    #[must_use]
    pub fn realm_id(&self) -> &str {
        &self.realm
    }

    /// The plain form: users that Keycloak itself keeps.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub async fn put_local(&self, ids: &[String]) -> anyhow::Result<()> {
        for statement in LOCAL.into_iter().chain([self.membership]) {
            self.client.execute(&own(statement), &[&ids, &self.realm]).await.context(statement)?;
        }
        Ok(())
    }

    /// The federated form: what Keycloak keeps about users of the provider.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub async fn put_federated(&self, ids: &[String]) -> anyhow::Result<()> {
        let ids: Vec<String> = ids.iter().map(|id| format!("f:{}:{id}", self.provider)).collect();
        self.put_federated_in(&ids, &self.realm, &self.provider).await
    }

    /// The same for whole federated ids, in any realm under any provider.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub async fn put_federated_in(&self, ids: &[String], realm: &str, provider: &str) -> anyhow::Result<()> {
        for statement in FEDERATED {
            self.client.execute(&own(statement), &[&ids, &realm, &provider]).await.context(statement)?;
        }
        Ok(())
    }

    /// Rows that know one of the users, in either form; tables without such a row are left out.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn of(&self, ids: &[String]) -> anyhow::Result<BTreeMap<&'static str, i64>> {
        let federated = ids.iter().map(|id| format!("f:{}:{id}", self.provider));
        self.of_exactly(&ids.iter().cloned().chain(federated).collect::<Vec<_>>()).await
    }

    /// The same for exactly these ids.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn of_exactly(&self, ids: &[String]) -> anyhow::Result<BTreeMap<&'static str, i64>> {
        let mut counts = BTreeMap::new();
        for (table, condition) in COUNTED {
            let statement = own(&format!("SELECT count(*) FROM {table} WHERE {condition}"));
            let count: i64 = self.client.query_one(&statement, &[&ids]).await.context(table)?.get(0);
            if count > 0 {
                counts.insert(table, count);
            }
        }
        Ok(counts)
    }
}

/// Functions of `pg_temp` are found by their whole name only.
fn own(statement: &str) -> String {
    statement.replace("gen_id(", "pg_temp.gen_id(")
}
