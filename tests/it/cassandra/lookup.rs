//! Rows of Sunbird's own table, and what lookup makes of them.

use scylla::client::session::Session;
use user_purge_sync::domain::ids::{ObjectType, UserId};
use user_purge_sync::domain::verdict::UserRow;
use user_purge_sync::ports::Blame::Server;
use user_purge_sync::ports::Disposition::Retry;
use user_purge_sync::ports::UserDirectory;
use user_purge_sync::settings::CassandraSettings;

use crate::cassandra::support::{cassandra, directory, settings, user_id};

const KINDS: usize = 5;

/// A row for each kind of user, and what is expected of it.
async fn insert(session: &Session, id: &str, kind: usize) -> Option<UserRow> {
    let row = |status, root: Option<&str>, parent: Option<&str>| UserRow {
        status,
        root_org_id: root.map(Into::into),
        managed_by: parent.map(Into::into),
    };
    let row = match kind {
        0 => row(Some(1), Some("org"), None),
        1 => row(Some(2), Some("org"), Some("parent")),
        2 => row(None, None, None),
        3 => row(Some(0), None, None),
        _ => return None,
    };
    let statement = "INSERT INTO sunbird.user (id, userid, status, isdeleted, rootorgid, managedby, firstname) \
                     VALUES (?, ?, ?, ?, ?, ?, '')";
    let deleted = row.status.map(|status| status != 1);
    let values = (id, id, row.status, deleted, &row.root_org_id, &row.managed_by);
    session.query_unpaged(statement, values).await.unwrap();
    Some(row)
}

async fn forget(session: &Session, ids: &[UserId]) {
    for id in ids {
        session.query_unpaged("DELETE FROM sunbird.user WHERE id = ?", (id.as_str(),)).await.unwrap();
    }
}

#[tokio::test]
async fn a_block_is_answered_in_its_order() {
    let session = cassandra().await;
    let run = uuid::Uuid::new_v4();
    let mut ids = Vec::new();
    let mut expected = Vec::new();
    for number in 0..500 {
        let id = format!("{run}-{number}");
        expected.push(insert(&session, &id, number % KINDS).await);
        ids.push(user_id(&id));
    }
    let directory = directory(&settings());
    directory.probe().await.unwrap();
    let answers = directory.lookup(&ObjectType::user(), &ids).await.unwrap();
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, expected);
    assert_eq!(answers.iter().flatten().filter(|row| row.is_deleted()).count(), 100);
    forget(&session, &ids).await;
}

#[tokio::test]
async fn ids_are_any_text() {
    let session = cassandra().await;
    let run = uuid::Uuid::new_v4();
    let odd = [
        "o'brien",
        "'; DROP TABLE user; --",
        "100%",
        "a:b:c",
        "\"q\"",
        "ümläut-漢字-🚀",
        "back\\slash",
        " padded ",
        "A",
    ];
    let mut ids: Vec<_> = odd.iter().map(|odd| user_id(&format!("{run}{odd}"))).collect();
    let mut expected = Vec::new();
    for id in &ids {
        expected.push(insert(&session, id.as_str(), 1).await);
    }
    // Missing: its neighbour differs only in case.
    ids.push(user_id(&format!("{run}a")));
    expected.push(None);
    let answers = directory(&settings()).lookup(&ObjectType::user(), &ids).await.unwrap();
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
    forget(&session, &ids).await;
}

#[tokio::test]
async fn the_level_of_consistency_is_the_configured_one() {
    for level in ["ONE", "QUORUM", "ALL", "LOCAL_QUORUM", "LOCAL_ONE"] {
        let settings = CassandraSettings { consistency_level: level.into(), ..settings() };
        directory(&settings).probe().await.unwrap();
    }
    // One node is not two: too few replicas are an outage, seen by the probe as by a lookup.
    let two = directory(&CassandraSettings { consistency_level: "TWO".into(), ..settings() });
    let id = [user_id("nobody")];
    for failure in [two.probe().await.unwrap_err(), two.lookup(&ObjectType::user(), &id).await.unwrap_err()] {
        assert_eq!((failure.disposition, failure.to_string()), (Retry(Server), "unavailable".into()));
    }
}
