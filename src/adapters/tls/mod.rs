//! Trust: which certificates this process believes, for every adapter that speaks TLS.
//!
//! One stack (rustls with aws-lc-rs) for Cassandra, PostgreSQL and HTTP. What a failed handshake means for a call is
//! the adapters' business; that it was the certificate is told here. Kafka has its own TLS, inside librdkafka.

#[cfg(test)]
pub(crate) mod testing;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Makes aws-lc-rs the provider of everything that does not name one; called first thing in `main`, harmless when
/// repeated.
///
/// Libraries in the tree could enable a second provider, and then rustls panics at the first handshake instead of
/// choosing (`facts/kafka.md` 4g).
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // A lost race means that another thread has just installed one.
        drop(aws_lc_rs::default_provider().install_default());
    }
}

/// A client's configuration that believes the system's roots, or only those of `ca_file` when there is one.
pub fn client_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let roots = match ca_file {
        Some(file) => roots_of(file)?,
        None => system_roots()?,
    };
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("this build of aws-lc-rs offers no version of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Every certificate of the file counts: one that cannot be used is an error, since it was put there on purpose.
fn roots_of(file: &Path) -> anyhow::Result<RootCertStore> {
    let name = file.display();
    let pem = std::fs::read(file).with_context(|| format!("cannot read the CA file {name}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.with_context(|| format!("the CA file {name} is not valid PEM"))?;
        roots
            .add(certificate)
            .with_context(|| format!("a certificate in the CA file {name} cannot be used as a root"))?;
    }
    if roots.is_empty() {
        bail!("the CA file {name} holds no certificate");
    }
    Ok(roots)
}

/// A system's store may hold certificates that rustls refuses; the others still count.
fn system_roots() -> anyhow::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let error = anyhow::anyhow!("this system has no root certificates (Debian: ca-certificates); set ca_file");
        return Err(found.errors.into_iter().next().map_or(error, |first| {
            anyhow::Error::new(first)
                .context("the system's root certificates cannot be read; install them or set ca_file")
        }));
    }
    Ok(roots)
}

/// Whether a handshake failed because one side does not believe the other's certificate: only a person can mend that.
pub fn is_certificate_error(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<rustls::Error>().is_some_and(speaks_of_certificates) {
            return true;
        }
        // An I/O error hides what it wraps: its `source` is the wrapped error's source.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

fn speaks_of_certificates(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn message(result: anyhow::Result<ClientConfig>) -> String {
        format!("{:#}", result.expect_err("the file should be refused"))
    }

    #[test]
    fn the_provider_can_be_installed_more_than_once() {
        install_provider();
        install_provider();
        assert!(CryptoProvider::get_default().is_some());
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (file, problem) in [
            (directory.path().join("absent.pem"), "cannot read"),
            (write("empty.pem", b""), "holds no certificate"),
            (write("key.pem", testing::KEY.as_bytes()), "holds no certificate"),
            (write("broken.pem", broken.as_bytes()), "is not valid PEM"),
            (write("short.pem", not_a_certificate.as_bytes()), "cannot be used as a root"),
            (write("mixed.pem", [testing::CA, not_a_certificate].concat().as_bytes()), "cannot be used as a root"),
        ] {
            let message = message(client_config(Some(&file)));
            assert!(message.contains(problem), "{message}");
            assert!(message.contains(&file.display().to_string()), "{message}");
        }
    }

    #[test]
    fn a_ca_file_may_hold_several_certificates() {
        let file = testing::pem_file(&[testing::CA, testing::OTHER_CA].concat());
        assert!(client_config(Some(file.path())).is_ok());
        assert_eq!(roots_of(file.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_certificate_error_is_found_through_layers_of_io_errors() {
        let refused = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let nested = io::Error::other(io::Error::other(refused()));
        assert!(is_certificate_error(&refused()));
        assert!(is_certificate_error(&nested));
        assert!(is_certificate_error(&rustls::Error::AlertReceived(AlertDescription::CertificateRequired)));
        assert!(!is_certificate_error(&io::Error::other(rustls::Error::AlertReceived(
            AlertDescription::InternalError
        ))));
        assert!(!is_certificate_error(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}
