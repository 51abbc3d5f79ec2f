//! A door to a service: open, frozen (connections stand, nothing passes) or shut (they are cut, new ones refused).

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Door {
    service: String,
    port: u16,
    frozen: watch::Sender<bool>,
    /// Who only has the port refuses connections, and nobody else can take it meanwhile.
    shut: Option<TcpSocket>,
    open: Option<JoinSet<()>>,
}

impl Door {
    /// In front of a service at `host:port`.
    pub fn shut(service: &str) -> Self {
        let socket = bound(0);
        let port = socket.local_addr().unwrap().port();
        Self { service: service.to_owned(), port, frozen: watch::Sender::new(false), shut: Some(socket), open: None }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn open(&mut self) {
        let Some(socket) = self.shut.take() else { return };
        let listener = socket.listen(1024).unwrap();
        let (service, frozen) = (self.service.clone(), self.frozen.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropping the set cuts all of them at once.
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(pass(near, service.clone(), frozen.subscribe()));
            }
        });
        self.open = Some(tasks);
    }

    pub async fn close(&mut self) {
        if let Some(mut tasks) = self.open.take() {
            tasks.shutdown().await;
            self.shut = Some(bound(self.port));
        }
    }

    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// What was on its way is lost, so the thaw ends the connections.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    socket
}

async fn pass(mut near: TcpStream, service: String, mut frozen: watch::Receiver<bool>) {
    // A service that is away itself is a door that is shut.
    let Ok(mut far) = TcpStream::connect(service).await else { return };
    let passed = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => true,
        _ = frozen.wait_for(|frozen| *frozen) => false,
    };
    if !passed {
        drop(frozen.wait_for(|frozen| !*frozen).await);
    }
}
