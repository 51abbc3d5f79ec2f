//! Certificates for tests, made anew each time: authorities, what they sign for servers and clients, and files of them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

/// Somebody who signs certificates.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM; the key is PKCS #8 without a password.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// Two of the same name are still two: each has a key of its own.
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// What believes this authority is told, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// For a server of these names and addresses, the first of which is its common name.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(params(names[0], names))
    }

    /// As [`Authority::server`], over since 2021.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        let mut params = params(names[0], names);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    /// For whoever shows a certificate to a server.
    pub fn client(&self, name: &str) -> Identity {
        self.sign(params(name, &[]))
    }

    fn sign(&self, mut params: CertificateParams) -> Identity {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Identity {
    /// Key and certificate in one text, as Kafka's brokers read a PEM key store.
    pub fn both(&self) -> String {
        [self.key.as_str(), self.certificate.as_str()].concat()
    }
}

/// Valid from 2020 to 2120.
fn params(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(alternatives).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// A folder of files that goes with its value.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the file in one step, as a mounted Secret changes: nobody reads half of it.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let (path, draft) = (self.path().join(name), self.path().join(format!(".{name}.draft")));
        std::fs::write(&draft, content).unwrap();
        std::fs::rename(&draft, &path).unwrap();
        path
    }
}
