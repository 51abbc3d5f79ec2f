//! The authorities: the system's, or those of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Where the authorities come from.
#[derive(Debug)]
pub(super) enum Roots {
    System(Arc<RootCertStore>),
    File(PathBuf),
}

/// What is believed at one handshake.
pub(super) struct Believed {
    pub store: Arc<RootCertStore>,
    /// Of a file only: the system's are the image's, and end with it.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Reads them once, so that what cannot be used is told at the start.
    pub(super) fn of(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match ca_file {
            Some(file) => {
                of_file(file)?;
                Self::File(file.to_owned())
            }
            None => Self::System(Arc::new(of_system()?)),
        })
    }

    /// A file is read anew: handshakes are rare, and an operator who changes it restarts nothing.
    pub(super) fn read(&self) -> anyhow::Result<Believed> {
        match self {
            Self::System(store) => Ok(Believed { store: Arc::clone(store), certificates: Vec::new() }),
            Self::File(file) => of_file(file),
        }
    }
}

/// Every certificate of the file counts: one that cannot be used is an error, since it was put there on purpose.
fn of_file(file: &Path) -> anyhow::Result<Believed> {
    let name = file.display();
    let pem = fs::read(file).with_context(|| format!("cannot read the CA file {name}"))?;
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.with_context(|| format!("the CA file {name} is not valid PEM"))?;
        store
            .add(certificate.clone())
            .with_context(|| format!("a certificate in the CA file {name} cannot be used as a root"))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        bail!("the CA file {name} holds no certificate");
    }
    Ok(Believed { store: Arc::new(store), certificates })
}

/// A system's store may hold certificates that rustls refuses; the others still count.
fn of_system() -> anyhow::Result<RootCertStore> {
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
