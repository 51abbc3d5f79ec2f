//! A way to the database that is closed until it is opened.

use std::sync::Arc;

use local_stack::Stack;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    port: u16,
    is_open: Arc<watch::Sender<bool>>,
}

impl Proxy {
    /// Connections are closed as soon as they are made.
    pub async fn closed(stack: &Stack) -> Self {
        let target = (stack.postgres.host.clone(), stack.postgres.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_open = Arc::new(watch::Sender::new(false));
        let state = Arc::clone(&is_open);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (host, port) = target.clone();
                if *state.borrow() {
                    tokio::spawn(async move {
                        let mut far = TcpStream::connect((host.as_str(), port)).await.ok()?;
                        tokio::io::copy_bidirectional(&mut near, &mut far).await.ok()
                    });
                }
            }
        });
        Self { port, is_open }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn open(&mut self) {
        self.is_open.send_replace(true);
    }
}
