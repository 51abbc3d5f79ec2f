//! A plan: where each partition stands, where it would go, and what that means. Pure, but for its file.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::super::BadInput;
use crate::adapters::kafka::Topics;
use crate::adapters::kafka::worker_group::Place;
use crate::domain::ids::Partition;
use crate::domain::offset_map::OffsetMap;
use crate::domain::replay::ReplayId;

const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    version: u32,
    pub id: String,
    pub group: String,
    /// For people.
    pub made: String,
    pub partitions: Vec<Move>,
}

/// Of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    pub topic: String,
    pub partition: i32,
    /// The committed offset when the plan was made; none where nothing was ever committed.
    pub old: Option<i64>,
    pub new: i64,
    /// The position that had been reached: above the committed offset where single events were done already.
    pub until: i64,
    pub clamped: Option<Clamped>,
    /// Times of the first and the last record that would be done again.
    pub first: Option<String>,
    pub last: Option<String>,
    /// What the log had: a group that has committed nothing begins at its start.
    low: i64,
    pub high: i64,
    /// As asked for, in the log's bounds: a running owner knows better than this plan what is done already.
    #[serde(skip)]
    pub wanted: i64,
    /// It is read beside the group, which stays where it is.
    #[serde(skip)]
    beside: bool,
}

/// Why a partition does not go where it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clamped {
    /// Older records are removed already.
    LogStart,
    LogEnd,
    /// Up to there nothing is done yet, and a time skips nothing.
    NotDoneYet,
}

impl fmt::Display for Clamped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::LogStart => "log start",
            Self::LogEnd => "log end",
            Self::NotDoneYet => "not done yet",
        })
    }
}

/// Where a partition is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    To(i64),
    /// So much further than it stands.
    By(i64),
    Earliest,
    Latest,
    /// The first offset of a time; none where all records are older.
    Since(Option<i64>),
}

impl Plan {
    pub fn new(id: &ReplayId, group: String, made: String, partitions: Vec<Move>) -> Self {
        Self { version: VERSION, id: id.to_string(), group, made, partitions }
    }

    /// # Errors
    /// When it cannot be read, or is no plan.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bad = || BadInput(format!("{} cannot be read as a plan", path.display()));
        let text = std::fs::read_to_string(path).with_context(bad)?;
        let plan: Self = serde_json::from_str(&text).with_context(bad)?;
        if plan.version != VERSION {
            return Err(BadInput(format!("{}: version is {}, not {VERSION}", path.display(), plan.version)).into());
        }
        Ok(plan)
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// # Errors
    /// When it is no id, as only a person can have made it.
    pub fn replay_id(&self) -> anyhow::Result<ReplayId> {
        ReplayId::parse(&self.id).with_context(|| BadInput("the plan's id cannot be used".to_owned()))
    }

    /// Those that go somewhere.
    pub fn moving(&self) -> impl Iterator<Item = &Move> {
        self.partitions.iter().filter(|it| it.delta() != 0)
    }

    pub fn again(&self) -> i64 {
        self.partitions.iter().map(Move::again).sum()
    }

    pub fn skipped(&self) -> i64 {
        self.partitions.iter().map(Move::skipped).sum()
    }
}

impl Move {
    pub fn of(place: &Place, want: Want, topics: &Topics) -> Self {
        let stands = place.committed.unwrap_or(place.low);
        let wanted = match want {
            Want::To(offset) => offset,
            Want::By(offsets) => stands.saturating_add(offsets),
            Want::Earliest => place.low,
            Want::Latest => place.high,
            Want::Since(found) => found.unwrap_or(place.high).min(stands),
        };
        let (new, clamped) = if wanted < place.low {
            (place.low, Some(Clamped::LogStart))
        } else if wanted > place.high {
            (place.high, Some(Clamped::LogEnd))
        } else if matches!(want, Want::Since(Some(found)) if found > wanted) {
            (wanted, Some(Clamped::NotDoneYet))
        } else {
            (wanted, None)
        };
        let settled = place.said.settled.as_ref().map_or(stands, OffsetMap::end);
        // A replay that is not over yet is part of this one.
        let replayed = place.said.replay.as_ref().map_or(stands, |mark| mark.until);
        Self {
            topic: topics.name(place.partition.topic).to_owned(),
            partition: place.partition.number,
            old: place.committed,
            new,
            until: settled.max(replayed).max(stands),
            clamped,
            first: None,
            last: None,
            low: place.low,
            high: place.high,
            wanted: match want {
                Want::Since(found) => found.unwrap_or(place.high).max(place.low),
                Want::To(_) | Want::By(_) | Want::Earliest | Want::Latest => new,
            },
            beside: false,
        }
    }

