use std::io;
use std::path::Path;

use rustls::{AlertDescription, CertificateError};

use super::*;

const KEYS: Keys = Keys { ca_file: "some.ca_file", address: "some.host" };

fn config(ca_file: &Path) -> anyhow::Result<ClientConfig> {
    Trust::of(KEYS, Some(ca_file)).client_config()
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
        let message = format!("{:#}", config(&file).expect_err("the file should be refused"));
        assert!(message.contains(problem), "{message}");
        assert!(message.contains(&file.display().to_string()), "{message}");
    }
}

#[test]
fn a_ca_file_may_hold_several_certificates() {
    let file = testing::pem_file(&[testing::CA, testing::OTHER_CA].concat());
    assert!(config(file.path()).is_ok());
    assert_eq!(Roots::of(Some(file.path())).unwrap().read().unwrap().certificates.len(), 2);
}

#[test]
fn a_certificate_error_is_found_through_layers_of_io_errors() {
    let told = |error: &(dyn std::error::Error + 'static)| refusal(error, KEYS).map(|refusal| refusal.to_string());
    let refused = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let nested = io::Error::other(io::Error::other(refused()));
    assert!(told(&refused()).is_some_and(|told| told.starts_with("some.host: ")));
    assert!(told(&nested).is_some());
    let own = Refusal::new("some.ca_file", "not by any".to_owned()).into_error();
    assert_eq!(told(&io::Error::other(own)).as_deref(), Some("some.ca_file: not by any"));
    assert!(told(&rustls::Error::AlertReceived(AlertDescription::CertificateRequired)).is_some());
    assert!(told(&io::Error::other(rustls::Error::AlertReceived(AlertDescription::InternalError))).is_none());
    assert!(told(&io::Error::from(io::ErrorKind::ConnectionReset)).is_none());
}
