//! The engine: everything that decides, and nothing that acts.
//!
//! It takes arrivals and completions, each with the time, and says what to do as [`Effect`]s. It knows no clock, no
//! socket and no task, so a test can lead it through any order of events, failures and rebalances.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::controls::Controls;
use super::intake::{OpenEvent, PartitionState};
use super::item::{EventKey, FailedUser, Item, ItemKey};
use super::lines::Lines;
use super::settle::{Outbox, Parcel};
use super::stage::{CallId, Stage, StageOptions};
use crate::domain::event::{Action, TokenRange, Why};
use crate::domain::ids::{Class, InputTopic, ObjectType, Partition, UserId};
use crate::domain::outcome::{Ending, RowCounts};
use crate::domain::record::{OutputRecord, OutputTopic};
use crate::domain::verdict::{Guard, UserRow};
use crate::ports::{CallResult, Failure, Protection, PurgeOrder, Purged, Synced, Unpublished};
use crate::settings::PurgeMode;

/// The two clocks: one to measure with, one to write down (milliseconds since 1970).
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Instant,
    pub wall: i64,
}

/// What the configuration says about decisions.
#[derive(Clone, Debug)]
pub struct Rules {
    pub env: String,
    pub topic_names: BTreeMap<InputTopic, String>,
    pub guard: Guard,
    pub max_age: Duration,
    pub purge_mode: PurgeMode,
    pub settle_delay: Duration,
    pub ambiguity: Duration,
    pub delay_after: Duration,
    pub page: usize,
    pub parked: usize,
    pub reject_limit: usize,
    pub drain_timeout: Duration,
    /// The Admin API step is on.
    pub ends_access: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StageName {
    Lookup,
    Sync,
    Purge,
    Clear,
}

impl StageName {
    pub const ALL: [Self; 4] = [Self::Lookup, Self::Sync, Self::Purge, Self::Clear];

    pub fn label(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Sync => "sync",
            Self::Purge => "purge",
            Self::Clear => "clear",
        }
    }
}

/// Something to be done in the world; each is answered by a [`Completion`].
#[derive(Debug)]
pub enum Effect {
    Lookup(CallId, ObjectType, Vec<UserId>),
    Sync(CallId, ObjectType, Vec<UserId>),
    Purge(CallId, Vec<PurgeOrder>),
    Clear(CallId),
    Probe(StageName),
    /// A call of its own with users that are known to be there.
    ProbeSync(Vec<UserId>),
    Draw,
    ReadRange(EventKey, ObjectType, TokenRange),
    Publish(u64, Arc<[OutputRecord]>),
}

#[derive(Debug)]
pub enum Completion {
    Lookup(CallId, CallResult<Option<UserRow>>),
    Sync(CallId, CallResult<Synced>),
    Purge(CallId, CallResult<Purged>),
    Clear(CallId, Result<(), Failure>),
    Probe(StageName, Result<(), Failure>),
    ProbeSync(Vec<UserId>, CallResult<Synced>),
    Drawn(Result<Vec<UserId>, Failure>),
    Range(EventKey, Result<Vec<UserId>, Failure>),
    Published(u64, Result<(), Unpublished>),
}

/// What happened, for logs and metrics.
#[derive(Clone, Debug)]
pub enum Note {
    Event {
        topic: InputTopic,
        action: Action,
    },
    Ended {
        action: Action,
        ending: Ending,
        rows: RowCounts,
        swept: bool,
        residue: u64,
        protection: Option<Protection>,
        failed: Option<FailedUser>,
    },
    FollowUp(Why),
    Rejected {
        partition: Partition,
        offset: i64,
        error: String,
    },
    OtherAction(Partition),
    /// A record that the owner before had settled is passed over.
    SettledBefore(Partition),
    /// How many records of which topic are sent again.
    PublishFailed {
        error: String,
        records: BTreeMap<OutputTopic, u64>,
    },
    /// A status is acknowledged. `event_ms`: the time of its event, milliseconds since 1970.
    StatusPublished {
        topic: InputTopic,
        event_ms: Option<i64>,
    },
    Published,
    /// So many users are called again after a failure.
    Retried {
        stage: StageName,
        reason: String,
        users: u64,
    },
    RangeFailed(String),
}

/// How the stages work.
#[derive(Clone, Debug)]
pub struct StageSet {
    pub lookup: StageOptions,
    pub sync: StageOptions,
    pub purge: StageOptions,
    pub clear: StageOptions,
}

#[derive(Debug)]
pub struct Engine {
    pub(super) rules: Rules,
    pub(super) partitions: BTreeMap<Partition, PartitionState>,
    pub(super) events: HashMap<EventKey, OpenEvent>,
    pub(super) items: HashMap<ItemKey, Item>,
    /// First come, first served within a class.
    pub(super) queues: [VecDeque<EventKey>; 2],
    pub(super) budget: Budget,
    pub(super) lines: Lines,
    pub(super) controls: Controls,
    pub(super) lookup: Stage,
    pub(super) sync: Stage,
    pub(super) purge: Stage,
    pub(super) clear: Stage,
    pub(super) parcels: HashMap<u64, Parcel>,
    pub(super) outbox: Outbox,
    pub(super) effects: Vec<Effect>,
    pub(super) notes: Vec<Note>,
    pub(super) closing: Option<Instant>,
    /// When an item last completed, or nothing had to: for the watchdog.
    pub(super) last_progress: Instant,
    next_key: u64,
}

