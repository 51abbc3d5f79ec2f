//! A TLS server before a service that has none, with a certificate that can be replaced.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::tls::certificates::Identity;

pub struct Front {
    port: u16,
    shown: Arc<Mutex<Arc<ServerConfig>>>,
    cut: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Front {
    /// Before the service at `host:port`.
    pub async fn start(service: &str, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shown, cut) = (Arc::new(Mutex::new(config(identity))), watch::Sender::new(()));
        let (service, shows, cuts) = (service.to_owned(), Arc::clone(&shown), cut.clone());
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let config = Arc::clone(&shows.lock().unwrap());
                tokio::spawn(pass(near, service.clone(), config, cuts.subscribe()));
            }
        });
        Self { port, shown, cut, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on; connections that stand are cut, as by a service that is restarted.
    pub fn show(&self, identity: &Identity) {
        *self.shown.lock().unwrap() = config(identity);
        self.cut();
    }

    /// Cuts the connections that stand, and shows what it showed: whoever has a ticket may resume its session.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(identity: &Identity) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        );
    Arc::new(config.unwrap())
}

async fn pass(near: TcpStream, service: String, config: Arc<ServerConfig>, mut cut: watch::Receiver<()>) {
    // A client that does not believe the certificate is what some tests want to see.
    let Ok(mut near) = TlsAcceptor::from(config).accept(near).await else { return };
    let Ok(mut far) = TcpStream::connect(service).await else { return };
    tokio::select! {
        passed = copy_bidirectional(&mut near, &mut far) => drop(passed),
        _ = cut.changed() => {}
    }
}
