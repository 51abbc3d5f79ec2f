//! The group's coordinator, as `facts/kafka.md` 8.4 and 8.5 saw it: it looks at the member and the generation of a commit,
//! never at who owns the partition.

use super::worker::{Answer, Call, PARTITION};
use crate::domain::offset_map::OffsetMap;

/// A set of offsets, one bit each.
pub type Offsets = u8;

pub fn bit(offset: i64) -> Offsets {
    1 << offset
}

/// The time of a record, milliseconds since 1970.
pub fn time(offset: i64) -> Option<i64> {
    Some(1000 + offset)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// The offsets of the partition's records: not dense.
    pub log: &'static [i64],
    pub generation: u64,
    pub members: [bool; 2],
    pub owner: Option<usize>,
    /// Who gets the partition as soon as its owner has given it up.
    pub heir: Option<usize>,
    pub committed: (i64, String),
    /// What the owner that made the committed point, and those before it, knew to be settled.
    pub covered: Offsets,
    /// Whose outcome Kafka has acknowledged, whoever did the work.
    pub settled: Offsets,
    pub broken: Broken,
}

/// Promises that did not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    pub settled_before_committed: bool,
    pub a_stale_owner_is_harmless: bool,
    pub a_crash_redoes_little: bool,
}

impl Group {
    /// Two members, and the first one owns the partition.
    pub fn new(log: &'static [i64]) -> Self {
        Self {
            log,
            generation: 1,
            members: [true; 2],
            owner: Some(0),
            heir: None,
            committed: (0, String::new()),
            covered: 0,
            settled: 0,
            broken: Broken::default(),
        }
    }

    pub fn end(&self) -> i64 {
        self.log.last().map_or(0, |last| last + 1)
    }

    pub fn map(&self) -> Option<OffsetMap> {
        OffsetMap::decode(&self.committed.1, self.committed.0)
    }

    /// A commit arrives.
    pub fn commit(&mut self, from: usize, generation: Option<u64>, call: &Call) -> Answer {
        if !self.members[from] || generation != Some(self.generation) {
            return Answer::Fenced;
        }
        for (point, known) in &call.points {
            assert_eq!(point.partition, PARTITION);
            let (goes_back, forgets) = (point.offset < self.committed.0, self.covered & !known != 0);
            self.broken.a_stale_owner_is_harmless |= goes_back || (forgets && self.owner != Some(from));
            self.broken.a_crash_redoes_little |= forgets;
            self.committed = (point.offset, point.metadata.clone());
            self.covered = *known;
            let map = self.map();
            let claimed = |offset: &i64| {
                *offset < point.offset || map.as_ref().is_some_and(|map| map.settles(*offset, time(*offset)))
            };
            let is_claimed_too_early = |offset: i64| claimed(&offset) && self.settled & bit(offset) == 0;
            self.broken.settled_before_committed |= self.log.iter().copied().any(is_claimed_too_early);
        }
        Answer::Accepted
    }

    /// A new generation of the members that answer; who does not is no member any more.
    pub fn rebalance(&mut self, answers: [bool; 2]) {
        self.generation += 1;
        for member in 0..2 {
            self.members[member] &= answers[member];
        }
        let is_member = |member: &usize| self.members[*member];
        self.heir = self.heir.filter(is_member);
        self.owner = self.owner.filter(is_member).or(self.heir).or_else(|| [0, 1].into_iter().find(is_member));
        self.heir = self.heir.filter(|heir| Some(*heir) != self.owner);
    }
}