/// No item has completed for so long although there is work and nothing is waited for.
const STALLED: Duration = Duration::from_mins(2);

impl Engine {
    pub fn new(rules: Rules, budget: usize, stages: StageSet, now: Instant) -> Self {
        Self {
            rules,
            partitions: BTreeMap::new(),
            events: HashMap::new(),
            items: HashMap::new(),
            queues: [VecDeque::new(), VecDeque::new()],
            budget: Budget::new(budget),
            lines: Lines::default(),
            controls: Controls::default(),
            lookup: Stage::new(stages.lookup),
            sync: Stage::new(stages.sync),
            purge: Stage::new(stages.purge),
            clear: Stage::new(stages.clear),
            parcels: HashMap::new(),
            outbox: Outbox::default(),
            effects: Vec::new(),
            notes: Vec::new(),
            closing: None,
            last_progress: now,
            next_key: 0,
        }
    }

    /// Decides everything that can be decided now: what to do in the world.
    pub fn turn(&mut self, now: Now) -> Vec<Effect> {
        for item in self.lines.open_due(now.at) {
            self.start_lookup(item, now);
        }
        self.tell_quiet_rejects(now);
        // Before pages and calls: units and lines that an ended epoch gives back are taken in the same turn.
        self.answer_revocations(now);
        self.queue_due_events(now);
        self.open_pages(now);
        // Purged is not told before it is cleared, and a clear waits longest: it must not be done again elsewhere.
        self.clear.hurried = self.is_draining();
        self.call_stages(now);
        self.send_outbox();
        std::mem::take(&mut self.effects)
    }

    /// When `turn` may have something to decide although nothing happened.
    pub fn wake(&self, now: Now) -> Option<Instant> {
        // While the Admin API is away no purge is begun, however due it is.
        let purge = self.clear.breaker.is_closed().then_some(&self.purge);
        let stages = [&self.lookup, &self.sync, &self.clear].into_iter().chain(purge);
        let stages = stages.filter_map(|stage| stage.wake(now.at));
        let partitions = self.partitions.values().filter_map(|partition| partition.wake(&self.events));
        stages.chain(partitions).chain(self.lines.wake()).min()
    }

    pub fn complete(&mut self, completion: Completion, now: Now) {
        match completion {
            Completion::Lookup(call, answer) => self.looked_up(call, answer, now),
            Completion::Sync(call, answer) => self.synced(call, answer, now),
            Completion::Purge(call, answer) => self.purged(call, answer, now),
            Completion::Clear(call, answer) => self.cleared(call, answer, now),
            Completion::Probe(stage, answer) => self.probed(stage, Some(answer), now),
            Completion::ProbeSync(controls, answer) => self.sync_probed(&controls, answer, now),
            Completion::Drawn(drawn) => self.drawn(drawn, now),
            Completion::Range(event, ids) => self.range_read(event, ids, now),
            Completion::Published(parcel, answer) => self.published(parcel, answer, now),
        }
    }

    pub fn take_notes(&mut self) -> Vec<Note> {
        let stages = [&mut self.lookup, &mut self.sync, &mut self.purge, &mut self.clear];
        for (stage, retried) in StageName::ALL.into_iter().zip(stages.map(Stage::take_retried)) {
            self.notes.extend(retried.into_iter().map(|(reason, users)| Note::Retried { stage, reason, users }));
        }
        std::mem::take(&mut self.notes)
    }

    pub fn stage(&self, name: StageName) -> &Stage {
        match name {
            StageName::Lookup => &self.lookup,
            StageName::Sync => &self.sync,
            StageName::Purge => &self.purge,
            StageName::Clear => &self.clear,
        }
    }

    pub fn units_held(&self, class: Class) -> usize {
        self.budget.held(class)
    }

    pub fn partitions(&self) -> impl Iterator<Item = (&Partition, &PartitionState)> {
        self.partitions.iter()
    }

    /// Work has been there, with nothing awaited, and yet nothing has completed for two minutes. To be asked every second or so:
    /// work that has just come, or may go on after an outage, has its two minutes before it.
    pub fn is_stalled(&mut self, now: Now) -> bool {
        let stages = [&self.lookup, &self.sync, &self.purge, &self.clear];
        let work = stages.iter().any(|stage| !stage.is_empty());
        let awaited = self.wake(now).is_some() || stages.iter().any(|stage| !stage.breaker.is_closed());
        if !work || awaited {
            self.last_progress = now.at;
        }
        now.at.duration_since(self.last_progress) >= STALLED
    }

    /// How long the oldest unsettled event of a partition has been due; zero when there is none.
    pub fn frontier_age(&self, partition: Partition, now: Now) -> Duration {
        let mine = self.events.values().filter(|event| event.partition == partition && !event.abandoned);
        mine.map(|event| now.at.saturating_duration_since(event.due)).max().unwrap_or_default()
    }

    /// Nothing is held: no event, no item, no record on its way.
    pub fn is_idle(&self) -> bool {
        self.items.is_empty() && self.parcels.is_empty() && self.outbox.is_empty()
    }

    pub(super) fn key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }
}