    fn stands(&self) -> i64 {
        self.old.unwrap_or(self.low)
    }

    pub fn delta(&self) -> i64 {
        self.new - self.stands()
    }

    /// How many offsets are read again.
    pub fn again(&self) -> i64 {
        if self.beside {
            return (self.until - self.new).max(0);
        }
        if self.delta() < 0 { self.until - self.new } else { 0 }
    }

    /// Ends a stretch that is read beside the group: there, or where the group stands.
    pub fn bound(&mut self, until: Option<i64>) {
        self.until = until.map_or(self.stands(), |until| until.min(self.high));
        self.beside = true;
    }

    /// How many offsets are never read.
    pub fn skipped(&self) -> i64 {
        if self.beside { 0 } else { self.delta().max(0) }
    }

    /// # Errors
    /// When these settings have no such topic.
    pub fn place(&self, topics: &Topics) -> anyhow::Result<Partition> {
        let topic = topics.input_named(&self.topic);
        let topic =
            topic.with_context(|| BadInput(format!("{} is no topic that the workers read (env)", self.topic)))?;
        Ok(Partition { topic, number: self.partition })
    }

    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::InputTopic;
    use crate::domain::metadata::Metadata;
    use crate::settings::Loaded;

    fn topics() -> Topics {
        let settings = Loaded::load(None, std::iter::empty()).unwrap().settings;
        Topics::try_new("dev", &settings.topics).unwrap()
    }

    fn place(committed: Option<i64>, low: i64, high: i64) -> Place {
        let partition = Partition { topic: InputTopic::Delete, number: 1 };
        Place { partition, committed, said: Metadata::default(), low, high }
    }

    #[test]
    fn a_selector_says_where_and_the_log_how_far() {
        let stands = place(Some(50), 10, 90);
        for (want, new, clamped) in [
            (Want::Earliest, 10, None),
            (Want::Latest, 90, None),
            (Want::To(7), 10, Some(Clamped::LogStart)),
            (Want::To(95), 90, Some(Clamped::LogEnd)),
            (Want::By(-20), 30, None),
            (Want::By(-200), 10, Some(Clamped::LogStart)),
            (Want::By(20), 70, None),
            (Want::Since(Some(20)), 20, None),
            (Want::Since(Some(60)), 50, Some(Clamped::NotDoneYet)),
            (Want::Since(None), 50, None),
        ] {
            let planned = Move::of(&stands, want, &topics());
            assert_eq!((planned.new, planned.clamped, planned.old), (new, clamped, Some(50)), "{want:?}");
        }
    }

    #[test]
    fn what_was_done_above_the_committed_offset_is_done_again_too() {
        let said = Metadata { settled: OffsetMap::of(50, 0, [55, 60]), replay: None };
        let planned = Move::of(&Place { said, ..place(Some(50), 0, 90) }, Want::To(40), &topics());
        assert_eq!((planned.until, planned.again(), planned.skipped()), (61, 21, 0));
        assert_eq!(planned.name(), "dev.delete.user-1");
    }

    proptest! {
        #[test]
        fn a_time_never_skips(
            committed in proptest::option::of(0..100_i64), low in 0..50_i64, length in 0..50_i64, found in proptest::option::of(0..100_i64),
        ) {
            let (high, stands) = (low + length, committed.unwrap_or(low));
            prop_assume!(stands <= high);
            let planned = Move::of(&place(committed, low, high), Want::Since(found), &topics());
            // Records that are gone cannot be waited for.
            prop_assert!(planned.new <= stands.max(low), "{planned:?}");
            prop_assert!((low..=high).contains(&planned.new));
        }
    }
}
