//! Cassandra goes away and comes back.

use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use user_purge_sync::adapters::cassandra::CassandraDirectory;
use user_purge_sync::domain::ids::ObjectType;
use user_purge_sync::ports::Blame::Server;
use user_purge_sync::ports::Disposition::Retry;
use user_purge_sync::ports::UserDirectory;
use user_purge_sync::settings::CassandraSettings;

use crate::cassandra::support::{PATIENCE, address, directory, settings, user_id};

/// A door to Cassandra: open, frozen (connections stand, nothing passes) or shut (they are cut, new ones refused).
struct Door {
    port: u16,
    frozen: watch::Sender<bool>,
    open: Option<JoinSet<()>>,
}

impl Door {
    /// On a port that was free a moment ago.
    async fn shut() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { port: listener.local_addr().unwrap().port(), frozen: watch::Sender::new(false), open: None }
    }

    fn settings(&self) -> CassandraSettings {
        let timeout = Duration::from_secs(1);
        CassandraSettings { hosts: vec!["127.0.0.1".into()], port: self.port, timeout, ..settings() }
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let frozen = self.frozen.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropping the set cuts all of them at once.
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(pass(near, frozen.subscribe()));
            }
        });
        self.open = Some(tasks);
    }

    async fn close(&mut self) {
        if let Some(mut tasks) = self.open.take() {
            tasks.shutdown().await;
        }
    }
}

async fn pass(mut near: TcpStream, mut frozen: watch::Receiver<bool>) {
    let mut far = TcpStream::connect(address()).await.unwrap();
    let passed = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => true,
        _ = frozen.wait_for(|frozen| *frozen) => false,
    };
    if !passed {
        // What was on its way is lost, so the thaw ends the connection.
        drop(frozen.wait_for(|frozen| !*frozen).await);
    }
}

/// Asks until it is so; the driver chooses its own pauses between attempts to connect.
async fn eventually(directory: &CassandraDirectory, reachable: bool) {
    let deadline = Instant::now() + PATIENCE;
    while directory.probe().await.is_ok() != reachable {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: reachable = {reachable}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_outage_at_the_start_or_later_is_waited_out() {
    let mut door = Door::shut().await;
    let directory = directory(&door.settings());
    let (user, ids) = (ObjectType::user(), [user_id("nobody-1"), user_id("nobody-2")]);
    let lookup = || async { timeout(PATIENCE, directory.lookup(&user, &ids)).await.expect("an answer, in time") };

    let failure = lookup().await.unwrap_err();
    assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "connection".into()));
    for _ in 0..2 {
        door.open().await;
        eventually(&directory, true).await;
        assert_eq!(lookup().await.unwrap().len(), 2);
        door.close().await;
        eventually(&directory, false).await;
        let failure = lookup().await.unwrap_err();
        assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "connection".into()));
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_an_outage_within_the_timeout() {
    let mut door = Door::shut().await;
    door.open().await;
    let directory = directory(&door.settings());
    let user = ObjectType::user();
    let ids: Vec<_> = (0..500).map(|number| user_id(&format!("nobody-{number}"))).collect();
    directory.lookup(&user, &ids).await.unwrap();
    door.frozen.send_replace(true);
    let begun = Instant::now();
    // One statement is prepared already, the other is not: the driver bounds only the first.
    let lookup = directory.lookup(&user, &ids).await.unwrap_err();
    let draw = directory.draw(3).await.unwrap_err();
    for failure in [lookup, draw] {
        assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "timeout".into()));
    }
    // One timeout each, not one for each id.
    assert!(begun.elapsed() < door.settings().timeout * 4, "{:?}", begun.elapsed());
    door.frozen.send_replace(false);
    eventually(&directory, true).await;
    assert_eq!(directory.lookup(&user, &ids).await.unwrap().len(), 500);
}
