//! The SQL that finds and takes what logs and invitations tell of a person.
//!
//! Logs have no index on a user in most versions, so that each block reads the realm's log once: hashed, whatever the number
//! of names. Texts are split into words where they are few; of the many logins only the session's id is cut out.

use super::schema::Catalog;
use crate::settings::EventPolicy;

/// How rows of one table are found and taken.
pub(super) struct TraceSql {
    pub table: &'static str,
    /// `$1` ids and session ids, `$2` realm, `$3` words: the row's key, and who is named.
    pub find: String,
    /// `$1` forms of odd ids, `$2` realm: the row's key, and which.
    pub odd: Option<String>,
    /// `$1` keys, `$2` ids and session ids: the keys of rows that went.
    pub delete: Option<String>,
    /// The same for what stays, or whoever's row it is.
    pub anonymise: Option<String>,
}

/// Rows of the person, of their sessions, and rows of nobody that tell of either.
pub(super) fn events(policy: EventPolicy, catalog: &Catalog) -> TraceSql {
    let long = catalog.column("event_entity", "details_json_long_value").is_some();
    let details = if long { "coalesce(e.details_json_long_value, e.details_json)" } else { "e.details_json" };
    let find = format!(
        "SELECT e.id, e.user_id, e.session_id, c.code FROM event_entity e CROSS JOIN LATERAL \
         (SELECT split_part(substr({details}, strpos({details}, '\"code_id\":\"') + 11, 255), '\"', 1)) AS c(code) \
         WHERE e.realm_id = $2::text AND (e.user_id IN (SELECT unnest($1::text[])) \
         OR e.session_id IN (SELECT unnest($1::text[])) OR c.code IN (SELECT unnest($1::text[]))) \
         UNION ALL SELECT e.id, w.word, NULL, NULL FROM event_entity e {} \
         WHERE e.realm_id = $2::text AND e.user_id IS NULL",
        words(details)
    );
    let odd = format!(
        "SELECT e.id, f.form FROM event_entity e JOIN unnest($1::text[]) AS f(form) \
         ON strpos(concat('/', e.user_id, '/ ', {details}), f.form) > 0 WHERE e.realm_id = $2::text"
    );
    // Another user's event may tell of this one, who failed to log in first in the same window: only its details go.
    let own = "(x.user_id IS NULL OR x.user_id IN (SELECT unnest($2::text[])) \
               OR x.session_id IN (SELECT unnest($2::text[])))";
    let clear = |column: &str| format!("{column} = CASE WHEN {own} THEN NULL ELSE x.{column} END");
    // Keycloak parses the details of every event that it shows, so they may not be null.
    let anonymise = format!(
        "UPDATE event_entity x SET details_json = '{{}}', {}{}, {}, {} FROM unnest($1::text[]) AS t(id) \
         WHERE x.id = t.id RETURNING x.id",
        if long { "details_json_long_value = NULL, " } else { "" },
        clear("user_id"),
        clear("session_id"),
        clear("ip_address"),
    );
    let delete = format!(
        "DELETE FROM event_entity x USING unnest($1::text[]) AS t(id) WHERE x.id = t.id AND {own} RETURNING x.id"
    );
    TraceSql {
        table: "event_entity",
        find,
        odd: Some(odd),
        delete: (policy == EventPolicy::Delete).then_some(delete),
        anonymise: Some(anonymise),
    }
}

/// What the person's events call their sessions: before Keycloak 25 nothing else in the database knows them.
pub(super) const SESSIONS: &str = "\
    SELECT e.session_id, e.user_id FROM event_entity e \
    WHERE e.realm_id = $2::text AND e.user_id IN (SELECT unnest($1::text[])) AND e.session_id IS NOT NULL";

