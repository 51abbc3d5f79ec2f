//! Why a certificate is not believed, in words for whoever has to mend it.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::{AlertDescription, CertificateError, OtherError};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Keys;
use super::certificate::Said;

/// A certificate that is not believed: which key of the configuration it is about, and what is wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Refusal {
    key: &'static str,
    what: String,
}

impl Refusal {
    pub(super) fn new(key: &'static str, what: String) -> Self {
        Self { key, what }
    }

    /// What a verifier answers with. The refusal is found again by [`refusal`].
    pub(super) fn into_error(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }

    /// Of the certificate that `server` has shown. `from` says whose authorities are believed.
    pub(super) fn of(
        error: &rustls::Error,
        keys: Keys,
        certificate: &CertificateDer<'_>,
        (server, from): (&ServerName<'_>, &str),
    ) -> Self {
        let server = server.to_str();
        let rustls::Error::InvalidCertificate(error) = error else {
            return Self::new(keys.address, format!("the certificate of {server} cannot be verified: {error}"));
        };
        match error {
            CertificateError::UnknownIssuer => {
                let said = Said::by(certificate);
                let issuer = said.map_or_else(|| "an unknown authority".to_owned(), |said| quoted(&said.issuer));
                Self::new(
                    keys.ca_file,
                    format!("the certificate of {server} is signed by {issuer}, not by any of {from}"),
                )
            }
            // A root of the right name whose key is another: a server that was set up anew with a new authority.
            CertificateError::BadSignature => Self::new(
                keys.ca_file,
                format!(
                    "the certificate of {server} is not signed by any of {from}, though one has its authority's name"
                ),
            ),
            CertificateError::NotValidForNameContext { expected, presented } => {
                let wanted = expected.to_str();
                Self::new(
                    keys.address,
                    format!("the certificate of {server} is for {}, not for {wanted}", names(presented)),
                )
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                let own = Said::by(certificate).is_none_or(|said| said.end == not_after.as_secs());
                let whose = if own { "the certificate" } else { "an intermediate certificate" };
                Self::new(keys.address, format!("{whose} of {server} ended on {}: renew it there", date(*not_after)))
            }
            CertificateError::NotValidYetContext { not_before, .. } => Self::new(
                keys.address,
                format!("the certificate of {server} begins on {}: is a clock wrong?", date(*not_before)),
            ),
            other => Self::new(keys.address, format!("the certificate of {server} cannot be believed: {other}")),
        }
    }
}

/// What is wrong, when an error says that one side does not believe the other's certificate: only a person can mend that.
pub fn refusal(error: &(dyn Error + 'static), keys: Keys) -> Option<Refusal> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<rustls::Error>().and_then(|error| refused(error, keys)) {
            return Some(refusal);
        }
        // An I/O error hides what it wraps: its `source` is the wrapped error's source.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn refused(error: &rustls::Error, keys: Keys) -> Option<Refusal> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(own))) => Some(
            own.downcast_ref::<Refusal>().cloned().unwrap_or_else(|| Refusal::new(keys.address, error.to_string())),
        ),
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Some(Refusal::new(keys.address, error.to_string()))
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA),
        ) => Some(Refusal::new(
            keys.address,
            format!("the server wants a certificate of the worker's own, which it has not ({alert:?})"),
        )),
        _ => None,
    }
}

/// As webpki writes them: `DnsName("localhost")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name (its subject alone does not count: it needs a subjectAltName)".to_owned();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "an authority without a name".to_owned() } else { format!("\"{name}\"") }
}

fn date(time: UnixTime) -> String {
    // A certificate may end after the last time that can be written so.
    let time = UNIX_EPOCH + Duration::from_secs(time.as_secs().min(253_402_300_799));
    humantime::format_rfc3339_seconds(time).to_string()
}
