//! Tables without a foreign key to users that may name one all the same: found by the names of columns and tables.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Column, ForeignKey};
use super::unknown::{Unknown, Why};
use super::warning::SchemaWarning;

/// A column whose name is one of these, or ends with one after a `_`.
const NAMES_A_USER: [&str; 30] = [
    "user",
    "users",
    "user_id",
    "userid",
    "user_ids",
    "user_uuid",
    "user_entity",
    "user_entity_id",
    "username",
    "owner",
    "owner_id",
    "requester",
    "user_session",
    "user_session_id",
    "member",
    "member_id",
    "subject",
    "subject_id",
    "account_id",
    "person_id",
    "resource_id",
    "resource_path",
    "email",
    "login",
    "principal",
    "actor",
    "created_by",
    "updated_by",
    "modified_by",
    "deleted_by",
];
/// A table whose name has a word that begins with one of these.
const KNOWS_USERS: [&str; 11] =
    ["user", "fed", "member", "session", "consent", "credential", "login", "broker", "event", "account", "person"];

/// Tables of Keycloak 7 to 26.8 that are named like that and are in no map, and why not.
const HARMLESS: [(&str, &str); 3] = [
    ("org_invitation_attribute", "goes with its org_invitation"),
    ("realm_required_credential", "settings of a realm"),
    ("realm_enabled_event_types", "settings of a realm"),
];
/// As [`HARMLESS`], for all tables whose names begin so.
const HARMLESS_FAMILIES: [(&str, &str); 2] =
    [("user_federation_", "settings of user federation before Keycloak 2.5"), ("realm_events_", "settings of a realm")];

/// Columns of tables that are purged which name users too, but not another of ours: the rows go by the user that they are of.
const OF_THE_SAME_USER: [(&str, &str); 18] = [
    ("auth_session", "auth_user_id"),
    ("broker_link", "broker_user_id"),
    ("broker_link", "broker_username"),
    ("federated_identity", "federated_user_id"),
    ("federated_identity", "federated_username"),
    ("offline_client_session", "user_session_id"),
    ("offline_user_session", "user_session_id"),
    ("resource_attribute", "resource_id"),
    ("resource_policy", "resource_id"),
    ("resource_scope", "resource_id"),
    ("resource_server_perm_ticket", "owner"),
    ("resource_server_perm_ticket", "requester"),
    ("resource_server_perm_ticket", "resource_id"),
    ("resource_server_policy", "owner"),
    ("resource_server_resource", "owner"),
    ("resource_uris", "resource_id"),
    ("user_entity", "email"),
    ("user_entity", "username"),
];

/// Tables that nobody has decided about. What `edges` lead from was looked at by its foreign key.
pub(in super::super) fn suspects(
    catalog: &Catalog,
    edges: &[&ForeignKey],
    decided: impl Fn(&str) -> bool,
) -> Vec<Unknown> {
    let strangers = catalog.tables.keys().filter(|name| !decided(name) && !is_harmless(name));
    strangers.filter_map(|name| suspect(catalog, edges, name)).collect()
}

fn suspect(catalog: &Catalog, edges: &[&ForeignKey], name: &str) -> Option<Unknown> {
    let own_edges: Vec<_> = edges.iter().filter(|edge| edge.table == name).collect();
    let is_looked_at = |column: &Column| own_edges.iter().any(|edge| edge.columns.contains(&column.name));
    let columns = &catalog.tables.get(name)?.columns;
    let mut columns = columns.iter().filter(|column| column.may_name_somebody() && !is_looked_at(column));
    let by_column = columns.clone().find(|column| names_a_user(column)).map(|column| (column, Why::ColumnsName));
    let by_table = || Some((columns.next()?, Why::TablesName)).filter(|_| knows_users(name) && own_edges.is_empty());
    let (column, why) = by_column.or_else(by_table)?;
    Some(Unknown { table: name.to_owned(), column: column.name.clone(), why })
}

