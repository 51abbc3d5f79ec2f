//! What the pipeline needs from the world, as roles. The adapters fill them; tests script them.
//!
//! An adapter knows only its technology: each has one function from a failure of that technology to a [`Disposition`].

pub mod canary;
pub mod log;
pub mod pulse;
pub mod scan;

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::domain::event::TokenRange;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::outcome::RowCounts;
use crate::domain::record::OutputRecord;
use crate::domain::verdict::{PurgeKind, UserRow};

/// What a failure asks for. Closed on purpose: matched without `_`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// Waiting may help.
    Retry(Blame),
    /// This item cannot succeed here: a named, known refusal.
    Reject,
    /// A person must mend something; until then nothing is failed because of it.
    Hold,
}

/// What a failure that may pass speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The dependency as a whole: never counted against an item, never a reason to split.
    Server,
    /// The call, or one item in it: a block is split, a single item is counted once a probe passes.
    Call,
    /// The dependency asks for rest (429): all calls to it stop for so long.
    Throttle(Duration),
}

/// A failed call, or the failure of one item of a call.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    pub disposition: Disposition,
    /// A bounded word for logs, metrics and failed records: `timeout`, `http_500`, `sqlstate_40P01`. Never user data.
    pub reason: FailureReason,
    /// Whether the dependency may have done something of what was asked. False only where that is certain.
    pub may_have_acted: bool,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A short word of `[a-z0-9_]`, made by an adapter from a closed set or a protocol's code.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FailureReason(pub std::borrow::Cow<'static, str>);

impl fmt::Display for FailureReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Failure {
    pub fn new(disposition: Disposition, reason: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { disposition, reason: FailureReason(reason.into()), may_have_acted: true, source: None }
    }

    /// The call never came to the dependency, or was turned away at its door.
    pub fn unheard(mut self) -> Self {
        self.may_have_acted = false;
        self
    }

    /// No definite answer came: what was asked for may still be done.
    pub fn leaves_in_doubt(&self) -> bool {
        self.may_have_acted && matches!(self.disposition, Disposition::Retry(Blame::Call | Blame::Server))
    }

    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The reason and what lies beneath it, without what the level above has said already: for who has to mend it.
    pub fn story(&self) -> String {
        let mut story = self.reason.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            let told = error.to_string();
            if !story.contains(&told) {
                story = format!("{story}: {told}");
            }
            next = error.source();
        }
        story
    }
}

/// Per item of a call, in the call's order; or the failure of the whole call.
pub type CallResult<T> = Result<Vec<Result<T, Failure>>, Failure>;

/// Cassandra's `user` table: who is deleted.
pub trait UserDirectory: Send + Sync + 'static {
    /// One answer per id, in order; `None` where there is no row.
    fn lookup<'a>(
        &'a self,
        object_type: &'a ObjectType,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, CallResult<Option<UserRow>>>;

    /// The ids of a token range, in token order, at most `limit` of them.
    fn ids_in<'a>(
        &'a self,
        object_type: &'a ObjectType,
        range: TokenRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<UserId>, Failure>>;

    /// Any users of the table, at most `limit`: controls for a Sync API that has not answered yet.
    fn draw(&self, limit: usize) -> BoxFuture<'_, Result<Vec<UserId>, Failure>>;

    /// A statement without users, and with the Admin API step on a call of it without users. Also runs the start-up checks that have not passed yet.
    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// What the Sync API said of one id that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Synced {
    /// `esSyncResponse[id] == true`: the only proof (`facts/sunbird.md` 2.6).
    Indexed,
    /// `sync.mode = "fire"`: the call was accepted, nothing more is known.
    Unverified,
}

/// Sunbird's Sync API: re-indexes users from their rows.
pub trait SearchIndex: Send + Sync + 'static {
    /// Never called with an empty list. `request_id` travels as `X-Request-ID`.
    fn sync<'a>(
        &'a self,
        object_type: &'a ObjectType,
        ids: &'a [UserId],
        request_id: &'a str,
    ) -> BoxFuture<'a, CallResult<Synced>>;
}

/// One user of a purge block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgeOrder {
    pub user: UserId,
    pub kind: PurgeKind,
}

/// What the purge found and did for one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purged {
    /// Nothing is left in the foreign-key family; no rows at all means that there was nothing.
    Clean {
        rows: RowCounts,
        /// Rows that came back in tables without foreign keys before the commit: left to the sweep.
        residue: u64,
    },
    /// Kept: a person must decide.
    Protected(Protection),
    /// `retire-local-user` of a user whose credentials have not moved: kept.
    CredentialsNotMoved,
}

/// Why a user is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    Admin,
    ServiceAccount,
    /// Linked to a federation that would import it again.
    Linked,
    DenyList,
    /// More than `purge.max_rows_per_user`: more likely a shared account than a person.
    TooManyRows,
}

impl Protection {
    pub const ALL: [Self; 5] = [Self::Admin, Self::ServiceAccount, Self::Linked, Self::DenyList, Self::TooManyRows];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ServiceAccount => "service_account",
            Self::Linked => "linked",
            Self::DenyList => "deny_list",
            Self::TooManyRows => "too_many_rows",
        }
    }
}

/// Keycloak's PostgreSQL: the rows of a person. A dry run counts what would go and deletes nothing.
pub trait IdentityStore: Send + Sync + 'static {
    /// All users of the block in one transaction; with the Admin API step on, their access is ended before it.
    fn purge<'a>(&'a self, orders: &'a [PurgeOrder]) -> BoxFuture<'a, CallResult<Purged>>;

    /// A statement without users, and with the Admin API step on a call of it without users. Also runs the start-up checks that have not passed yet.
    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// Keycloak's user cache, behind its Admin API: until it is cleared a purged local user still logs in.
pub trait UserCache: Send + Sync + 'static {
    fn clear(&self) -> BoxFuture<'_, Result<(), Failure>>;

    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// Records that are not acknowledged, of those that were to be published together.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Unpublished {
    /// Their places among them, ascending.
    pub places: Vec<usize>,
    /// The heaviest of what became of them.
    pub failure: Failure,
}

/// Where records go: acknowledged by all replicas when the future is ready.
pub trait Publisher: Send + Sync + 'static {
    fn publish<'a>(&'a self, records: &'a [OutputRecord]) -> BoxFuture<'a, Result<(), Unpublished>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_turned_away_or_never_heard_leaves_nothing_in_doubt() {
        let turned_away = [Disposition::Retry(Blame::Throttle(Duration::ZERO)), Disposition::Hold, Disposition::Reject];
        assert!(!turned_away.into_iter().any(|disposition| Failure::new(disposition, "answer").leaves_in_doubt()));
        for blame in [Blame::Call, Blame::Server] {
            assert!(Failure::new(Disposition::Retry(blame), "timeout").leaves_in_doubt());
            assert!(!Failure::new(Disposition::Retry(blame), "connection").unheard().leaves_in_doubt());
        }
    }
}
