//! Where a purged user may still be named, and why.

use crate::settings::{EventPolicy, TrailSettings};

/// Which option of `keycloak.trail` would take it away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unless {
    Events,
    AdminEvents,
    Policies,
}

/// Table, column, and what makes it an alarm all the same. Everything else that is found is one.
///
/// Unless it is switched on, the event log of Keycloak and the lists of users inside other people's policies are kept
/// (`facts/keycloak.md` 8.1): what happened is a record of the realm's, and a policy belongs to somebody else.
const ALLOWED: [(&str, &str, Unless); 9] = [
    ("event_entity", "user_id", Unless::Events),
    // Of sessions that the user had.
    ("event_entity", "session_id", Unless::Events),
    ("event_entity", "details_json", Unless::Events),
    ("event_entity", "details_json_long_value", Unless::Events),
    // `users/ID/…`, and ids inside what was written.
    ("admin_event_entity", "resource_path", Unless::AdminEvents),
    ("admin_event_entity", "representation", Unless::AdminEvents),
    ("admin_event_entity", "auth_user_id", Unless::AdminEvents),
    ("admin_event_entity", "details_json", Unless::AdminEvents),
    // The users of a policy of somebody else.
    ("policy_config", "value", Unless::Policies),
];

pub(super) fn is_allowed(table: &str, column: &str, trail: TrailSettings) -> bool {
    let is_kept = |unless| match unless {
        Unless::Events => trail.events == EventPolicy::Keep,
        Unless::AdminEvents => trail.admin_events == EventPolicy::Keep,
        Unless::Policies => !trail.policies,
    };
    ALLOWED.iter().any(|(of, named, unless)| (*of, *named) == (table, column) && is_kept(*unless))
}

/// Keycloak writes of somebody who tries to log in afterwards, or whom an administrator looks for.
pub(super) fn is_written_later(table: &str) -> bool {
    ALLOWED.iter().any(|(of, _, unless)| *of == table && *unless != Unless::Policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_go_may_not_be_found() {
        let off = TrailSettings::OFF;
        let on = TrailSettings {
            events: EventPolicy::Delete,
            admin_events: EventPolicy::Anonymise,
            policies: true,
            invitations: true,
        };
        for (table, column, _) in ALLOWED {
            assert!(is_allowed(table, column, off) && !is_allowed(table, column, on), "{table}.{column}");
        }
        assert!(!is_allowed("user_attribute", "value", off));
        assert!(!is_allowed("event_entity", "ip_address", off), "an address is no id");
    }
}
