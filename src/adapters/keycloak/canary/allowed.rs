//! Where a purged user may still be named, and why.

/// Table, column. Everything else that is found is an alarm.
///
/// The event log of Keycloak and the lists of users inside other people's policies are kept (`facts/keycloak.md` 8.1): what
/// happened is a record of the realm's, and a policy belongs to somebody else.
pub(super) const ALLOWED: [(&str, &str); 9] = [
    ("event_entity", "user_id"),
    // Of sessions that the user had.
    ("event_entity", "session_id"),
    ("event_entity", "details_json"),
    ("event_entity", "details_json_long_value"),
    // users/ID/…; the path of a policy or resource holds no user, its representation does.
    ("admin_event_entity", "resource_path"),
    ("admin_event_entity", "representation"),
    ("admin_event_entity", "auth_user_id"),
    ("admin_event_entity", "details_json"),
    // The users of a policy of somebody else.
    ("policy_config", "value"),
];

pub(super) fn is_allowed(table: &str, column: &str) -> bool {
    ALLOWED.contains(&(table, column))
}
