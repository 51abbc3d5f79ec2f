//! Where a purged user may still be named: what the map says is left, and options that are off.

use super::super::tables::{Handled, OTHERS};
use crate::settings::TrailSettings;

/// Everything else that is found is an alarm.
pub(super) fn is_allowed(table: &str, column: &str, trail: TrailSettings) -> bool {
    let mut entries = OTHERS.iter().filter(|other| other.name == table && other.columns.contains(&column));
    entries.any(|other| match other.handled {
        Handled::Option(key) => !trail.is_on(key),
        Handled::Left => true,
        Handled::Web | Handled::Told => false,
    })
}

/// Keycloak writes of somebody who tries to log in afterwards, or whom an administrator looks for.
pub(super) fn is_written_later(table: &str) -> bool {
    ["event_entity", "admin_event_entity"].contains(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EventPolicy;

    #[test]
    fn what_is_switched_on_is_looked_at() {
        let on = TrailSettings { events: EventPolicy::Anonymise, policies: true, ..TrailSettings::OFF };
        for (table, column, off, when_on) in [
            ("event_entity", "session_id", true, false),
            ("admin_event_entity", "resource_path", true, true),
            ("policy_config", "value", true, false),
            ("policy_config", "policy_id", false, false),
            ("single_use_object", "id", true, true),
            ("user_session", "user_id", false, false),
            ("credential", "user_id", false, false),
        ] {
            assert_eq!(is_allowed(table, column, TrailSettings::OFF), off, "{table}.{column}");
            assert_eq!(is_allowed(table, column, on), when_on, "{table}.{column}");
        }
    }
}
