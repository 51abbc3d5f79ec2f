//! The background actor: works through the ids of a block, one after the other.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::StandIn;
use crate::behaviour::Mode;
use crate::request::{Id, Ids, SyncRequest};
use crate::rows::{ObjectType, Row, Unreadable};

/// How long the service waits for a frozen index, for each id (recording 50).
const INDEX_PATIENCE: Duration = Duration::from_secs(5);
/// How long its Cassandra driver waits for a frozen node: the DataStax driver's default.
const READ_PATIENCE: Duration = Duration::from_secs(12);
/// Rows of a block read ahead when ids take no time.
const READ_AHEAD: usize = 64;

/// What became of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockResult {
    pub(crate) failed: Vec<String>,
    /// `None` when the list was empty.
    pub(crate) indexed: Option<Vec<String>>,
    pub(crate) has_null_id: bool,
}

/// The actor threw: the caller gets 500, ids before it stay indexed.
#[derive(Debug)]
pub(crate) struct ActorFailed;

impl StandIn {
    /// Waits for one of the places, then does the work of a call.
    pub(crate) async fn work(&self, request: SyncRequest) -> Result<BlockResult, ActorFailed> {
        let _place = self.places.acquire().await.map_err(|_| ActorFailed)?;
        let ids = match request.ids {
            Ids::None => return Ok(BlockResult::default()),
            Ids::NotAList => return Err(ActorFailed),
            Ids::List(ids) => ids,
        };
        match request.object_type {
            ObjectType::User => self.index_users(ids).await,
            other => self.index_others(other, ids).await,
        }
    }

    async fn index_users(&self, ids: Vec<Id>) -> Result<BlockResult, ActorFailed> {
        let mut done = BlockResult::default();
        let mut indexed = Vec::new();
        let ahead = if self.time_for(true).is_zero() { READ_AHEAD } else { 1 };
        let read = async |id: Id| (self.read_user(&id).await, id);
        let mut rows = pin!(stream::iter(ids).map(read).buffered(ahead));
        let mut due = Instant::now();
        while let Some((row, id)) = rows.next().await {
            let id = match id {
                Id::Text(id) => id,
                Id::Null => {
                    done.has_null_id = true;
                    continue;
                }
                Id::NotText => return Err(ActorFailed),
            };
            let behaviour = self.behaviour.current();
            if behaviour.poison_ids.contains(&id) {
                return Err(ActorFailed);
            }
            let readable = row.is_ok();
            let row = row.ok().flatten();
            if readable {
                due = self.take_time(&id, row.is_some(), due).await;
            }
            if behaviour.absent_ids.contains(&id) {
                continue;
            }
            match row.filter(|_| !behaviour.false_ids.contains(&id)) {
                None => done.failed.push(id),
                Some(row) => {
                    if self.index(ObjectType::User, &id, row).await {
                        indexed.push(id);
                    }
                }
            }
        }
        done.indexed = Some(indexed);
        Ok(done)
    }

    /// Organisations and locations are read all at once, a failed read fails the call, and a missing one is in neither place.
    async fn index_others(&self, object_type: ObjectType, ids: Vec<Id>) -> Result<BlockResult, ActorFailed> {
        let mut found = Vec::new();
        for id in ids {
            let Id::Text(id) = id else { return Err(ActorFailed) };
            if let Some(row) = self.read(object_type, &id).await.map_err(|_| ActorFailed)? {
                found.push((id, row));
            }
        }
        let mut indexed = Vec::new();
        let mut due = Instant::now();
        for (id, row) in found {
            due = self.take_time(&id, true, due).await;
            if self.index(object_type, &id, row).await {
                indexed.push(id);
            }
        }
        Ok(BlockResult { indexed: Some(indexed), ..BlockResult::default() })
    }

    async fn read_user(&self, id: &Id) -> Result<Option<Row>, Unreadable> {
        let Id::Text(id) = id else { return Err(Unreadable) };
        // Cassandra refuses an empty key.
        if id.is_empty() { Err(Unreadable) } else { self.read(ObjectType::User, id).await }
    }

    async fn read(&self, object_type: ObjectType, id: &str) -> Result<Option<Row>, Unreadable> {
        loop {
            match self.behaviour.current().mode {
                Mode::CassandraDown => return Err(Unreadable),
                Mode::CassandraFrozen => {
                    if !self.behaviour.leaves(Mode::CassandraFrozen, READ_PATIENCE).await {
                        return Err(Unreadable);
                    }
                }
                _ => return self.rows.read(object_type, id).await,
            }
        }
    }

    /// Writes the document, unless the index is out of order; whether it was written.
    async fn index(&self, object_type: ObjectType, id: &str, row: Row) -> bool {
        loop {
            match self.behaviour.current().mode {
                Mode::IndexDown => return false,
                Mode::IndexFrozen => {
                    if !self.behaviour.leaves(Mode::IndexFrozen, INDEX_PATIENCE).await {
                        return false;
                    }
                }
                _ => {
                    self.documents.put(object_type, id, row);
                    return true;
                }
            }
        }
    }

    /// Lets the time of one id pass, counted from when the one before was due, so that a timer's coarseness does not add up.
    async fn take_time(&self, id: &str, exists: bool, due: Instant) -> Instant {
        let more = self.behaviour.current().slow_ids.get(id).map_or(Duration::ZERO, |pause| pause.0);
        let time = self.time_for(exists) + more;
        let due = due + time;
        if !time.is_zero() {
            tokio::time::sleep_until(due).await;
        }
        due.max(Instant::now())
    }

    fn time_for(&self, exists: bool) -> Duration {
        let behaviour = self.behaviour.current();
        let (told, usual) = if exists {
            (behaviour.per_id, self.settings.per_id)
        } else {
            (behaviour.per_missing_id, self.settings.per_missing_id)
        };
        told.map_or(usual, |pause| pause.0)
    }
}

/// Starts the work of a call on its own: it goes on when the call has ended.
pub(crate) fn start(
    app: &Arc<StandIn>,
    request: SyncRequest,
) -> tokio::task::JoinHandle<Result<BlockResult, ActorFailed>> {
    let worker = Arc::clone(app);
    app.tasks.spawn(async move { worker.work(request).await })
}