/// Columns of purged tables by which a row of somebody else may name a user who is purged. `known` are the columns that the
/// purge goes by.
pub(in super::super) fn second_names(
    catalog: &Catalog,
    purged: &BTreeSet<&str>,
    known: &BTreeSet<(&str, &str)>,
) -> Vec<SchemaWarning> {
    let mut warnings = Vec::new();
    for (name, table) in catalog.tables.iter().filter(|(name, _)| purged.contains(name.as_str())) {
        for column in table.columns.iter().filter(|column| column.may_name_somebody() && names_a_user(column)) {
            let place = (name.as_str(), column.name.as_str());
            if !known.contains(&place) && !OF_THE_SAME_USER.contains(&place) {
                warnings.push(SchemaWarning::SecondName(format!("{name}.{}", column.name)));
            }
        }
    }
    warnings
}

fn is_harmless(table: &str) -> bool {
    HARMLESS.iter().any(|(name, _)| *name == table)
        || HARMLESS_FAMILIES.iter().any(|(beginning, _)| table.starts_with(beginning))
}

fn names_a_user(column: &Column) -> bool {
    let name = words(&column.name);
    NAMES_A_USER
        .iter()
        .any(|ending| name.strip_suffix(ending).is_some_and(|before| before.is_empty() || before.ends_with('_')))
}

fn knows_users(table: &str) -> bool {
    words(table).split('_').any(|word| KNOWS_USERS.iter().any(|beginning| word.starts_with(beginning)))
}

/// `createdByUserId` → `created_by_user_id`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut last_was_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && last_was_lower {
            words.push('_');
        }
        last_was_lower = letter.is_lowercase();
        words.extend(letter.to_lowercase());
    }
    words.replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::super::catalog::OnDelete::Cascade;
    use super::super::catalog::testing::{catalog, column, points};
    use super::*;

    fn found(tables: &[(&str, &[&str])]) -> Vec<(String, String)> {
        let suspects = suspects(&catalog(tables), &[], |name| name == "credential");
        suspects.into_iter().map(|unknown| (unknown.table, unknown.column)).collect()
    }

    #[test]
    fn a_column_named_for_a_user_gives_its_table_away() {
        for name in
            ["user_id", "userId", "USERID", "auth_user_id", "owner", "created_by", "lastModifiedBy_user", "member"]
        {
            assert_eq!(found(&[("t", &["id", name])]), [("t".to_owned(), name.to_owned())], "{name}");
        }
        for name in ["id", "name", "superuserish", "userland_version", "memberships", "value", "downer"] {
            assert!(found(&[("t", &["id", name])]).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_table_named_for_users_is_suspected_whatever_its_columns() {
        for name in ["user_notes", "login_history", "tenant_membership", "AuditEvents", "fed_thing"] {
            assert_eq!(found(&[(name, &["key", "value"])]), [(name.to_owned(), "key".to_owned())], "{name}");
        }
        assert!(found(&[("tenant", &["key"]), ("confederation", &["key"]), ("credential", &["user_id"])]).is_empty());
    }

    #[test]
    fn a_column_with_a_foreign_key_was_looked_at_and_another_one_was_not() {
        let live = catalog(&[("user_badge", &["holder_id", "awarded_by_user"]), ("user_note", &["user_id", "text"])]);
        let edges =
            [("user_badge.holder_id"), ("user_note.user_id")].map(|from| points(from, "user_entity.id", Cascade));
        let suspects = suspects(&live, &edges.iter().collect::<Vec<_>>(), |_| false);
        let found: Vec<_> = suspects.into_iter().map(|unknown| unknown.column).collect();
        assert_eq!(found, ["awarded_by_user"]);
    }

    #[test]
    fn a_column_that_can_hold_no_id_is_no_suspect() {
        let mut live = catalog(&[("t", &[]), ("u", &[])]);
        live.tables.get_mut("t").unwrap().columns = vec![column("user_id", "bigint")];
        live.tables.get_mut("u").unwrap().columns = vec![column("user_ids", "uuid[]")];
        let tables: Vec<_> = suspects(&live, &[], |_| false).into_iter().map(|unknown| unknown.table).collect();
        assert_eq!(tables, ["u"]);
    }

    #[test]
    fn a_new_column_of_a_purged_table_may_name_somebody_else() {
        let live = catalog(&[("credential", &["id", "user_id", "created_by"]), ("broker_link", &["broker_user_id"])]);
        let purged = ["credential", "broker_link"].into();
        let warnings = second_names(&live, &purged, &[("credential", "user_id")].into());
        assert_eq!(warnings, [SchemaWarning::SecondName("credential.created_by".to_owned())]);
    }
}
