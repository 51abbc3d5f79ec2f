//! A server for the tests of this adapter: it writes the bytes it is given, so that recordings are replayed exactly and
//! connections can break wherever a test wants them to. (The stand-in with behaviour is `deploy/local/sync-api`.)

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens after a request has been read.
#[derive(Clone)]
pub(super) enum Reply {
    Bytes(Vec<u8>),
    /// These bytes, then silence on an open connection.
    Stall(Vec<u8>),
    /// These bytes, then a reset.
    Reset(Vec<u8>),
    /// A chunked body that never ends.
    Endless,
    /// What the service would say: every id indexed.
    Echo,
}

pub(super) struct Stub {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Message>>>,
}

/// A request or a response, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The first line and the headers.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Stub {
    pub(super) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/data/sync", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, reply.clone(), seen.clone()));
            }
        });
        Self { url, requests }
    }

    pub(super) fn requests(&self) -> Vec<Message> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<Message>>>) {
    let Some(request) = read_request(&mut socket).await else { return };
    let echo = respond(200, &echo_of(&request));
    seen.lock().unwrap().push(request);
    match reply {
        Reply::Bytes(bytes) => socket.write_all(&bytes).await.unwrap(),
        Reply::Echo => socket.write_all(&echo).await.unwrap(),
        Reply::Stall(bytes) => {
            socket.write_all(&bytes).await.unwrap();
            // Until the client gives up.
            drop(socket.read(&mut [0]).await);
        }
        Reply::Reset(bytes) => {
            socket.write_all(&bytes).await.unwrap();
            socket.flush().await.unwrap();
            socket.set_zero_linger().unwrap();
        }
        Reply::Endless => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
            while socket.write_all(&chunk).await.is_ok() {}
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<Message> {
    let mut bytes = Vec::new();
    loop {
        if let Some(message) = Message::parse(&bytes) {
            let length = message.header("content-length").map_or(0, |length| length.parse().unwrap());
            if message.body.len() >= length {
                return Some(message);
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn echo_of(request: &Message) -> String {
    let ids = request.json()["request"]["objectIds"].as_array().cloned().unwrap_or_default();
    let indexed: serde_json::Map<_, _> =
        ids.iter().filter_map(Value::as_str).map(|id| (id.to_owned(), Value::Bool(true))).collect();
    serde_json::json!({"responseCode": "OK", "result": {"response": "SUCCESS", "esSyncResponse": indexed}}).to_string()
}

pub(super) fn respond(status: u16, body: &str) -> Vec<u8> {
    respond_with(status, "content-type: application/json", body)
}

pub(super) fn respond_with(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

impl Message {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        Some(Self { head, body: bytes[end + 4..].to_vec() })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Null when the body is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One exchange with the real service.
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) request: Message,
    pub(super) response: Vec<u8>,
}

/// All of `tests/fixtures/recordings`, by name.
pub(super) fn recordings() -> Vec<Recording> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings");
    let mut all: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".response.http").map(str::to_owned)
        })
        .map(|name| Recording {
            request: Message::parse(&std::fs::read(folder.join(format!("{name}.request.http"))).unwrap()).unwrap(),
            response: std::fs::read(folder.join(format!("{name}.response.http"))).unwrap(),
            name,
        })
        .collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all
}

/// Far above what loopback needs, far below what a person waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
