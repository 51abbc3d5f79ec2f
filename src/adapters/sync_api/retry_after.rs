//! How long a 429 asks us to rest.

use std::time::{Duration, SystemTime};

use humantime_serde::re::humantime;
use reqwest::header::HeaderValue;

/// A server that names no time, none that can be read, or one that has passed.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longer than any window of the gateway (5000 calls an hour): a wrong clock on its side must not stop us for days.
const LONGEST: Duration = Duration::from_hours(1);

/// The rest that a `Retry-After` header asks for, seconds or an HTTP date, within bounds.
pub(super) fn rest(header: Option<&HeaderValue>, now: SystemTime) -> Duration {
    header
        .and_then(|value| value.to_str().ok())
        .and_then(|text| seconds(text).or_else(|| until(text, now)))
        .unwrap_or(SHORTEST)
        .clamp(SHORTEST, LONGEST)
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim();
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds still mean a long time.
    only_digits.then(|| digits.parse().map_or(LONGEST, Duration::from_secs))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: the one form that servers may send today (RFC 9110, 5.6.7).
fn until(text: &str, now: SystemTime) -> Option<Duration> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, date) = text.trim().split_once(", ")?;
    let [day, month, year, time, "GMT"] = date.split(' ').collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let then = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()?;
    Some(then.duration_since(now).unwrap_or(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_dates_and_nonsense_all_give_a_bounded_rest() {
        let now = humantime::parse_rfc3339("1994-11-06T08:49:07Z").unwrap();
        for (header, expected) in [
            ("7", 7),
            (" 120 ", 120),
            ("0", 1),
            ("3600", 3600),
            ("3601", 3600),
            ("99999999999999999999999999", 3600),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
            ("Sun, 06 Nov 1994 08:49:00 GMT", 1),
            ("Tue, 01 Jan 2030 00:00:00 GMT", 3600),
            ("Sun, 06 Abc 1994 08:49:37 GMT", 1),
            ("Sun, 6 Nov 1994 08:49:37 GMT", 1),
            ("1.5", 1),
            ("-5", 1),
            ("soon", 1),
            ("", 1),
        ] {
            let header_value = HeaderValue::from_str(header).unwrap();
            assert_eq!(rest(Some(&header_value), now), Duration::from_secs(expected), "{header:?}");
        }
        assert_eq!(rest(None, now), SHORTEST);
        assert_eq!(rest(Some(&HeaderValue::from_bytes(b"\xff").unwrap()), now), SHORTEST);
    }
}
