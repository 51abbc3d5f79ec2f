//! One user of one page, on its way.

use std::time::{Duration, Instant};

use crate::domain::event::{Action, FollowUp, Why};
use crate::domain::ids::{Class, ObjectType, UserId};
use crate::domain::join::{PurgeEnd, SyncEnd};
use crate::domain::outcome::{StageReport, StageReports, StageStatus};
use crate::domain::verdict::{Decision, PurgeKind, Verdict};
use crate::ports::Protection;

/// Names an item for the life of the process; never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ItemKey(pub u64);

/// Names an open or waiting event likewise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventKey(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Another item of the same user is in the stages.
    InLine,
    Lookup,
    Branches,
    /// It has its outcome; its records are on their way to Kafka.
    Publishing,
}

/// One of the two branches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Branch<E> {
    /// In its stage.
    Due,
    Ended(E),
}

#[derive(Debug)]
pub struct Item {
    pub event: EventKey,
    pub user: UserId,
    pub class: Class,
    pub action: Action,
    pub object_type: ObjectType,
    pub follow_up: Option<FollowUp>,
    pub phase: Phase,
    /// The event's epoch has ended: what it comes to moves nothing and is told to nobody.
    pub abandoned: bool,
    pub verdict: Option<Verdict>,
    pub root_org_id: Option<String>,
    pub managed_by: Option<String>,
    pub sync: Branch<SyncEnd>,
    pub purge: Branch<PurgeEnd>,
    pub reports: StageReports,
    pub started: Instant,
    /// A verdict that became too old sends it back to lookup in between.
    pub purge_since: Option<Instant>,
    /// Other Sunbird jobs still write what the sync reads.
    pub sync_not_before: Instant,
    /// A sync of this user ended without a definite answer: it may still land, and no follow-up syncs again.
    pub answer_lost: bool,
    pub protection: Option<Protection>,
    /// The Admin API step ended the user's access.
    pub access_ended: bool,
}

impl Item {
    pub fn why(&self) -> Option<Why> {
        self.follow_up.as_ref().map(|follow_up| follow_up.why)
    }

    /// What the purge of this item may take away; asked only while its purge is due.
    pub fn purge_kind(&self) -> Option<PurgeKind> {
        match self.verdict?.decision {
            Decision::Work { purge, .. } => purge,
            Decision::End(_) => None,
        }
    }

    /// Up to the clear of the user cache, where that is due.
    pub fn time_in_purge(&self, now: Instant) -> Option<Duration> {
        self.purge_since.map(|since| now.saturating_duration_since(since))
    }

    pub fn ends(&self) -> Option<(SyncEnd, PurgeEnd)> {
        match (self.sync, self.purge) {
            (Branch::Ended(sync), Branch::Ended(purge)) => Some((sync, purge)),
            (Branch::Due, _) | (_, Branch::Due) => None,
        }
    }
}

/// Who ended PARTIAL or FAILED, and what the stages said of it.
#[derive(Clone, Debug)]
pub struct FailedUser {
    pub user: UserId,
    /// Bounded words by stage.
    pub errors: Vec<(&'static str, String)>,
}

impl FailedUser {
    pub fn of(item: &Item) -> Self {
        let StageReports { lookup, sync, purge } = &item.reports;
        let stages = [("lookup", lookup), ("sync", sync), ("purge", purge)];
        let errors = stages.into_iter().filter_map(|(stage, report)| Some((stage, report.error.clone()?)));
        Self { user: item.user.clone(), errors: errors.collect() }
    }
}

/// Reports of an item that nothing was done for yet.
pub fn nothing_done() -> StageReports {
    let skipped = || StageReport::of(StageStatus::Skipped);
    StageReports { lookup: skipped(), sync: skipped(), purge: skipped() }
}