/// Rows of what was done to the person, or by them. What was sent to `users/…` tells of the user in the path and of no other,
/// and most rows are such: there the path is enough.
pub(super) fn admin_events(policy: EventPolicy, catalog: &Catalog) -> TraceSql {
    let more = catalog.column("admin_event_entity", "details_json").is_some();
    let texts = if more { "e.representation, e.details_json" } else { "e.representation" };
    let find = format!(
        "SELECT e.id, e.auth_user_id, split_part(e.resource_path, '/', 2), NULL FROM admin_event_entity e \
         WHERE e.realm_id = $2::text AND (e.auth_user_id IN (SELECT unnest($1::text[])) \
         OR (e.resource_path LIKE 'users/%' AND split_part(e.resource_path, '/', 2) IN (SELECT unnest($1::text[])))) \
         UNION ALL SELECT e.id, w.word, NULL, NULL FROM admin_event_entity e {} \
         WHERE e.realm_id = $2::text AND (e.resource_path LIKE 'users/%') IS NOT TRUE",
        words(&format!("concat_ws('/', e.resource_path, {texts})"))
    );
    let odd = format!(
        "SELECT e.id, f.form FROM admin_event_entity e JOIN unnest($1::text[]) AS f(form) \
         ON strpos(concat('/', e.resource_path, '/ /', e.auth_user_id, '/ ', concat_ws(' ', {texts})), f.form) > 0 \
         WHERE e.realm_id = $2::text"
    );
    // Keycloak's pages take paths apart, so an empty one stays.
    let anonymise = format!(
        "UPDATE admin_event_entity x SET resource_path = '', representation = NULL, {}ip_address = NULL, \
         auth_user_id = CASE WHEN x.auth_user_id IN (SELECT unnest($2::text[])) THEN NULL ELSE x.auth_user_id END \
         FROM unnest($1::text[]) AS t(id) WHERE x.id = t.id RETURNING x.id",
        if more { "details_json = NULL, " } else { "" }
    );
    let delete = delete("admin_event_entity");
    let (delete, anonymise) = match policy {
        EventPolicy::Delete => (Some(delete), None),
        EventPolicy::Keep | EventPolicy::Anonymise => (None, Some(anonymise)),
    };
    TraceSql { table: "admin_event_entity", find, odd: Some(odd), delete, anonymise }
}

/// `$1` locked ids, `$2` realm. The address is compared within the database and never travels.
pub(super) fn invitations() -> TraceSql {
    let find = "\
        SELECT i.id, u.id, NULL, NULL FROM user_entity u JOIN unnest($1::text[]) AS t(id) ON u.id = t.id \
        JOIN org_invitation i ON lower(i.email) = lower(u.email) \
        JOIN org o ON o.id = i.organization_id AND o.realm_id = $2::text WHERE u.email <> ''";
    TraceSql {
        table: "org_invitation",
        find: find.to_owned(),
        odd: None,
        delete: Some(delete("org_invitation")),
        anonymise: None,
    }
}

fn delete(table: &str) -> String {
    format!("DELETE FROM {table} x USING unnest($1::text[]) AS t(id) WHERE x.id = t.id RETURNING x.id")
}

/// Of the keys in `$1` those whose row is still there.
pub(super) fn left(table: &str) -> String {
    format!("SELECT x.id FROM {table} x JOIN unnest($1::text[]) AS t(id) ON x.id = t.id")
}

/// `$3` words: joined with each word of a text that is one of them.
fn words(text: &str) -> String {
    format!(
        "CROSS JOIN LATERAL unnest(string_to_array(translate({text}, '\"\\', '//'), '/')) AS w(word) \
         JOIN unnest($3::text[]) AS t(id) ON t.id = w.word"
    )
}

#[cfg(test)]
mod tests {
    use super::super::schema::testing::catalog;
    use super::*;

    #[test]
    fn only_columns_that_exist_are_named() {
        let newer =
            catalog(&[("event_entity", &["details_json_long_value"]), ("admin_event_entity", &["details_json"])]);
        for (columns, has) in [(&catalog(&[]), false), (&newer, true)] {
            let sql = events(EventPolicy::Delete, columns);
            for text in [sql.find, sql.odd.unwrap(), sql.anonymise.unwrap()] {
                assert_eq!(text.contains("details_json_long_value"), has, "{text}");
            }
            let sql = admin_events(EventPolicy::Anonymise, columns);
            for text in [sql.find, sql.odd.unwrap(), sql.anonymise.unwrap()] {
                assert_eq!(text.contains("details_json"), has, "{text}");
            }
        }
    }

    #[test]
    fn logs_are_read_within_the_realm_and_names_are_hashed() {
        for sql in [events(EventPolicy::Delete, &catalog(&[])), admin_events(EventPolicy::Delete, &catalog(&[]))] {
            assert_eq!(sql.find.matches("e.realm_id = $2").count(), 2);
            assert!(!sql.find.contains("ANY("), "{}", sql.find);
        }
    }
}
