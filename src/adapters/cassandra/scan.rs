//! The user table, range by range, with what tells who is deleted: fills the role [`UserScan`].

use futures::FutureExt;
use futures::future::BoxFuture;

use super::failure::{Trouble, failure};
use super::{CassandraDirectory, passed_over};
use crate::domain::event::TokenRange;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::verdict::UserRow;
use crate::ports::Failure;
use crate::ports::scan::{Seen, UserScan};

impl CassandraDirectory {
    async fn scan(&self, tokens: TokenRange, limit: usize) -> Result<Vec<Seen>, Failure> {
        let statement =
            |table: &str| format!("SELECT id, status FROM {table} WHERE token(id) > ? AND token(id) <= ? LIMIT ?");
        let read = self.prepared(&ObjectType::user(), statement).await?;
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let result = read.execute((tokens.start, tokens.end, limit)).await?;
        let mut seen = Vec::with_capacity(result.rows_num());
        for row in result.rows::<(&str, Option<i32>)>().map_err(|error| failure(Trouble::Shape(error.into())))? {
            let (id, status) = row.map_err(|error| failure(Trouble::Row(error.into())))?;
            let is_deleted = UserRow { status, ..UserRow::default() }.is_deleted();
            seen.extend(UserId::parse(id).ok().map(|user| Seen { user, is_deleted }));
        }
        passed_over(result.rows_num() - seen.len());
        Ok(seen)
    }
}

impl UserScan for CassandraDirectory {
    fn users_in(&self, range: TokenRange, limit: usize) -> BoxFuture<'_, Result<Vec<Seen>, Failure>> {
        self.scan(range, limit).boxed()
    }
}
