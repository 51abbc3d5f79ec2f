//! What a call that has no answer per id asks for: the only place that knows statuses and codes.

use std::time::Duration;

use reqwest::StatusCode;

use super::KEYS;
use crate::adapters::tls;
use crate::domain::ids::ObjectType;
use crate::ports::Blame::{Call, Server, Throttle};
use crate::ports::Disposition::{Hold, Reject, Retry};
use crate::ports::Failure;

/// Why a call as a whole has no answer per id.
#[derive(Debug)]
pub(super) enum Trouble {
    Transport(reqwest::Error),
    /// The key cannot be read, or cannot be sent.
    Key(anyhow::Error),
    Status {
        status: StatusCode,
        /// A page for people: it comes from something in front of the service, or from its framework.
        html: bool,
        /// The last four digits of `params.err`, when the answer has them: all that its versions agree on.
        code: Option<u16>,
        /// For 429, already bounded.
        rest: Duration,
    },
    /// 200, but not the service's envelope, or too large to be one.
    Unreadable,
    /// 200 and the envelope, but its `responseCode` is not OK.
    NotOk,
    /// 200 SUCCESS to a call that asked for an answer per id and got none.
    NotVerified,
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error)
    }
}

/// What each trouble asks for. Where no connection was made, and at 413, the service has certainly done nothing.
///
/// | the call ended with | disposition | reason |
/// | --- | --- | --- |
/// | a certificate that is not believed | Hold | `certificate` |
/// | a key that cannot be read from its file | Hold | `secret_file` |
/// | refused, reset, no such host, connecting took too long, TLS broken | Retry, server | `connection` |
/// | no whole answer in `sync.timeout` (the service itself gives up after 10 s) | Retry, call | `timeout` |
/// | 200 that is not the service's JSON: a page for people, cut off, over 8 MiB | Retry, server | `unreadable_body` |
/// | 200 whose `responseCode` is not OK | Hold | `response_code` |
/// | 200 without `esSyncResponse` in verify mode: this service never verifies (recordings 04, 05, 09) | Hold | `not_verified` |
/// | 400 with code 0072, another type than `user`: the service has no such type | Reject | `invalid_object_type` |
/// | 400 otherwise (0003, 0028, 0061, a page): it does not take our requests; every service knows `user` | Hold | `http_400` |
/// | 401, 403: the key | Hold | `http_401`, `http_403` |
/// | 404, 405, 3xx: the address | Hold | `http_404`, … |
/// | 413: the gateway takes 1 MB | Retry, call | `http_413` |
/// | 429 | Retry after a rest | `http_429` |
/// | 500 with JSON: more than 10 s of work, or one id it stumbles over | Retry, call | `http_500` |
/// | 408, 502, 503, 504, or any 5xx with a page: something before the service | Retry, server | `http_502`, … |
/// | any other status | Hold | `http_…` |
pub(super) fn failure(trouble: Trouble, object_type: &ObjectType) -> Failure {
    match trouble {
        Trouble::Transport(error) => transport_failure(error),
        Trouble::Key(error) => Failure::new(Hold, "secret_file").because(format!("{error:#}")).unheard(),
        Trouble::Unreadable => Failure::new(Retry(Server), "unreadable_body"),
        Trouble::NotOk => Failure::new(Hold, "response_code").because(ENDPOINT),
        Trouble::NotVerified => Failure::new(Hold, "not_verified").because(
            "the service at sync.endpoint accepts a call but answers for no id; only sync.mode = \"fire\" suits it",
        ),
        Trouble::Status { status, html, code, rest } => {
            let reason = format!("http_{}", status.as_u16());
            match status.as_u16() {
                400 if code == Some(72) && !object_type.is_user() => Failure::new(Reject, "invalid_object_type"),
                400 => {
                    let code = code.map_or("none".to_owned(), |code| format!("{code:04}"));
                    Failure::new(Hold, reason).because(format!("{ENDPOINT} (error code {code})"))
                }
                401 | 403 => Failure::new(Hold, reason).because("sync.api_key is refused, or sync.endpoint wants one"),
                404 | 405 | 300..=399 => {
                    Failure::new(Hold, reason).because("sync.endpoint is not the address of a Sync API")
                }
                413 => Failure::new(Retry(Call), reason).unheard(),
                429 => Failure::new(Retry(Throttle(rest)), reason),
                500 if !html => Failure::new(Retry(Call), reason),
                408 | 502..=504 => Failure::new(Retry(Server), reason),
                500..=599 if html => Failure::new(Retry(Server), reason),
                _ => Failure::new(Hold, reason).because(ENDPOINT),
            }
        }
    }
}

