//! A copy of Keycloak's schema with every table that the map knows, of whatever version, and every right of every option.

use crate::keycloak::copy::Copy;

const ROLE: &str = include_str!("../../../deploy/keycloak-role.sql");

/// Tables that only older or newer versions have, with their foreign keys (`facts/keycloak.md` 1).
const OTHER_VERSIONS: &str = "\
CREATE TABLE IF NOT EXISTS credential_attribute (id varchar(36) PRIMARY KEY, name varchar(255),
    credential_id varchar(36) REFERENCES credential);
CREATE TABLE IF NOT EXISTS fed_credential_attribute (id varchar(36) PRIMARY KEY, name varchar(255),
    credential_id varchar(36) REFERENCES fed_user_credential);
CREATE TABLE IF NOT EXISTS workflow_state (execution_id varchar(255) PRIMARY KEY, resource_id varchar(255) NOT NULL,
    workflow_id varchar(255) NOT NULL, resource_type varchar(255), UNIQUE (workflow_id, resource_id));
CREATE TABLE IF NOT EXISTS login_failure (realm_id varchar(36), user_id varchar(255), last_ip_failure varchar(255),
    PRIMARY KEY (realm_id, user_id));
CREATE TABLE IF NOT EXISTS root_auth_session (id varchar(36) PRIMARY KEY, realm_id varchar(36) NOT NULL);
CREATE TABLE IF NOT EXISTS auth_session (tab_id varchar(36) NOT NULL, auth_user_id varchar(255),
    root_auth_session_id varchar(36) REFERENCES root_auth_session ON DELETE CASCADE,
    PRIMARY KEY (root_auth_session_id, tab_id));
CREATE TABLE IF NOT EXISTS user_ver_credential (id varchar(36) PRIMARY KEY, client_scope_id varchar(36) NOT NULL,
    user_id varchar(36) NOT NULL REFERENCES user_entity, UNIQUE (user_id, client_scope_id));
CREATE TABLE IF NOT EXISTS issued_ver_credential (id varchar(36) PRIMARY KEY,
    user_id varchar(36) NOT NULL REFERENCES user_entity, ver_credential_id varchar(36) REFERENCES user_ver_credential);
CREATE INDEX IF NOT EXISTS idx_issued_user ON issued_ver_credential (user_id);
CREATE INDEX IF NOT EXISTS idx_issued_vc ON issued_ver_credential (ver_credential_id);
CREATE TABLE IF NOT EXISTS fed_user_ver_credential (id varchar(36) PRIMARY KEY, client_scope_id varchar(36) NOT NULL,
    user_id varchar(255) NOT NULL, realm_id varchar(36) NOT NULL, UNIQUE (user_id, client_scope_id));
CREATE TABLE IF NOT EXISTS fed_issued_ver_credential (id varchar(36) PRIMARY KEY, user_id varchar(255) NOT NULL,
    realm_id varchar(36) NOT NULL, ver_credential_id varchar(36) REFERENCES fed_user_ver_credential);
CREATE INDEX IF NOT EXISTS idx_fed_issued_vc ON fed_issued_ver_credential (ver_credential_id);
CREATE INDEX IF NOT EXISTS idx_cred_attribute ON credential_attribute (credential_id);
CREATE INDEX IF NOT EXISTS idx_fed_cred_attribute ON fed_credential_attribute (credential_id);
CREATE TABLE IF NOT EXISTS org (id varchar(255) PRIMARY KEY, realm_id varchar(255) NOT NULL, name varchar(255));
CREATE TABLE IF NOT EXISTS org_invitation (id varchar(36) PRIMARY KEY, email varchar(255) NOT NULL,
    organization_id varchar(255) NOT NULL REFERENCES org ON DELETE CASCADE, first_name varchar(255));
ALTER TABLE event_entity ADD COLUMN IF NOT EXISTS details_json_long_value text;
ALTER TABLE admin_event_entity ADD COLUMN IF NOT EXISTS details_json text;
";

/// The copy, and the worker's role with all options.
pub async fn copy_of_all_versions() -> Copy {
    let copy = Copy::make().await;
    copy.change(OTHER_VERSIONS).await;
    switch(&copy, "events,admin_events,policies,invitations").await;
    copy
}

/// Gives the worker's role the rights of these options, and takes away those of others, as an operator does.
pub async fn switch(copy: &Copy, options: &str) {
    copy.change(&format!("SET purge.options = '{options}'; {ROLE}")).await;
}
