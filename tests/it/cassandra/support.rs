//! What these tests share: where Cassandra is, and a keyspace of a test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use futures::StreamExt as _;
use local_stack::Stack;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use user_purge_sync::adapters::cassandra::CassandraDirectory;
use user_purge_sync::domain::event::TokenRange;
use user_purge_sync::domain::ids::UserId;
use user_purge_sync::ports::Failure;
use user_purge_sync::settings::{CassandraSettings, TlsSettings};

/// How long anything may take that a person would call prompt.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const USER_TABLE: &str = "(id text PRIMARY KEY, status int, isdeleted boolean, rootorgid text, managedby text)";
pub const ALL_TOKENS: TokenRange = TokenRange { start: i64::MIN, end: i64::MAX };

pub fn address() -> (String, u16) {
    let (host, port) = Stack::shared().cassandra.rsplit_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}

pub fn settings() -> CassandraSettings {
    let (host, port) = address();
    CassandraSettings {
        hosts: vec![host],
        port,
        username: String::new(),
        password: "".into(),
        password_file: None,
        keyspace: "sunbird".into(),
        consistency_level: "LOCAL_QUORUM".into(),
        local_datacenter: String::new(),
        tables: tables([("user", "user")]),
        timeout: Duration::from_secs(5),
        block_size: 500,
        concurrency: 32,
        tls: TlsSettings { enabled: false, ca_file: None },
    }
}

pub fn tables<const N: usize>(tables: [(&str, &str); N]) -> BTreeMap<String, String> {
    tables.map(|(object_type, table)| (object_type.to_owned(), table.to_owned())).into()
}

pub fn directory(settings: &CassandraSettings) -> CassandraDirectory {
    CassandraDirectory::new(settings).unwrap()
}

pub async fn cassandra() -> Session {
    let (host, port) = address();
    let session = SessionBuilder::new().known_node(format!("{host}:{port}")).build().await;
    session.expect("no Cassandra: deploy/local/stack up")
}

pub fn user_id(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

/// A failure, with what a person is told.
pub fn told(failure: &Failure) -> String {
    format!("{failure}: {}", failure.source().map(ToString::to_string).unwrap_or_default())
}

/// A keyspace of the test's own, forgotten when it has passed.
pub struct Keyspace {
    pub session: Session,
    pub name: String,
}

impl Keyspace {
    pub async fn create() -> Self {
        let name = format!("edges_{}", uuid::Uuid::new_v4().simple());
        let keyspace = Self { session: cassandra().await, name };
        let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
        keyspace.run(&format!("CREATE KEYSPACE {} WITH replication = {replication}", keyspace.name)).await;
        keyspace
    }

    pub async fn with_table(table: &str, columns: &str) -> Self {
        let keyspace = Self::create().await;
        keyspace.run(&format!("CREATE TABLE {}.{table} {columns}", keyspace.name)).await;
        keyspace
    }

    pub async fn run(&self, statement: &str) {
        self.session.query_unpaged(statement, ()).await.unwrap();
    }

    pub fn settings(&self) -> CassandraSettings {
        CassandraSettings { keyspace: self.name.clone(), ..settings() }
    }

    pub async fn drop(self) {
        self.run(&format!("DROP KEYSPACE {}", self.name)).await;
    }

    pub async fn fill(&self, users: usize) -> BTreeSet<UserId> {
        let statement = format!("INSERT INTO {}.user (id, status) VALUES (?, 2)", self.name);
        let insert = self.session.prepare(statement).await.unwrap();
        let ids: BTreeSet<UserId> = (0..users).map(|number| user_id(&format!("u-{number}"))).collect();
        let writes = ids.iter().map(|id| self.session.execute_unpaged(&insert, (id.as_str(),)));
        futures::stream::iter(writes).buffer_unordered(128).for_each(|write| async { drop(write.unwrap()) }).await;
        ids
    }
}
