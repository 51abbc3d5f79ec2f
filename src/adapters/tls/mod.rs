//! Trust: which certificates this process believes, for every adapter that speaks TLS.
//!
//! One stack (rustls with aws-lc-rs) for Cassandra, PostgreSQL and HTTP: the chain, the name and the dates are always
//! verified, and there is no setting that verifies less. What a failed handshake means for a call is the adapters'
//! business; what was wrong with the certificate is told here. Kafka has its own TLS, inside librdkafka.

mod certificate;
mod ends;
mod refusal;
mod roots;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::ServerName;

pub use ends::{Ends, Noted, ends_in_file};
pub use refusal::{Refusal, refusal};
use roots::Roots;
use verifier::Verifier;

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

/// The keys of the configuration that decide whether a server is believed.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub ca_file: &'static str,
    /// Where the name comes from that the certificate must have.
    pub address: &'static str,
}

/// Whom one adapter believes.
pub struct Trust {
    keys: Keys,
    ca_file: Option<PathBuf>,
    names: Vec<ServerName<'static>>,
    ends: Ends,
}

impl Trust {
    /// The system's authorities, or only those of `ca_file` when there is one.
    pub fn of(keys: Keys, ca_file: Option<&Path>) -> Self {
        Self { keys, ca_file: ca_file.map(Path::to_owned), names: Vec::new(), ends: Ends::default() }
    }

    /// A certificate is good too when it is for one of these instead of the address that was connected to. What is no
    /// name is left out.
    pub fn or_for<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().filter_map(|name| ServerName::try_from(name.to_owned()).ok());
        self.names.extend(names);
        self
    }

    /// Where it is noted when the certificates that were seen end.
    pub fn noting(mut self, ends: &Ends) -> Self {
        self.ends = ends.clone();
        self
    }

    /// A client's configuration. The CA file is read now, so that a wrong one is told, and again at each handshake.
    ///
    /// # Errors
    /// When the CA file, or the system's store, cannot be used.
    pub fn client_config(self) -> anyhow::Result<ClientConfig> {
        let roots = Roots::of(self.ca_file.as_deref())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new(self.keys, roots, self.names, self.ends, Arc::clone(&provider));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("this build of aws-lc-rs offers no version of TLS")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // A resumed session shows no certificate: one that has ended meanwhile, or is of an authority that is not
        // believed any more, would pass.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}
