//! Against the local stack's real Cassandra, which has to be up: `deploy/local/stack up`.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use serde_json::{Value, json};
use support::{Answer, exchange, sync_request};
use sync_api_stand_in::cassandra::CassandraRows;
use sync_api_stand_in::{Settings, StandIn, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Long enough for a driver to find a node again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_the_rows_of_the_real_cassandra() {
    let users = Users::insert(&[(Some(1), Some(false)), (Some(2), Some(true)), (None, None)]).await;
    let app = stand_in(&cassandra()).await;
    let ids = users.ids();
    let missing = format!("{}-missing", ids[0]);
    let asked: Vec<&str> = ids.iter().map(String::as_str).chain([missing.as_str(), ""]).collect();
    let all_read = json!({ids[0].as_str(): true, ids[1].as_str(): true, ids[2].as_str(): true});
    let result = eventually(&app, &asked, |result| result["esSyncResponse"] == all_read).await;
    assert_eq!((&result[missing.as_str()], &result[""]), (&json!(false), &json!(false)));
    let document = async |id: &str| get(&app, &format!("/documents/{id}")).await;
    for (id, status, is_deleted) in
        [(&ids[0], json!(1), json!(false)), (&ids[1], json!(2), json!(true)), (&ids[2], json!(null), json!(null))]
    {
        let document = document(id).await;
        assert_eq!(
            (&document["status"], &document["isDeleted"], &document["rootOrgId"]),
            (&status, &is_deleted, &json!("org"))
        );
    }
    // The next call reads the row anew.
    users.set_status(&ids[0], 2).await;
    eventually(&app, &[&ids[0]], |result| result["esSyncResponse"] == json!({ids[0].as_str(): true})).await;
    assert_eq!(document(&ids[0]).await["status"], 2);
    users.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_cassandra_when_it_comes_and_comes_back() {
    let users = Users::insert(&[(Some(2), Some(true))]).await;
    let wire = Wire::cut_to(cassandra()).await;
    let app = stand_in(&wire.address.to_string()).await;
    let ids = users.ids();
    let id = ids[0].as_str();
    let outage = json!({"response": "SUCCESS", id: false, "esSyncResponse": {}});
    let health = json!({"response": "SUCCESS", "esSyncResponse": {id: true}});
    assert_eq!(sync(&app, &[id]).await.result(), outage);
    for _ in 0..2 {
        wire.is_open.send_replace(true);
        eventually(&app, &[id], |result| *result == health).await;
        wire.is_open.send_replace(false);
        eventually(&app, &[id], |result| *result == outage).await;
    }
    users.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_blocks_of_real_rows_at_once_lose_none() {
    let users = Users::insert(&[(Some(2), Some(true)); 2_000]).await;
    let app = stand_in(&cassandra()).await;
    let ids = users.ids();
    let id = ids[0].as_str();
    eventually(&app, &[id], |result| result["esSyncResponse"] == json!({id: true})).await;
    let blocks = ids.chunks(100).map(|block| {
        let app = &app;
        async move { sync(app, &block.iter().map(String::as_str).collect::<Vec<_>>()).await.status() }
    });
    assert_eq!(futures::future::join_all(blocks).await, [200; 20]);
    assert_eq!(get(&app, "/documents").await["documents"], 2_000);
    users.remove().await;
}

/// The stack's port, offset as the stack's own programs do.
fn cassandra() -> String {
    let offset = std::env::var("STACK_PORT_OFFSET").ok().and_then(|offset| offset.parse().ok()).unwrap_or(0_u16);
    format!("127.0.0.1:{}", 29042 + offset)
}

async fn stand_in(cassandra: &str) -> Arc<StandIn> {
    let rows = Arc::new(CassandraRows::new(cassandra, "sunbird"));
    let settings = Settings {
        per_id: Duration::ZERO,
        per_missing_id: Duration::ZERO,
        server_limit: PATIENCE,
        ..Settings::default()
    };
    let app = StandIn::build(settings, Arc::clone(&rows) as _).await.expect("nothing outside is needed");
    tokio::spawn(async move { rows.keep_connected().await });
    app
}

async fn send(app: &Arc<StandIn>, request: &[u8]) -> Answer {
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(server::serve_connection(Arc::clone(app), far));
    exchange(near, request).await.expect("an answer")
}

async fn sync(app: &Arc<StandIn>, ids: &[&str]) -> Answer {
    send(app, &sync_request("user", Some("sync"), ids)).await
}

async fn get(app: &Arc<StandIn>, path: &str) -> Value {
    send(app, format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).await.json()
}

async fn eventually(app: &Arc<StandIn>, ids: &[&str], is_expected: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let answer = sync(app, ids).await;
        if answer.status() == 200 && is_expected(&answer.result()) {
            return answer.result();
        }
        assert!(since.elapsed() < PATIENCE, "still {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Rows of this test alone.
struct Users {
    session: Session,
    prefix: String,
    count: usize,
}

impl Users {
    async fn insert(rows: &[(Option<i32>, Option<bool>)]) -> Self {
        let session = SessionBuilder::new().known_node(cassandra()).build().await;
        let session =
            session.unwrap_or_else(|error| panic!("no Cassandra at {}: deploy/local/stack up? {error}", cassandra()));
        let users = Self { session, prefix: format!("stand-in-{}", uuid::Uuid::new_v4()), count: rows.len() };
        let insert = "INSERT INTO sunbird.user (id, userid, status, isdeleted, rootorgid) VALUES (?, ?, ?, ?, 'org')";
        let insert = users.session.prepare(insert).await.expect("the stack has the table");
        for (id, (status, is_deleted)) in users.ids().iter().zip(rows) {
            users.session.execute_unpaged(&insert, (id, id, status, is_deleted)).await.expect("a row is written");
        }
        users
    }

    fn ids(&self) -> Vec<String> {
        (0..self.count).map(|number| format!("{}-{number}", self.prefix)).collect()
    }

    async fn set_status(&self, id: &str, status: i32) {
        let update = "UPDATE sunbird.user SET status = ? WHERE id = ?";
        self.session.query_unpaged(update, (status, id)).await.expect("a row is written");
    }

    async fn remove(&self) {
        let delete =
            self.session.prepare("DELETE FROM sunbird.user WHERE id = ?").await.expect("the stack has the table");
        for id in self.ids() {
            self.session.execute_unpaged(&delete, (id,)).await.expect("a row is deleted");
        }
    }
}

/// A way to Cassandra that can be cut: connections break, and new ones are closed at once.
struct Wire {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Wire {
    async fn cut_to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let is_open = watch::Sender::new(false);
        let state = is_open.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() {
                    tokio::spawn(carry(near, target.clone(), state.clone()));
                }
            }
        });
        Self { address, is_open }
    }
}

async fn carry(mut near: TcpStream, target: String, mut state: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = state.wait_for(|is_open| !is_open) => {}
    }
}
