//! The time of day, by which Kafka and its readers know records: the one place where commands ask for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the edge where the calendar comes in")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds since 1970.
pub(super) fn now_millis() -> i64 {
    before(Duration::ZERO)
}

/// So long ago, in milliseconds since 1970.
pub(super) fn before(back: Duration) -> i64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.saturating_sub(back).as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 as in logs: RFC 3339, to the second, UTC.
pub(super) fn written(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_logs_and_none_is_before_1970() {
        assert_eq!(written(1_800_000_000_123), "2027-01-15T08:00:00Z");
        assert_eq!(written(-5), "1970-01-01T00:00:00Z");
        assert_eq!(before(Duration::MAX), 0);
    }
}
