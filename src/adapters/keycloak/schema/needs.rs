//! The rights that a purge needs: made from the table map, and from what is asked beyond it.

use super::super::statements::Effect;
use super::super::tables::{Handled, OTHERS, Table};
use super::index_cover::bare;
use super::rights::Verb::{Delete, Select, Update};
use super::rights::{Right, Verb};
use crate::settings::{EventPolicy, TrailSettings};

/// Table, verb, columns. What the start-up checks read.
const CHECKS: [(&str, Verb, &str); 4] = [
    ("databasechangeloglock", Select, "locked"),
    ("migration_model", Select, "version update_time"),
    ("realm", Select, "id name"),
    ("component", Select, "id realm_id provider_id provider_type"),
];

/// Who is kept, whose credentials have moved, whose access ends at which clients, by which keys the canary looks.
const GUARDS: [(&str, Verb, &str); 19] = [
    ("user_entity", Select, "id realm_id username service_account_client_link federation_link"),
    ("user_attribute", Select, "user_id name"),
    ("fed_user_attribute", Select, "user_id realm_id name"),
    ("user_role_mapping", Select, "user_id role_id"),
    ("user_group_membership", Select, "user_id group_id"),
    ("fed_user_role_mapping", Select, "user_id role_id realm_id"),
    ("fed_user_group_membership", Select, "user_id group_id realm_id"),
    ("keycloak_role", Select, "id name client client_role"),
    ("composite_role", Select, "composite child_role"),
    ("keycloak_group", Select, "id parent_group"),
    ("group_role_mapping", Select, "role_id group_id"),
    ("client", Select, "id client_id realm_id"),
    ("credential", Select, "id user_id type"),
    ("fed_user_credential", Select, "id user_id realm_id type"),
    ("federated_user", Select, "id realm_id"),
    ("user_consent", Select, "id user_id"),
    ("fed_user_consent", Select, "id user_id realm_id"),
    ("offline_user_session", Select, "user_session_id user_id realm_id offline_flag"),
    ("offline_client_session", Select, "user_session_id client_id"),
];

/// What the web of authorization services is followed by.
const WEB: [(&str, Verb, &str); 11] = [
    ("realm_attribute", Select, "realm_id name value"),
    ("resource_server_resource", Select, "id name owner resource_server_id"),
    ("resource_server_perm_ticket", Select, "id owner requester resource_id policy_id"),
    ("resource_server_policy", Select, "id owner"),
    ("policy_config", Select, "policy_id"),
    ("associated_policy", Select, "policy_id associated_policy_id"),
    ("resource_policy", Select, "resource_id policy_id"),
    ("scope_policy", Select, "policy_id"),
    ("resource_scope", Select, "resource_id"),
    ("resource_attribute", Select, "resource_id"),
    ("resource_uris", Select, "resource_id"),
];

/// `SELECT … FOR UPDATE` asks for `UPDATE` on some column, and is never one; a ticket that stays lets go of its policy.
const UPDATES: [(&str, Verb, &str); 2] =
    [("user_entity", Update, "created_timestamp"), ("resource_server_perm_ticket", Update, "policy_id")];

/// What each option of `keycloak.trail` asks for.
const EVENTS: [(&str, Verb, &str); 2] = [
    ("event_entity", Select, "id realm_id user_id session_id ip_address details_json details_json_long_value"),
    ("event_entity", Update, "user_id session_id ip_address details_json details_json_long_value"),
];
const ADMIN_EVENTS: [(&str, Verb, &str); 2] = [
    ("admin_event_entity", Select, "id realm_id auth_user_id resource_path representation details_json"),
    ("admin_event_entity", Update, "auth_user_id ip_address resource_path representation details_json"),
];
const POLICIES: [(&str, Verb, &str); 2] =
    [("policy_config", Select, "policy_id name value"), ("policy_config", Update, "value")];
const INVITATIONS: [(&str, Verb, &str); 3] = [
    ("user_entity", Select, "email"),
    ("org_invitation", Select, "id email organization_id"),
    ("org", Select, "id realm_id"),
];

/// What the worker's role should never be able to read. `check` says so when it can.
pub(in super::super) const SECRETS: [(&str, &[&str]); 17] = [
    ("credential", &["secret_data", "credential_data", "value", "salt", "user_label"]),
    ("credential_attribute", &["value"]),
    ("fed_user_credential", &["secret_data", "credential_data", "value", "salt", "user_label"]),
    ("fed_credential_attribute", &["value"]),
    ("user_attribute", &["value", "long_value"]),
    ("fed_user_attribute", &["value", "long_value"]),
    ("user_entity", &["email", "email_constraint", "first_name", "last_name"]),
    ("federated_identity", &["token", "federated_username"]),
    ("broker_link", &["token", "broker_username"]),
    ("offline_user_session", &["data"]),
    ("offline_client_session", &["data"]),
    ("client", &["secret", "registration_token"]),
    ("component_config", &["value"]),
    ("identity_provider_config", &["value"]),
    ("realm_smtp_config", &["value"]),
    ("org_invitation", &["email", "first_name", "last_name", "invite_link"]),
    ("issued_ver_credential", &["credential"]),
];

/// Without these nothing can be checked.
pub(in super::super) fn for_checks() -> impl Iterator<Item = Right> {
    CHECKS.iter().flat_map(each)
}

/// All that a purge with these tables does. A dry run only reads.
pub(in super::super) fn for_purge(plan: &[&'static Table], trail: TrailSettings, effect: Effect) -> Vec<Right> {
    let mut deleted: Vec<_> = plan.iter().map(|table| table.name).collect();
    deleted.extend(OTHERS.iter().filter(|other| other.handled == Handled::Web).map(|other| other.name));
    let mut rights: Vec<Right> = for_checks().chain(GUARDS.iter().chain(&WEB).chain(&UPDATES).flat_map(each)).collect();
    for table in plan {
        let columns = table.columns(plan.iter().copied());
        rights.extend(columns.iter().map(|column| right(Select, table.name, column)));
    }
    let keeps = |policy| policy == EventPolicy::Keep;
    let options: [(bool, &[_], Option<&str>); 4] = [
        (!keeps(trail.events), &EVENTS, Some("event_entity")),
        (!keeps(trail.admin_events), &ADMIN_EVENTS, Some("admin_event_entity")),
        (trail.policies, &POLICIES, None),
        (trail.invitations, &INVITATIONS, Some("org_invitation")),
    ];
    for (_, asks, deletes) in options.into_iter().filter(|(is_on, ..)| *is_on) {
        rights.extend(asks.iter().flat_map(each));
        deleted.extend(deletes);
    }
    rights.extend(deleted.into_iter().map(|name| right(Delete, name, "")));
    rights.retain(|(verb, ..)| effect == Effect::Delete || *verb == Select);
    rights
}

fn each(&(table, verb, columns): &(&'static str, Verb, &'static str)) -> impl Iterator<Item = Right> {
    columns.split(' ').map(move |column| right(verb, table, column))
}

fn right(verb: Verb, table: &str, column: &str) -> Right {
    (verb, bare(table).to_owned(), bare(column).to_owned())
}
