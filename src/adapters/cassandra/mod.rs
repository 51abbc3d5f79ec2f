//! Sunbird's Cassandra, read by id and by token: fills the role [`UserDirectory`]. Nothing is ever written.
//!
//! The statements are here; the settings they rest on in `target`, first contact in `contact`, and what a failure
//! means in `failure`. Attempts, pauses and the breaker are the pipeline's.

mod contact;
mod failure;
mod login;
mod scan;
mod target;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests spawn, wait and read the clock at will")]
mod tests;

use std::future::Future;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use scylla::client::caching_session::CachingSession;
use scylla::client::session::Session;
use scylla::errors::MaybeFirstRowError;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::failure::{Trouble, failure};
use self::target::Target;
use crate::adapters::tls::Ends;
use crate::domain::event::TokenRange;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::verdict::UserRow;
use crate::ports::{Blame, CallResult, Disposition, Failure, UserDirectory};
use crate::settings::CassandraSettings;

/// A key that no user has: the service makes ids of letters, digits and `-`.
const NOBODY: &str = "user-purge-sync probe";

pub struct CassandraDirectory {
    target: Target,
    /// Filled by the first contact that succeeds and whose checks pass; until then every use tries.
    session: OnceCell<CachingSession>,
}

impl CassandraDirectory {
    /// Checks the settings and reads the CA file; nothing is connected before the first use.
    pub fn new(settings: &CassandraSettings) -> anyhow::Result<Self> {
        Ok(Self { target: Target::new(settings)?, session: OnceCell::new() })
    }

    /// When the certificates of the nodes end.
    pub fn certificates(&self) -> Ends {
        self.target.ends.clone()
    }

    async fn session(&self) -> Result<&CachingSession, Failure> {
        // One of the callers connects, the others wait for it; each no longer than it would wait alone.
        self.within(self.target.patience(), self.session.get_or_try_init(|| contact::contact(&self.target))).await
    }

    /// The statement, prepared once and kept by the session.
    async fn prepared<'a>(
        &'a self,
        object_type: &ObjectType,
        text: impl FnOnce(&str) -> String,
    ) -> Result<Read<'a>, Failure> {
        let Some(table) = self.target.table(object_type) else {
            return Err(no_such_type("cassandra.tables has no table for this object type"));
        };
        let session = self.session().await?;
        let mut statement = Statement::new(text(&format!("{}.{}", self.target.keyspace.as_str(), table.as_str())));
        // Reading again changes nothing: another node may be asked.
        statement.set_is_idempotent(true);
        let preparing = session.add_prepared_statement(&statement).map(|prepared| prepared.map_err(failure));
        let prepared = self.within(self.target.timeout, preparing).await;
        match prepared {
            Ok(prepared) => Ok(Read { session: session.get_session(), prepared }),
            // One submitted type must not stop the deletions: only the user table is worth a Hold.
            Err(error) if !object_type.is_user() && speaks_of_a_table(&error) => Err(no_such_type(
                "the table in cassandra.tables for this object type is not there, has no id, or may not be read",
            )),
            Err(error) => Err(error),
        }
    }

    /// The driver's own timeout covers executing, not preparing or connecting.
    async fn within<T>(
        &self,
        limit: std::time::Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout(limit, work).await.unwrap_or_else(|_| Err(failure(Trouble::Silence(limit))))
    }

    async fn lookup_all(&self, object_type: &ObjectType, ids: &[UserId]) -> CallResult<Option<UserRow>> {
        let columns = if object_type.is_user() { "id, status, isdeleted, rootorgid, managedby" } else { "id" };
        let read = self.prepared(object_type, |table| format!("SELECT {columns} FROM {table} WHERE id = ?")).await?;
        // All futures are made before the first one runs: a closure inside the stream would not be general enough in
        // its lifetimes.
        let reads: Vec<_> = ids.iter().map(|id| read.answer(object_type, id)).collect();
        stream::iter(reads).buffered(self.target.concurrency).try_collect().await
    }

    async fn ids(&self, object_type: &ObjectType, tokens: TokenRange, limit: usize) -> Result<Vec<UserId>, Failure> {
        let statement = |table: &str| format!("SELECT id FROM {table} WHERE token(id) > ? AND token(id) <= ? LIMIT ?");
        let read = self.prepared(object_type, statement).await?;
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let result = read.execute((tokens.start, tokens.end, limit)).await?;
        let mut ids = Vec::with_capacity(result.rows_num());
        for row in result.rows::<(&str,)>().map_err(|error| failure(Trouble::Shape(error.into())))? {
            let (id,) = row.map_err(|error| failure(Trouble::Row(error.into())))?;
            ids.extend(UserId::parse(id).ok());
        }
        passed_over(result.rows_num() - ids.len());
        Ok(ids)
    }

    /// Begins at a random place: the first users of the table may be ones that the Sync API never accepts.
    async fn draw_any(&self, limit: usize) -> Result<Vec<UserId>, Failure> {
        let start = uuid::Uuid::new_v4().as_u64_pair().1.cast_signed();
        let user = ObjectType::user();
        let mut drawn = self.ids(&user, TokenRange { start, end: i64::MAX }, limit).await?;
        if drawn.len() < limit {
            let rest = TokenRange { start: i64::MIN, end: start };
            drawn.extend(self.ids(&user, rest, limit - drawn.len()).await?);
        }
        Ok(drawn)
    }
}

