//! A stand-in in this process, talked to over pipes in memory: no ports, and paused time passes exactly.
#![expect(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;

use serde_json::{Value, json};
use sync_api_stand_in::rows::{MemoryRows, ObjectType, Row, RowSource};
use sync_api_stand_in::{Settings, StandIn, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

pub struct Stand {
    app: Arc<StandIn>,
    pub rows: Arc<MemoryRows>,
}

/// An answer, byte for byte.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer starts with its status")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn result(&self) -> Value {
        self.json()["result"].clone()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }
}

/// Ids `a`, `b`, `c`, `d` exist, with the statuses 1, 2, 2 and none; every other id is missing.
pub async fn stand(settings: Settings) -> Stand {
    let rows = Arc::new(MemoryRows::default());
    for (id, status) in [("a", Some(1)), ("b", Some(2)), ("c", Some(2)), ("d", None)] {
        rows.put(ObjectType::User, id, Row { status, is_deleted: Some(status == Some(2)), root_org_id: None });
    }
    let app = StandIn::build(settings, Arc::clone(&rows) as _).await.expect("nothing outside is needed");
    Stand { app, rows }
}

/// Rows come from elsewhere than `Stand::rows`.
pub async fn stand_over(source: Arc<dyn RowSource>, settings: Settings) -> Stand {
    let app = StandIn::build(settings, source).await.expect("nothing outside is needed");
    Stand { app, rows: Arc::default() }
}

pub async fn usual() -> Stand {
    stand(Settings::default()).await
}

impl Stand {
    pub fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(server::serve_connection(Arc::clone(&self.app), far));
        near
    }

    /// Sends `request` as it is; `None` when the connection is closed without an answer.
    pub async fn send(&self, request: &[u8]) -> Option<Answer> {
        exchange(self.connect(), request).await
    }

    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n");
        let answer = self.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await;
        answer.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "").await.json()
    }

    pub async fn tell(&self, behaviour: Value) {
        let answer = self.ask("PUT", "/behaviour", &behaviour.to_string()).await;
        assert_eq!(answer.status(), 200, "{}", answer.body);
    }

    /// A call in sync mode.
    pub async fn sync(&self, ids: &[&str]) -> Option<Answer> {
        self.send(&sync_request("user", Some("sync"), ids)).await
    }

    /// `true` and `false` ids of a call that is answered 200.
    pub async fn outcome(&self, ids: &[&str]) -> Value {
        let answer = self.sync(ids).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.body);
        answer.result()
    }
}

pub fn sync_request(object_type: &str, operation: Option<&str>, ids: &[&str]) -> Vec<u8> {
    let mut fields = json!({"objectType": object_type, "operationFor": "es", "objectIds": ids});
    if let Some(operation) = operation {
        fields["operationType"] = json!(operation);
    }
    let body = json!({"params": {}, "request": fields}).to_string();
    let head = "POST /v1/data/sync HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nX-Request-ID: r-1\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Sends and reads one answer by its content-length, whatever its spelling.
pub async fn exchange(mut connection: DuplexStream, request: &[u8]) -> Option<Answer> {
    connection.write_all(request).await.ok()?;
    let mut read = Vec::new();
    loop {
        if let Some(answer) = whole(&read) {
            return Some(answer);
        }
        if connection.read_buf(&mut read).await.ok()? == 0 {
            assert!(read.is_empty(), "the connection ended inside an answer");
            return None;
        }
    }
}

fn whole(read: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(read).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let length =
        lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, length)| length).next()?;
    let is_whole = body.len() == length.parse::<usize>().ok()?;
    is_whole.then(|| Answer { head: head.to_owned(), body: body.to_owned() })
}
