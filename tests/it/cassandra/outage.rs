//! Cassandra goes away and comes back.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use user_purge_sync::adapters::cassandra::CassandraDirectory;
use user_purge_sync::domain::ids::ObjectType;
use user_purge_sync::ports::Blame::Server;
use user_purge_sync::ports::Disposition::Retry;
use user_purge_sync::ports::UserDirectory;
use user_purge_sync::settings::CassandraSettings;

use crate::cassandra::support::{PATIENCE, address, directory, settings, user_id};
use crate::door::Door;

/// A door to Cassandra, and a directory behind it.
fn shut() -> (Door, CassandraSettings) {
    let (host, port) = address();
    let door = Door::shut(&format!("{host}:{port}"));
    let timeout = Duration::from_secs(1);
    let settings = CassandraSettings { hosts: vec!["127.0.0.1".into()], port: door.port(), timeout, ..settings() };
    (door, settings)
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
    let (mut door, settings) = shut();
    let directory = directory(&settings);
    let (user, ids) = (ObjectType::user(), [user_id("nobody-1"), user_id("nobody-2")]);
    let lookup = || async { timeout(PATIENCE, directory.lookup(&user, &ids)).await.expect("an answer, in time") };

    let failure = lookup().await.unwrap_err();
    assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "connection".into()));
    for _ in 0..2 {
        door.open();
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
    let (mut door, settings) = shut();
    door.open();
    let directory = directory(&settings);
    let user = ObjectType::user();
    let ids: Vec<_> = (0..500).map(|number| user_id(&format!("nobody-{number}"))).collect();
    directory.lookup(&user, &ids).await.unwrap();
    door.freeze();
    let begun = Instant::now();
    // One statement is prepared already, the other is not: the driver bounds only the first.
    let lookup = directory.lookup(&user, &ids).await.unwrap_err();
    let draw = directory.draw(3).await.unwrap_err();
    for failure in [lookup, draw] {
        assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "timeout".into()));
    }
    // One timeout each, not one for each id.
    assert!(begun.elapsed() < settings.timeout * 4, "{:?}", begun.elapsed());
    door.thaw();
    eventually(&directory, true).await;
    assert_eq!(directory.lookup(&user, &ids).await.unwrap().len(), 500);
}
