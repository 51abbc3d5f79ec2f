//! A gateway between the worker and the stand-in that spoils some answers, in ways in which no service answers by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::case::Dice;

/// Longer than the case's `sync.timeout`.
const TOO_LONG: Duration = Duration::from_millis(1_500);

/// What becomes of an answer.
#[derive(Clone, Copy, Debug)]
enum Oddity {
    /// The work is done; the head of the answer comes too late.
    SlowHead,
    /// The work is done; the body comes byte by byte.
    SlowBody,
    /// The work is done; the connection is reset in the middle of the body.
    CutBody,
    /// The work is done; the body is the first half of its JSON.
    HalfJson,
    /// The work is done; the body is JSON of another kind.
    OtherJson,
    /// The work is done; the body calls itself HTML, and is.
    Html,
    /// Nothing is done: 408, as a gateway answers that did not get the question in time.
    RequestTimeout,
}

impl Oddity {
    const ALL: [Self; 7] = [
        Self::SlowHead,
        Self::SlowBody,
        Self::CutBody,
        Self::HalfJson,
        Self::OtherJson,
        Self::Html,
        Self::RequestTimeout,
    ];
}

pub struct OddGateway {
    pub endpoint: String,
    played: Arc<AtomicUsize>,
    chance: Arc<Mutex<Option<usize>>>,
}

impl OddGateway {
    /// In front of a stand-in at `host:port`.
    pub async fn start(service: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/data/sync", listener.local_addr().unwrap());
        let (played, chance) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
        let dice = Arc::new(Mutex::new(Dice::new()));
        let gateway = Self { endpoint, played: Arc::clone(&played), chance: Arc::clone(&chance) };
        let service = service.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (service, played) = (service.clone(), Arc::clone(&played));
                let (chance, dice) = (Arc::clone(&chance), Arc::clone(&dice));
                tokio::spawn(async move {
                    let draw = || {
                        let one_in = (*chance.lock().unwrap())?;
                        let mut dice = dice.lock().unwrap();
                        let odd = dice.below(one_in) == 0;
                        odd.then(|| Oddity::ALL[played.fetch_add(1, Ordering::Relaxed) % Oddity::ALL.len()])
                    };
                    serve(near, &service, draw).await
                });
            }
        });
        gateway
    }

    /// From now on one answer in so many is spoiled; `None`: none is.
    pub fn spoil(&self, one_in: Option<usize>) {
        *self.chance.lock().unwrap() = one_in;
    }

    pub fn played(&self) -> usize {
        self.played.load(Ordering::Relaxed)
    }
}

/// One connection; `None` ends it.
async fn serve(mut near: TcpStream, service: &str, draw: impl Fn() -> Option<Oddity>) -> Option<()> {
    loop {
        let question = message(&mut near).await?;
        let oddity = draw();
        if matches!(oddity, Some(Oddity::RequestTimeout)) {
            say(&mut near, "408 Request Timeout\r\nconnection: close", "text/html", "<html></html>").await?;
            return None;
        }
        let mut far = TcpStream::connect(service).await.ok()?;
        far.write_all(&question).await.ok()?;
        let answer = message(&mut far).await?;
        drop(far);
        match oddity {
            None => near.write_all(&answer).await.ok()?,
            Some(oddity) => spoil(&mut near, &answer, oddity).await?,
        }
    }
}

async fn spoil(near: &mut TcpStream, answer: &[u8], oddity: Oddity) -> Option<()> {
    let (head, body) = answer.split_at(end_of_head(answer)?);
    match oddity {
        Oddity::SlowHead => {
            tokio::time::sleep(TOO_LONG).await;
            near.write_all(answer).await.ok()
        }
        Oddity::SlowBody => {
            near.write_all(head).await.ok()?;
            for byte in body.chunks(1) {
                near.write_all(byte).await.ok()?;
                tokio::time::sleep(TOO_LONG / 10).await;
            }
            Some(())
        }
        Oddity::CutBody => {
            near.write_all(head).await.ok()?;
            near.write_all(&body[..body.len() / 2]).await.ok()?;
            near.set_zero_linger().ok()?;
            None
        }
        Oddity::HalfJson => {
            let half = String::from_utf8_lossy(&body[..body.len() / 2]).into_owned();
            say(near, "200 OK", "application/json", &half).await
        }
        Oddity::OtherJson => say(near, "200 OK", "application/json", r#"["SUCCESS", 7, null]"#).await,
        Oddity::Html => say(near, "200 OK", "text/html", "<html><body>SUCCESS</body></html>").await,
        Oddity::RequestTimeout => Some(()),
    }
}

async fn say(near: &mut TcpStream, status: &str, kind: &str, body: &str) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    near.write_all((head + body).as_bytes()).await.ok()
}

/// One whole HTTP message that tells its length.
async fn message(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = end_of_head(&bytes)
            && bytes.len() >= end + length(&bytes[..end])
        {
            return Some(bytes);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:").map(str::trim).map(str::parse));
    length.and_then(Result::ok).unwrap_or(0)
}
