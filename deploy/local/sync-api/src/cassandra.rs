//! Rows from Cassandra, by point reads. Starts without it, and finds it again by itself.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::OnceCell;

use crate::rows::{ObjectType, Reading, Row, RowSource, Unreadable};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A frozen node: as long as the service's own driver waits.
const READ_TIMEOUT: Duration = Duration::from_secs(12);

/// The `user` table (and `organisation`, `location` where they exist) of one keyspace.
pub struct CassandraRows {
    address: String,
    keyspace: String,
    connected: RwLock<Option<Arc<Connected>>>,
}

struct Connected {
    session: Session,
    user: PreparedStatement,
    organisation: OnceCell<PreparedStatement>,
    location: OnceCell<PreparedStatement>,
    /// A read failed: a new session is tried. The driver finds its node again too, yet it waits ever longer between its
    /// attempts (6 s seen after an outage of 45 s), and tests want the end of an outage to be the end.
    is_doubtful: AtomicBool,
}

impl CassandraRows {
    pub fn new(address: &str, keyspace: &str) -> Self {
        Self { address: address.to_owned(), keyspace: keyspace.to_owned(), connected: RwLock::default() }
    }

    /// Connects, and connects anew when reads fail; for good. Says on stderr what changed.
    pub async fn keep_connected(&self) -> Infallible {
        let mut told_down = false;
        loop {
            let is_doubtful =
                self.current().is_none_or(|connected| connected.is_doubtful.swap(false, Ordering::Relaxed));
            if is_doubtful {
                match self.connect().await {
                    Ok(connected) => {
                        eprintln!("cassandra at {}: connected", self.address);
                        told_down = false;
                        *self.connected.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(connected));
                    }
                    Err(error) => {
                        if !told_down {
                            eprintln!("cassandra at {}: {error:#}; every id is false until it answers", self.address);
                        }
                        told_down = true;
                        *self.connected.write().unwrap_or_else(PoisonError::into_inner) = None;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<Connected> {
        let profile =
            ExecutionProfile::builder().consistency(Consistency::One).request_timeout(Some(READ_TIMEOUT)).build();
        let session = SessionBuilder::new()
            .known_node(&self.address)
            .connection_timeout(CONNECT_TIMEOUT)
            .default_execution_profile_handle(profile.into_handle())
            .build()
            .await?;
        let query = format!("SELECT status, isdeleted, rootorgid FROM {}.user WHERE id = ?", self.keyspace);
        let mut user = session.prepare(query).await?;
        user.set_is_idempotent(true);
        Ok(Connected {
            session,
            user,
            organisation: OnceCell::new(),
            location: OnceCell::new(),
            is_doubtful: AtomicBool::new(false),
        })
    }

    fn current(&self) -> Option<Arc<Connected>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RowSource for CassandraRows {
    fn read<'a>(&'a self, object_type: ObjectType, id: &'a str) -> Reading<'a> {
        Box::pin(async move {
            let connected = self.current().ok_or(Unreadable)?;
            let row = connected.read(&self.keyspace, object_type, id).await;
            row.map_err(|_| {
                connected.is_doubtful.store(true, Ordering::Relaxed);
                Unreadable
            })
        })
    }
}

impl Connected {
    async fn read(&self, keyspace: &str, object_type: ObjectType, id: &str) -> anyhow::Result<Option<Row>> {
        match object_type {
            ObjectType::User => self.read_user(id).await,
            ObjectType::Organisation => self.exists(&self.organisation, keyspace, "organisation", id).await,
            ObjectType::Location => self.exists(&self.location, keyspace, "location", id).await,
        }
    }

    async fn read_user(&self, id: &str) -> anyhow::Result<Option<Row>> {
        let rows = self.session.execute_unpaged(&self.user, (id,)).await?.into_rows_result()?;
        let row = rows.maybe_first_row::<(Option<i32>, Option<bool>, Option<String>)>()?;
        Ok(row.map(|(status, is_deleted, root_org_id)| Row { status, is_deleted, root_org_id }))
    }

    /// Organisations and locations are of no interest beyond being there; their tables need not exist.
    async fn exists(
        &self,
        prepared: &OnceCell<PreparedStatement>,
        keyspace: &str,
        table: &str,
        id: &str,
    ) -> anyhow::Result<Option<Row>> {
        let query = format!("SELECT id FROM {keyspace}.{table} WHERE id = ?");
        let prepared = prepared.get_or_try_init(|| self.session.prepare(query)).await?;
        let rows = self.session.execute_unpaged(prepared, (id,)).await?.into_rows_result()?;
        Ok(rows.maybe_first_row::<(String,)>()?.map(|_| Row::default()))
    }
}
