//! Verifies a server's certificate as webpki does, by authorities that are read anew, and says clearly what is wrong.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Keys;
use super::ends::Ends;
use super::refusal::Refusal;
use super::roots::Roots;

#[derive(Debug)]
pub(super) struct Verifier {
    keys: Keys,
    roots: Roots,
    names: Vec<ServerName<'static>>,
    ends: Ends,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(
        keys: Keys,
        roots: Roots,
        names: Vec<ServerName<'static>>,
        ends: Ends,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { keys, roots, names, ends, provider }
    }

    /// Whose authorities are believed, for people.
    fn from(&self) -> String {
        match &self.roots {
            Roots::System(_) => "the system's authorities".to_owned(),
            Roots::File(file) => format!("those in {}", file.display()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unreadable = |error: anyhow::Error| Refusal::new(self.keys.ca_file, format!("{error:#}")).into_error();
        let believed = self.roots.read().map_err(unreadable)?;
        let webpki = WebPkiServerVerifier::builder_with_provider(believed.store, Arc::clone(&self.provider));
        let webpki = webpki.build().map_err(|error| unreadable(error.into()))?;
        let verify = |name| webpki.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        let mut verified = verify(server_name);
        for name in &self.names {
            if is_of_another_name(&verified) {
                verified = verify(name);
            }
        }
        match verified {
            Ok(verified) => {
                let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
                self.ends.note(&chain, &believed.certificates);
                Ok(verified)
            }
            Err(error) => Err(Refusal::of(&error, self.keys, end_entity, (server_name, &self.from())).into_error()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_of_another_name(verified: &Result<ServerCertVerified, Error>) -> bool {
    matches!(
        verified,
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ))
    )
}
