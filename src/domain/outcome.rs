//! How an item ended, and why.

use std::collections::BTreeMap;
use std::time::Duration;

/// How an item ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Status {
    Success,
    Partial,
    Failed,
    Skipped,
    /// Not the end: a follow-up was written.
    Deferred,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Success, Self::Partial, Self::Failed, Self::Skipped, Self::Deferred];

    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Deferred => "DEFERRED",
        }
    }
}

/// Why it ended so: a closed list, small enough for a metric label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    Purged,
    AlreadyClean,
    Synced,
    Unverified,
    NotDeleted,
    NotFound,
    Restored,
    CredentialsNotMoved,
    Protected,
    /// One branch waits for a dependency; a follow-up does it later.
    Waiting,
    SyncFailed,
    PurgeFailed,
    /// Both branches.
    AllFailed,
    LookupFailed,
    RangeTooWide,
    /// `purge.mode = "dry-run"`: what would have been done.
    WouldPurge,
}

impl Reason {
    pub const ALL: [Self; 16] = [
        Self::Purged,
        Self::AlreadyClean,
        Self::Synced,
        Self::Unverified,
        Self::NotDeleted,
        Self::NotFound,
        Self::Restored,
        Self::CredentialsNotMoved,
        Self::Protected,
        Self::Waiting,
        Self::SyncFailed,
        Self::PurgeFailed,
        Self::AllFailed,
        Self::LookupFailed,
        Self::RangeTooWide,
        Self::WouldPurge,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Purged => "purged",
            Self::AlreadyClean => "already_clean",
            Self::Synced => "synced",
            Self::Unverified => "unverified",
            Self::NotDeleted => "not_deleted",
            Self::NotFound => "not_found",
            Self::Restored => "restored",
            Self::CredentialsNotMoved => "credentials_not_moved",
            Self::Protected => "protected",
            Self::Waiting => "waiting",
            Self::SyncFailed => "sync_failed",
            Self::PurgeFailed => "purge_failed",
            Self::AllFailed => "all_failed",
            Self::LookupFailed => "lookup_failed",
            Self::RangeTooWide => "range_too_wide",
            Self::WouldPurge => "would_purge",
        }
    }
}

/// A status with its reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ending {
    pub status: Status,
    pub reason: Reason,
}

impl Ending {
    pub fn success(reason: Reason) -> Self {
        Self { status: Status::Success, reason }
    }

    pub fn partial(reason: Reason) -> Self {
        Self { status: Status::Partial, reason }
    }

    pub fn failed(reason: Reason) -> Self {
        Self { status: Status::Failed, reason }
    }

    pub fn skipped(reason: Reason) -> Self {
        Self { status: Status::Skipped, reason }
    }

    pub fn deferred(reason: Reason) -> Self {
        Self { status: Status::Deferred, reason }
    }
}

/// How many rows went, by table of Keycloak's schema.
pub type RowCounts = BTreeMap<&'static str, u64>;

/// What one stage did for an item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StageStatus {
    Ok,
    /// The purge found no rows.
    AlreadyClean,
    /// `sync.mode = "fire"`.
    Unverified,
    Failed,
    /// Not due for this item.
    Skipped,
    /// Switched off by the configuration.
    Disabled,
}

impl StageStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::AlreadyClean => "ALREADY_CLEAN",
            Self::Unverified => "UNVERIFIED",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Disabled => "DISABLED",
        }
    }
}

/// One stage's line of a status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageReport {
    pub status: StageStatus,
    /// Counted attempts: those that were held against the item.
    pub attempts: u32,
    /// In the stage, from when it could be called to its end: waiting, calls and pauses alike. Absent where it was in none.
    pub took: Option<Duration>,
    /// Purge only.
    pub rows: RowCounts,
    /// The last failure's bounded word, or the protection's name.
    pub error: Option<String>,
}

impl StageReport {
    pub fn of(status: StageStatus) -> Self {
        Self { status, attempts: 0, took: None, rows: RowCounts::new(), error: None }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageReports {
    pub lookup: StageReport,
    pub sync: StageReport,
    pub purge: StageReport,
}

/// Whether a purged user's tokens are dead when the status is told (`facts/keycloak.md` 8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// The Admin API step ended it.
    Ended,
    /// No step: tokens go on being refreshed until Keycloak restarts.
    UntilRestart,
    /// Nothing was purged.
    Unchanged,
}

impl Access {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::UntilRestart => "until_restart",
            Self::Unchanged => "unchanged",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Readers match on these words: a change here breaks them.
    #[test]
    fn statuses_are_called_as_the_design_calls_them() {
        assert_eq!(Status::ALL.map(Status::name), ["SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "DEFERRED"]);
    }

    #[test]
    fn reasons_are_bounded_words_and_no_two_are_alike() {
        let names = Reason::ALL.map(Reason::name);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), Reason::ALL.len());
        for name in names {
            assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{name}");
        }
    }

    #[test]
    fn an_ending_keeps_its_status_and_reason() {
        let endings = [Ending::success, Ending::partial, Ending::failed, Ending::skipped, Ending::deferred];
        for (make, status) in endings.into_iter().zip(Status::ALL) {
            assert_eq!(make(Reason::Waiting), Ending { status, reason: Reason::Waiting });
        }
    }
}
