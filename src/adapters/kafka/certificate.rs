//! What is wrong with a broker's certificate: librdkafka says the same of each, that it could not be verified.
//!
//! The brokers are asked for it once more with the TLS of the other adapters, which tells expired from unknown from not
//! for this name. Nothing is sent but a handshake.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls_pki_types::ServerName;

use crate::adapters::tls::{Keys, Trust, refusal};

const KEYS: Keys = Keys { ca_file: "kafka.properties.ssl.ca.location", address: "kafka.brokers" };

/// Of one connection, and of each answer on it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether one of them speaks TLS: a client that does not is only disconnected. Blocks.
pub(super) fn speaks_tls(brokers: &str) -> Option<String> {
    let config = Arc::new(Trust::of(KEYS, None).client_config().ok()?);
    let speaks = |broker: &&str| match handshake(broker, Arc::clone(&config)) {
        Some(Ok(()) | Err(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))) => true,
        Some(Err(_)) | None => false,
    };
    brokers.split(',').map(str::trim).find(speaks).map(str::to_owned)
}

/// Of the first broker whose certificate is wrong; `None` where none is, or none says so. Blocks.
pub(super) fn problem(brokers: &str, authorities: Option<&Path>) -> Option<String> {
    let config = Arc::new(Trust::of(KEYS, authorities).client_config().ok()?);
    brokers.split(',').map(str::trim).find_map(|broker| {
        let problem @ rustls::Error::InvalidCertificate(_) = handshake(broker, Arc::clone(&config))?.err()? else {
            return None;
        };
        refusal(&problem, KEYS).map(|refusal| refusal.to_string())
    })
}

/// `None` where no TLS came about to speak of.
fn handshake(broker: &str, config: Arc<rustls::ClientConfig>) -> Option<Result<(), rustls::Error>> {
    let (host, _) = broker.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let mut session = ClientConnection::new(config, name).ok()?;
    let mut socket = TcpStream::connect_timeout(&broker.to_socket_addrs().ok()?.next()?, PATIENCE).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    // Until the handshake is done, or fails.
    match session.complete_io(&mut socket) {
        Ok(_) => Some(Ok(())),
        Err(error) => Some(Err(error.get_ref()?.downcast_ref::<rustls::Error>()?.clone())),
    }
}
