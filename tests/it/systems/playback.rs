//! Plays recorded answers of the Sync API, byte for byte but for the ids: the stand-in gives those that fit the question,
//! this one gives any answer to any question.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One exchange with the real service, with ids that no other test has.
pub struct Recording {
    pub name: String,
    pub number: u32,
    /// Those that were asked for, each once; of a question that named none, somebody's.
    pub ids: BTreeSet<String>,
    pub answer: String,
}

impl Recording {
    /// All of them, in order.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings");
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: BTreeSet<_> =
            names.filter_map(|name| name.strip_suffix(".request.http").map(str::to_owned)).collect();
        names.into_iter().map(|name| Self::load(&folder, name)).collect()
    }

    fn load(folder: &Path, name: String) -> Self {
        let new = uuid::Uuid::new_v4().to_string();
        let read = |kind: &str| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.{kind}.http"))).unwrap();
            // The middle of every id: of the same length, so that the head still tells the length of the body.
            text.replace("-0000-4000-8000-", &new[8..24])
        };
        let (request, answer) = (read("request"), read("response"));
        let body: Value = serde_json::from_str(body_of(&request)).unwrap_or_default();
        let mut ids: BTreeSet<String> = ids(&body).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        if ids.is_empty() {
            ids.insert(new);
        }
        Self { number: name.split('-').nth(1).unwrap().parse().unwrap(), name, ids, answer }
    }

    /// Whether the answer says that this one is indexed.
    pub fn has_indexed(&self, id: &str) -> bool {
        self.answer.contains(&format!("\"{id}\":true"))
    }
}

fn body_of(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Answers calls with what is on, or as the service in good health.
pub struct Playback {
    pub endpoint: String,
    on: Arc<Mutex<Option<On>>>,
}

#[derive(Clone)]
struct On {
    answer: String,
    /// Who asks for none of these hears that all is well.
    only_about: Option<BTreeSet<String>>,
}

impl Playback {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/data/sync", listener.local_addr().unwrap());
        let on = Arc::new(Mutex::new(None));
        let answers = Arc::clone(&on);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&answers)));
            }
        });
        Self { endpoint, on }
    }

    /// From now on; `always`: also to a probe, which asks for others.
    pub fn play(&self, recording: &Recording, always: bool) {
        let only_about = (!always).then(|| recording.ids.clone());
        *self.on.lock().unwrap() = Some(On { answer: recording.answer.clone(), only_about });
    }

    pub fn stop(&self) {
        *self.on.lock().unwrap() = None;
    }
}

async fn serve(mut socket: TcpStream, on: Arc<Mutex<Option<On>>>) {
    while let Some(request) = read_request(&mut socket).await {
        let concerns = |on: &On| {
            let about = |all: &BTreeSet<String>| ids(&request).any(|id| all.contains(id));
            on.only_about.as_ref().is_none_or(about)
        };
        let on = on.lock().unwrap().clone().filter(concerns);
        let answer = on.map_or_else(|| good_answer(&request), |on| on.answer);
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request.
async fn read_request(socket: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n")
            && let Ok(body) = serde_json::from_slice(&bytes[end + 4..])
        {
            return Some(body);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn ids(request: &Value) -> impl Iterator<Item = &str> {
    request["request"]["objectIds"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn good_answer(request: &Value) -> String {
    let indexed: serde_json::Map<_, _> = ids(request).map(|id| (id.to_owned(), true.into())).collect();
    let body = json!({"responseCode": "OK", "result": {"response": "SUCCESS", "esSyncResponse": indexed}}).to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
