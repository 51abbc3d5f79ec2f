//! What commands need of the user table besides what the pipeline does.

use futures::future::BoxFuture;

use super::{Failure, UserDirectory};
use crate::domain::event::TokenRange;
use crate::domain::ids::UserId;

/// A user as a walk through the table sees them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub user: UserId,
    /// Status 2, and nothing else.
    pub is_deleted: bool,
}

/// Reads the user table as a whole, range by range.
pub trait UserScan: UserDirectory {
    /// The users of a token range, in token order, at most `limit` of them.
    fn users_in(&self, range: TokenRange, limit: usize) -> BoxFuture<'_, Result<Vec<Seen>, Failure>>;
}
