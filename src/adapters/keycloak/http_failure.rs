//! What the Admin API's failures ask for: the only place that knows its statuses.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::admin_api::KEYS;
use crate::adapters::secret::SecretUnreadable;
use crate::adapters::tls;
use crate::ports::{Blame, Disposition, Failure};

/// The rest that a 429 asks for when it does not say how long.
const DEFAULT_REST: Duration = Duration::from_secs(5);

/// What a call is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    /// The realm, its cache, a token.
    Realm,
    /// One user: a refusal may be this user's alone.
    User,
}

/// A failed call of the Admin API. Bodies stay unread: they may quote what they refuse.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminApiError {
    #[error("keycloak.admin_api.client_id, keycloak.admin_api.client_secret: Keycloak answered {0}")]
    Credentials(StatusCode),
    #[error("keycloak.admin_api.client_id: its service account lacks manage-realm or manage-users ({0})")]
    Rights(StatusCode),
    #[error("keycloak.admin_api.url, keycloak.realm: Keycloak answered {0}")]
    Address(StatusCode),
    #[error("Keycloak answered {0}")]
    Status(StatusCode),
    #[error("keycloak.admin_api.url: {0}")]
    Transport(String),
}

/// The one way from a status to a [`Failure`].
///
/// | status | disposition |
/// | --- | --- |
/// | 401, 403 | Hold |
/// | 404, 3xx, other 4xx, about the realm | Hold |
/// | 400, 409, 422, about one user | Reject |
/// | 500, about one user: its storage provider may fail for this one only | Retry (call) |
/// | 429 | Retry (throttle), for as long as Retry-After says |
/// | 408, 5xx | Retry (server) |
/// | anything nobody has named | Hold |
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, subject: Subject) -> Failure {
    let disposition = match (status.as_u16(), subject) {
        (400 | 409 | 422, Subject::User) => Disposition::Reject,
        (500, Subject::User) => Disposition::Retry(Blame::Call),
        (429, _) => Disposition::Retry(Blame::Throttle(rest(headers))),
        (408 | 500..=599, _) => Disposition::Retry(Blame::Server),
        _ => Disposition::Hold,
    };
    let source = match status.as_u16() {
        401 => AdminApiError::Credentials(status),
        403 => AdminApiError::Rights(status),
        300..=399 | 404 | 405 => AdminApiError::Address(status),
        _ => AdminApiError::Status(status),
    };
    Failure::new(disposition, format!("http_{}", status.as_u16())).because(source)
}

/// The token endpoint says no: 400, 401 and 403 all speak of the client.
pub(super) fn of_token_status(status: StatusCode, headers: &HeaderMap) -> Failure {
    let failure = of_status(status, headers, Subject::Realm);
    match status.as_u16() {
        400 | 401 | 403 => failure.because(AdminApiError::Credentials(status)),
        _ => failure,
    }
}

/// The one way from a call without a usable answer to a [`Failure`].
///
/// | failure | disposition |
/// | --- | --- |
/// | connecting, timeout, connection lost | Retry (server) |
/// | a certificate that is not believed, another failed TLS handshake | Hold |
/// | an answer that is not Keycloak's | Hold |
pub(super) fn of_transport(error: reqwest::Error) -> Failure {
    if let Some(refusal) = tls::refusal(&error, KEYS) {
        return Failure::new(Disposition::Hold, "certificate").because(refusal);
    }
    let (disposition, reason) = if error.is_timeout() {
        (Disposition::Retry(Blame::Server), "timeout")
    } else if is_handshake(&error) {
        (Disposition::Hold, "tls")
    } else if error.is_decode() {
        (Disposition::Hold, "unreadable")
    } else if error.is_builder() {
        (Disposition::Hold, "request")
    } else {
        (Disposition::Retry(Blame::Server), "connection")
    };
    // The address would tell the user's id, and its text is as long as that.
    let error = error.without_url();
    let cause = error.source().map_or_else(|| error.to_string(), innermost);
    let told = if error.is_decode() { "the answer is not Keycloak's".to_owned() } else { cause };
    Failure::new(disposition, reason).because(AdminApiError::Transport(told))
}

/// The client's secret cannot be read.
pub(super) fn of_secret_file(error: SecretUnreadable) -> Failure {
    Failure::new(Disposition::Hold, "secret_file").because(error)
}

fn is_handshake(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if cause.is::<rustls::Error>()
            || wrapped.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

fn rest(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_REST, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_asks_for_what_the_table_says() {
        use Disposition::{Hold, Reject, Retry};
        let (server, call) = (Retry(Blame::Server), Retry(Blame::Call));
        let table = [
            (401, Hold, Hold),
            (403, Hold, Hold),
            (404, Hold, Hold),
            (302, Hold, Hold),
            (418, Hold, Hold),
            (400, Hold, Reject),
            (409, Hold, Reject),
            (408, server, server),
            (500, server, call),
            (502, server, server),
            (503, server, server),
        ];
        for (status, realm, user) in table {
            let code = StatusCode::from_u16(status).unwrap();
            let of = |subject| of_status(code, &HeaderMap::new(), subject);
            assert_eq!(of(Subject::Realm).disposition, realm, "{status}");
            assert_eq!(of(Subject::User).disposition, user, "{status}");
            assert_eq!(of(Subject::User).reason.to_string(), format!("http_{status}"));
        }
    }

    #[test]
    fn a_throttle_lasts_as_long_as_the_answer_says() {
        let mut headers = HeaderMap::new();
        let rest = |headers: &HeaderMap| of_status(StatusCode::TOO_MANY_REQUESTS, headers, Subject::User).disposition;
        assert_eq!(rest(&headers), Disposition::Retry(Blame::Throttle(DEFAULT_REST)));
        headers.insert(RETRY_AFTER, "17".parse().unwrap());
        assert_eq!(rest(&headers), Disposition::Retry(Blame::Throttle(Duration::from_secs(17))));
    }

    #[test]
    fn wrong_credentials_name_their_keys() {
        for status in [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED] {
            let failure = of_token_status(status, &HeaderMap::new());
            assert_eq!(failure.disposition, Disposition::Hold);
            assert!(failure.source.unwrap().to_string().contains("keycloak.admin_api.client_secret"));
        }
    }
}
