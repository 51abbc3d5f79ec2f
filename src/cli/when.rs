//! A time as people give it: so long ago, or a moment.

use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Ago(Duration),
    At(SystemTime),
}

impl When {
    /// `24h`, or RFC 3339 in UTC, with or without its zone and time of day: `2026-11-28T14:00:00Z`, `2026-11-28`.
    ///
    /// # Errors
    /// For anything else, with both forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ago = humantime::parse_duration(text).map(Self::Ago);
        ago.or_else(|_| humantime::parse_rfc3339_weak(text).map(Self::At))
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00")).map(Self::At))
            .map_err(|_| "must be so long ago, such as 24h, or a time, such as 2026-11-28T14:00:00Z".to_owned())
    }

    /// In milliseconds since 1970, seen at `now`.
    pub fn millis(self, now: SystemTime) -> i64 {
        let at = match self {
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH),
            Self::At(at) => at,
        };
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_so_long_ago_or_a_moment() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
        for (text, millis) in
            [("1min", 99_940_000), ("1970-01-01T00:01:00Z", 60_000), ("1970-01-02", 86_400_000), ("9999d", 0)]
        {
            assert_eq!(When::parse(text).map(|when| when.millis(now)), Ok(millis), "{text}");
        }
        assert!(When::parse("yesterday").unwrap_err().contains("24h"));
    }
}
