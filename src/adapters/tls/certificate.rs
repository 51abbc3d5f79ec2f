//! What a certificate says of itself, for people and for the metric of its end. It decides nothing.

use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The parts of a certificate that are told.
pub(super) struct Said {
    pub subject: String,
    pub issuer: String,
    /// Seconds since 1970.
    pub end: u64,
}

impl Said {
    /// `None` for what is no certificate, or of a form that this parser does not know: then it is not told.
    pub(super) fn by(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = Certificate::from_der(certificate).ok()?.tbs_certificate;
        Some(Self {
            subject: parsed.subject.to_string(),
            issuer: parsed.issuer.to_string(),
            end: parsed.validity.not_after.to_unix_duration().as_secs(),
        })
    }
}