const ENDPOINT: &str = "what answers at sync.endpoint is not the Sync API, or not one that takes our requests";

fn transport_failure(error: reqwest::Error) -> Failure {
    if let Some(refusal) = tls::refusal(&error, KEYS) {
        return Failure::new(Hold, "certificate").because(refusal).unheard();
    }
    // Connecting comes first: its own timeout is an outage, not a slow call.
    let (disposition, reason) = if error.is_builder() {
        (Hold, "request")
    } else if error.is_timeout() && !error.is_connect() {
        (Retry(Call), "timeout")
    } else {
        (Retry(Server), "connection")
    };
    let unheard = error.is_connect() || error.is_builder();
    let failure = Failure::new(disposition, reason).because(error.without_url());
    if unheard { failure.unheard() } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Disposition;

    fn status(status: u16, html: bool, code: Option<u16>) -> Trouble {
        let rest = Duration::from_secs(9);
        Trouble::Status { status: StatusCode::from_u16(status).unwrap(), html, code, rest }
    }

    #[test]
    fn the_table_of_troubles() {
        let rest = Retry(Throttle(Duration::from_secs(9)));
        let rows: [(Trouble, Disposition, &str); 36] = [
            (Trouble::Unreadable, Retry(Server), "unreadable_body"),
            (Trouble::NotOk, Hold, "response_code"),
            (Trouble::NotVerified, Hold, "not_verified"),
            (status(400, false, Some(3)), Hold, "http_400"),
            (status(400, false, Some(28)), Hold, "http_400"),
            (status(400, false, Some(61)), Hold, "http_400"),
            (status(400, false, Some(72)), Reject, "invalid_object_type"),
            (status(400, false, None), Hold, "http_400"),
            (status(400, true, None), Hold, "http_400"),
            (status(401, false, None), Hold, "http_401"),
            (status(401, false, Some(72)), Hold, "http_401"),
            (status(403, false, None), Hold, "http_403"),
            (status(403, true, None), Hold, "http_403"),
            (status(404, true, None), Hold, "http_404"),
            (status(404, false, None), Hold, "http_404"),
            (status(405, false, None), Hold, "http_405"),
            (status(301, true, None), Hold, "http_301"),
            (status(302, false, None), Hold, "http_302"),
            (status(307, false, None), Hold, "http_307"),
            (status(413, true, None), Retry(Call), "http_413"),
            (status(429, false, None), rest, "http_429"),
            (status(429, true, None), rest, "http_429"),
            (status(408, true, None), Retry(Server), "http_408"),
            (status(500, false, None), Retry(Call), "http_500"),
            (status(500, false, Some(69)), Retry(Call), "http_500"),
            (status(500, true, None), Retry(Server), "http_500"),
            (status(502, true, None), Retry(Server), "http_502"),
            (status(502, false, None), Retry(Server), "http_502"),
            (status(503, false, None), Retry(Server), "http_503"),
            (status(504, false, None), Retry(Server), "http_504"),
            (status(520, true, None), Retry(Server), "http_520"),
            (status(520, false, None), Hold, "http_520"),
            (status(501, false, None), Hold, "http_501"),
            (status(418, false, None), Hold, "http_418"),
            (status(204, false, None), Hold, "http_204"),
            (status(999, false, None), Hold, "http_999"),
        ];
        for (trouble, disposition, reason) in rows {
            let shown = format!("{trouble:?}");
            let failure = failure(trouble, &ObjectType::new("location"));
            assert_eq!((failure.disposition, failure.to_string().as_str()), (disposition, reason), "{shown}");
            // Whoever has to mend it is told what.
            assert_eq!(failure.source.is_some(), disposition == Hold, "{shown}");
        }
    }

    #[test]
    fn every_service_knows_users_so_one_that_does_not_is_the_wrong_one() {
        assert_eq!(failure(status(400, false, Some(72)), &ObjectType::user()).disposition, Hold);
    }
}
