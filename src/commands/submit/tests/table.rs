//! A table of users at tokens of their own, in place of Cassandra's.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::domain::event::TokenRange;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::verdict::UserRow;
use crate::ports::scan::{Seen, UserScan};
use crate::ports::{CallResult, Disposition, Failure, UserDirectory};

/// The status by token; the id is the token in words.
#[derive(Default)]
pub(super) struct Table {
    pub users: BTreeMap<i64, i32>,
    pub is_away: bool,
}

impl Table {
    /// So many, evenly around the ring.
    pub(super) fn of(count: u32, status: impl Fn(u32) -> i32) -> Self {
        let apart = u64::MAX / u64::from(count);
        let token = |n: u32| i64::MIN.wrapping_add_unsigned(apart * u64::from(n) + apart / 2);
        Self { users: (0..count).map(|n| (token(n), status(n))).collect(), is_away: false }
    }

    fn read<T>(&self, range: TokenRange, limit: usize, row: impl Fn(UserId, i32) -> T) -> Result<Vec<T>, Failure> {
        if self.is_away {
            return Err(Failure::new(Disposition::Hold, "credentials"));
        }
        let inside = self.users.iter().filter(|(token, _)| range.start < **token && **token <= range.end);
        Ok(inside.take(limit).map(|(token, status)| row(UserId::parse(&token.to_string()).unwrap(), *status)).collect())
    }
}

impl UserDirectory for Table {
    fn lookup<'a>(&'a self, _: &'a ObjectType, ids: &'a [UserId]) -> BoxFuture<'a, CallResult<Option<UserRow>>> {
        let row = |id: &UserId| {
            let status = self.users.get(&id.as_str().parse().ok()?)?;
            Some(UserRow { status: Some(*status), ..UserRow::default() })
        };
        let away = self.is_away.then(|| Failure::new(Disposition::Hold, "credentials"));
        async move { away.map_or_else(|| Ok(ids.iter().map(|id| Ok(row(id))).collect()), Err) }.boxed()
    }

    fn ids_in<'a>(
        &'a self,
        _: &'a ObjectType,
        range: TokenRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<UserId>, Failure>> {
        async move { self.read(range, limit, |user, _| user) }.boxed()
    }

    fn draw(&self, _: usize) -> BoxFuture<'_, Result<Vec<UserId>, Failure>> {
        unreachable!("submit draws nobody")
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
        unreachable!("submit reads what it needs")
    }
}

impl UserScan for Table {
    fn users_in(&self, range: TokenRange, limit: usize) -> BoxFuture<'_, Result<Vec<Seen>, Failure>> {
        async move { self.read(range, limit, |user, status| Seen { user, is_deleted: status == 2 }) }.boxed()
    }
}