impl UserDirectory for CassandraDirectory {
    fn lookup<'a>(
        &'a self,
        object_type: &'a ObjectType,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, CallResult<Option<UserRow>>> {
        self.lookup_all(object_type, ids).boxed()
    }

    fn ids_in<'a>(
        &'a self,
        object_type: &'a ObjectType,
        range: TokenRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<UserId>, Failure>> {
        self.ids(object_type, range, limit).boxed()
    }

    fn draw(&self, limit: usize) -> BoxFuture<'_, Result<Vec<UserId>, Failure>> {
        self.draw_any(limit).boxed()
    }

    /// Reads nobody's row: what lookup does, replicas and consistency level included.
    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async move {
            let user = ObjectType::user();
            let read = self.prepared(&user, |table| format!("SELECT id FROM {table} WHERE id = ?")).await?;
            read.execute((NOBODY,)).await.map(drop)
        }
        .boxed()
    }
}

/// A prepared statement that reads, and where to execute it.
struct Read<'a> {
    session: &'a Session,
    prepared: PreparedStatement,
}

impl Read<'_> {
    async fn execute(&self, values: impl SerializeRow) -> Result<QueryRowsResult, Failure> {
        let result = self.session.execute_unpaged(&self.prepared, values).await.map_err(failure)?;
        result.into_rows_result().map_err(|error| failure(Trouble::Shape(error.into())))
    }

    /// What is wrong with one row is no reason to lose its block; what is wrong with the server is.
    async fn answer(&self, object_type: &ObjectType, id: &UserId) -> Result<Result<Option<UserRow>, Failure>, Failure> {
        match self.row(object_type, id).await {
            Err(error) if is_of_the_item(&error) => Ok(Err(error)),
            answer => answer.map(Ok),
        }
    }

    async fn row(&self, object_type: &ObjectType, id: &UserId) -> Result<Option<UserRow>, Failure> {
        let result = self.execute((id.as_str(),)).await?;
        if object_type.is_user() {
            // `isdeleted` decides nothing: it is also true for blocked and merged accounts.
            type Columns<'a> = (&'a str, Option<i32>, Option<bool>, Option<String>, Option<String>);
            let row = result.maybe_first_row::<Columns<'_>>().map_err(row_failure)?;
            Ok(row.map(|(_, status, _, root_org_id, managed_by)| UserRow { status, root_org_id, managed_by }))
        } else {
            let row = result.maybe_first_row::<(&str,)>().map_err(row_failure)?;
            Ok(row.map(|_| UserRow::default()))
        }
    }
}

/// Ids that no user can have: such an id can have no row in any other system either.
fn passed_over(unusable: usize) {
    if unusable > 0 {
        tracing::warn!(unusable, "rows with an id that no user can have were passed over");
    }
}

fn row_failure(error: MaybeFirstRowError) -> Failure {
    match error {
        MaybeFirstRowError::DeserializationFailed(error) => failure(Trouble::Row(error.into())),
        error @ MaybeFirstRowError::TypeCheckFailed(_) => failure(Trouble::Shape(error.into())),
    }
}

fn is_of_the_item(error: &Failure) -> bool {
    match error.disposition {
        Disposition::Reject | Disposition::Retry(Blame::Call) => true,
        Disposition::Hold | Disposition::Retry(Blame::Server | Blame::Throttle(_)) => false,
    }
}

/// Among all that a person must mend.
fn speaks_of_a_table(error: &Failure) -> bool {
    matches!(&*error.reason.0, "invalid_statement" | "unauthorized")
}

fn no_such_type(what: &'static str) -> Failure {
    Failure::new(Disposition::Reject, "unknown_object_type").because(what)
}
