//! The promises, where they can be seen: at a call, at a commit, at a publication.

use std::collections::BTreeSet;

use user_purge_sync::domain::decode::decode;
use user_purge_sync::domain::event::{Decoded, Event, Subjects};
use user_purge_sync::domain::ids::{Partition, UserId};
use user_purge_sync::domain::metadata::Metadata;
use user_purge_sync::domain::record::OutputRecord;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::pipeline::engine::Effect;
use user_purge_sync::ports::PurgeOrder;
use user_purge_sync::ports::log::CommitPoint;

use super::Play;
use super::answers::source;
use super::setup::{MAX_AGE, PERSONAL, user_id};
use crate::script::USERS;

impl Play {
    /// Every user of the event is, and a range as a whole.
    pub(super) fn is_told(&self, partition: Partition, offset: i64) -> bool {
        let payload = &self.logs[&partition][usize::try_from(offset).unwrap()].1;
        let wanted: BTreeSet<_> = match decode(partition.topic, Some(payload)) {
            Decoded::Event(Event { subjects: Subjects::Users(users), .. }) => users.into_iter().map(Some).collect(),
            Decoded::Event(Event { subjects: Subjects::Range(_), .. }) => {
                (0..USERS).map(|user| Some(user_id(user))).chain([None]).collect()
            }
            Decoded::Rejected(_) | Decoded::OtherAction => [None].into(),
        };
        self.told.get(&(partition, offset)).is_some_and(|told| told.is_superset(&wanted))
    }

    /// Everything below the offset and everything that the map names is settled, and only the present owner commits.
    pub(super) fn check_commit(&mut self, points: Vec<CommitPoint>) {
        for point in points {
            assert_eq!(
                point.epoch, self.epochs[&point.partition],
                "a_stale_owner_is_harmless: only the present owner commits"
            );
            for offset in 0..point.offset {
                assert!(
                    self.is_told(point.partition, offset),
                    "settled_before_committed: {point:?} passes {offset}, which is not settled"
                );
            }
            if let Some(map) = Metadata::decode(&point.metadata, point.offset).settled {
                let log = &self.logs[&point.partition];
                let settled = (0_i64..).zip(log).filter(|(offset, record)| map.settles(*offset, Some(record.0)));
                for (offset, _) in settled {
                    assert!(
                        self.is_told(point.partition, offset),
                        "settled_before_committed: {point:?} settles {offset}, which is not"
                    );
                }
            }
            self.committed.insert(point.partition, (point.offset, point.metadata));
        }
    }

    /// What the owner before had settled, by its last commit, is not done again. What an owner
    /// before that had on its way may still arrive.
    pub(super) fn check_publication(&mut self, id: u64, records: &[OutputRecord]) {
        if !self.published.insert(id) {
            return;
        }
        for record in records {
            self.check_record(record);
            self.check_mark(record);
        }
        for (partition, offset) in records.iter().filter_map(source) {
            let time = self.logs[&partition][usize::try_from(offset).unwrap()].0;
            let settled = self.settled_before.get(&partition).is_some_and(|map| map.settles(offset, Some(time)));
            assert!(!settled, "a_crash_redoes_little: {partition:?} {offset} was settled already");
        }
    }

    /// That access has ended is told only when the cache was cleared after the purge.
    fn check_record(&self, record: &OutputRecord) {
        let told = String::from_utf8(record.payload.clone()).unwrap();
        assert!(!told.contains(PERSONAL), "no_personal_data_leaves: {told}");
        if told.contains(r#""access":"ended""#) {
            let user = UserId::parse(std::str::from_utf8(record.key.as_ref().unwrap()).unwrap()).unwrap();
            assert!(!self.uncleared.contains(&user), "access_ends: {told}");
        }
    }

    pub(super) fn check_call(&mut self, effect: &Effect) {
        if let Effect::Clear(call) = effect {
            self.clearing.insert(*call, self.uncleared.clone());
        }
        if let Effect::Sync(_, _, users) | Effect::ProbeSync(users) = effect {
            let under_way = self.calls.iter().filter_map(|call| match call {
                Effect::Sync(_, _, users) | Effect::ProbeSync(users) => Some(users),
                _ => None,
            });
            for others in under_way {
                assert!(
                    users.iter().all(|user| !others.contains(user)),
                    "one_at_a_time_per_user: two calls for one user overlap"
                );
            }
        }
        if let Effect::Purge(_, orders) = effect {
            for PurgeOrder { user, kind } in orders {
                assert_ne!(*kind, PurgeKind::Retire, "never_purge_a_live_user: nobody asked for it");
                let read = self.read_deleted.get(user).expect("never_purge_a_live_user");
                assert!(self.now.at - *read < MAX_AGE, "never_purge_a_live_user: the verdict is old");
            }
        }
    }
}
