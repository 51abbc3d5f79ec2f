//! When the certificates end that were seen: noted at each handshake that succeeds, read by whoever tells it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::Said;

/// What the last handshake has shown; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ends(Arc<Mutex<Noted>>);

/// In seconds since 1970; `None` where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    pub server: Option<u64>,
    /// Of the authority in the CA file that has signed the server's certificate, or one between.
    pub authority: Option<u64>,
}

impl Ends {
    pub fn noted(&self) -> Noted {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `chain` begins with the server's own certificate.
    pub(super) fn note(&self, chain: &[&CertificateDer<'_>], authorities: &[CertificateDer<'_>]) {
        let chain: Vec<Said> = chain.iter().filter_map(|certificate| Said::by(certificate)).collect();
        let has_signed = |authority: &Said| chain.iter().any(|signed| signed.issuer == authority.subject);
        // While an authority is replaced the file may hold two of one name: the later one is what will be left.
        let authority = authorities.iter().filter_map(Said::by).filter(has_signed).map(|authority| authority.end).max();
        let noted = Noted { server: chain.first().map(|server| server.end), authority };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = noted;
    }
}

/// When the certificates of a PEM file end, in seconds since 1970 and in the file's order; none where it cannot be read:
/// whoever uses the file says so.
pub fn ends_in_file(file: &Path) -> Vec<u64> {
    let Ok(pem) = std::fs::read(file) else { return Vec::new() };
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    certificates.filter_map(|certificate| Said::by(&certificate)).map(|said| said.end).collect()
}
