//! A world that is all memory: Kafka's logs, Sunbird's accounts, and the calls that are under way.

mod answers;
mod checks;
mod closing;
mod index;
mod replays;
mod setup;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use user_purge_sync::domain::decode::decode;
use user_purge_sync::domain::ids::{Class, Epoch, InputTopic, Partition, UserId};
use user_purge_sync::domain::metadata::Metadata;
use user_purge_sync::domain::offset_map::OffsetMap;
use user_purge_sync::domain::replay::ReplayMark;
use user_purge_sync::pipeline::engine::{Effect, Engine, Note, Now};
use user_purge_sync::pipeline::stage::CallId;
use user_purge_sync::ports::log::{Arrival, Assignment, Delivery, Gate};

use super::script::{Fault, Step, USERS};
use index::Index;
use setup::{AMBIGUITY, BUDGET, engine, event, fresh, partitions, poison, resync_all, user_id};

pub struct Play {
    engine: Engine,
    now: Now,
    calls: VecDeque<Effect>,
    /// With the time of each record, milliseconds since 1970.
    logs: BTreeMap<Partition, Vec<(i64, Vec<u8>)>>,
    /// Whose outcome Kafka has acknowledged, by the offset of their event; a range, and what is no event, as `None`.
    told: BTreeMap<(Partition, i64), BTreeSet<Option<UserId>>>,
    committed: BTreeMap<Partition, (i64, String)>,
    /// Parcels of this process.
    published: BTreeSet<u64>,
    /// What the present epoch began with.
    settled_before: BTreeMap<Partition, OffsetMap>,
    /// What is to be marked.
    replays: BTreeMap<Partition, ReplayMark>,
    delivered: BTreeMap<Partition, i64>,
    epochs: BTreeMap<Partition, Epoch>,
    next_epoch: u64,
    deleted: [bool; USERS as usize],
    /// When lookup last said that the user is deleted; absent when it said otherwise.
    read_deleted: HashMap<UserId, Instant>,
    purges: HashMap<UserId, usize>,
    pub failed: usize,
    whole_faults: bool,
    /// Purged since Keycloak's cache was last cleared, and as it was when the clears under way began.
    uncleared: BTreeSet<UserId>,
    clearing: HashMap<CallId, BTreeSet<UserId>>,
    index: Index,
    pub sent_again: u64,
    pub called_again: u64,
}

impl Play {
    pub fn new() -> Self {
        let now = Now { at: Instant::now(), wall: 1_800_000_000_000 };
        let mut play = Self {
            engine: engine(now),
            now,
            calls: VecDeque::new(),
            logs: partitions().map(|partition| (partition, Vec::new())).collect(),
            told: BTreeMap::new(),
            committed: partitions().map(|partition| (partition, (0, String::new()))).collect(),
            published: BTreeSet::new(),
            settled_before: BTreeMap::new(),
            replays: BTreeMap::new(),
            delivered: BTreeMap::new(),
            epochs: BTreeMap::new(),
            next_epoch: 0,
            deleted: [false; USERS as usize],
            read_deleted: HashMap::new(),
            purges: HashMap::new(),
            failed: 0,
            whole_faults: false,
            uncleared: BTreeSet::new(),
            clearing: HashMap::new(),
            index: Index::default(),
            sent_again: 0,
            called_again: 0,
        };
        partitions().for_each(|partition| play.assign(partition));
        play
    }

    pub fn step(&mut self, step: &Step) {
        match *step {
            Step::Deliver { user, partition } => self.publish(partition, event("delete-user", user), false),
            Step::Resync { user, partition } => self.publish(partition, event("resync-user", user), true),
            Step::ResyncAll { range, partition } => self.publish(partition, resync_all(range), true),
            Step::Poison { partition } => self.publish(partition, poison(), false),
            Step::Delete { user } => self.set_deleted(user, true),
            Step::Restore { user } => self.set_deleted(user, false),
            Step::Answer { newest, fault } => {
                let call = if newest { self.calls.pop_back() } else { self.calls.pop_front() };
                if let Some(call) = call {
                    self.whole_faults |= fault == Fault::Whole;
                    self.answer(call, fault);
                }
            }
            Step::Revoke { partition } => {
                self.revoke(fresh(partition));
                self.assign(fresh(partition));
            }
            Step::Replay { partition } => self.replay(fresh(partition)),
            Step::Lose { partition } => {
                let partition = fresh(partition);
                let partitions = vec![(partition, self.epochs[&partition])];
                self.engine.arrive(Arrival::Lost { partitions }, self.now);
                self.turn();
                self.assign(partition);
            }
            Step::Commit => self.commit(),
            Step::Wait { seconds } => self.wait(Duration::from_secs(seconds.into())),
            Step::Crash => self.crash(),
            Step::Close { away } => self.close(away),
            Step::Rewind { partition } => self.rewind(fresh(partition)),
            Step::LoseEnd { partition } => self.lose_end(fresh(partition)),
        }
        self.turn();
    }

    fn set_deleted(&mut self, user: u8, deleted: bool) {
        self.deleted[usize::from(user)] = deleted;
        self.index.row_changes(user_id(user));
    }

    /// Everything works until a call like that, which fails.
    pub fn until_fails(&mut self, is_meant: impl Fn(&Effect) -> bool, fault: Fault) {
        for _ in 0..200 {
            while let Some(call) = self.calls.pop_front() {
                if is_meant(&call) {
                    return self.answer(call, fault);
                }
                self.answer(call, Fault::None);
            }
            self.wait(Duration::from_millis(500));
        }
        panic!("no such call");
    }

    /// Nothing fails any more, and time goes on until nothing is left to do.
    pub fn heal(&mut self) {
        self.heal_but(|_| false);
    }

    /// The same, but for these calls.
    pub fn heal_but(&mut self, fails: impl Fn(&Effect) -> bool) {
        for _ in 0..4000 {
            while let Some(call) = self.calls.pop_front() {
                let fault = if fails(&call) { Fault::Whole } else { Fault::None };
                self.whole_faults |= fault == Fault::Whole;
                self.answer(call, fault);
            }
            self.commit();
            if self.is_done() {
                return;
            }
            self.wait(Duration::from_millis(500));
        }
    }

    fn is_done(&self) -> bool {
        self.calls.is_empty()
            && self.logs.iter().all(|(partition, log)| self.committed[partition].0 == log.len() as i64)
    }

    pub fn all_is_settled(&mut self) {
        for (partition, log) in &self.logs {
            assert_eq!(self.committed[partition].0, log.len() as i64, "{partition:?} is committed to its end");
            for offset in 0..log.len() as i64 {
                assert!(self.is_told(*partition, offset), "{partition:?} {offset} was told");
            }
        }
        assert!(self.engine.is_idle());
        for class in Class::ALL {
            assert_eq!(self.engine.units_held(class), 0, "budget_returns_to_zero");
        }
        assert!(self.whole_faults || self.failed == 0, "an_outage_dead_letters_nothing");
        self.index.assert_nothing_is_older_than_promised(self.now.at + AMBIGUITY);
    }

    pub fn is_stalled(&mut self) -> bool {
        self.engine.is_stalled(self.now)
    }

    pub fn purges_of(&self, user: u8) -> usize {
        self.purges.get(&user_id(user)).copied().unwrap_or_default()
    }

    fn publish(&mut self, partition: i32, payload: Vec<u8>, request: bool) {
        let topic = if request { InputTopic::Request } else { InputTopic::Delete };
        self.append(Partition { topic, number: partition }, payload);
    }

    fn append(&mut self, partition: Partition, payload: Vec<u8>) {
        self.logs.get_mut(&partition).unwrap().push((self.now.wall, payload));
        self.deliver(partition);
    }

    fn deliver(&mut self, partition: Partition) {
        let from = self.delivered[&partition];
        let log = &self.logs[&partition];
        let records = (from..log.len() as i64)
            .map(|offset| (offset, &log[usize::try_from(offset).unwrap()]))
            .map(|(offset, (timestamp, payload))| Delivery {
                offset,
                timestamp: Some(*timestamp),
                received: self.now.wall,
                key: None,
                decoded: decode(partition.topic, Some(payload)),
            })
            .collect();
        self.delivered.insert(partition, log.len() as i64);
        let epoch = self.epochs[&partition];
        self.engine.arrive(Arrival::Records { partition, epoch, records }, self.now);
    }

    fn assign(&mut self, partition: Partition) {
        self.index.forget_unheard();
        self.next_epoch += 1;
        let epoch = Epoch(self.next_epoch);
        self.epochs.insert(partition, epoch);
        let (offset, metadata) = &self.committed[&partition];
        // Out of range: Kafka begins anew.
        let is_there = *offset <= self.logs[&partition].len() as i64;
        self.delivered.insert(partition, if is_there { *offset } else { 0 });
        let Metadata { settled, replay } = Metadata::decode(metadata, *offset);
        self.settled_before.remove(&partition);
        self.settled_before.extend(settled.clone().map(|map| (partition, map)));
        let assignment = Assignment { partition, epoch, settled, replay, gate: Arc::new(Gate::new(1000)) };
        self.engine.arrive(Arrival::Assigned(vec![assignment]), self.now);
        self.deliver(partition);
    }

    fn crash(&mut self) {
        self.engine = engine(self.now);
        self.calls.clear();
        self.published.clear();
        self.clearing.clear();
        partitions().for_each(|partition| self.assign(partition));
    }

    /// The log loses its end, which had not reached the other brokers, and others write there.
    fn lose_end(&mut self, partition: Partition) {
        self.now.wall += 1;
        let log = self.logs.get_mut(&partition).unwrap();
        let kept = log.len() / 2;
        for place in &mut log[kept..] {
            *place = (self.now.wall, event("delete-user", 0));
        }
        self.told.retain(|(told, offset), _| *told != partition || *offset < kept as i64);
        // They may have been committed; whoever lost the records commits again what is there.
        let (offset, metadata) = &self.committed[&partition];
        if *offset > kept as i64 {
            self.committed.insert(partition, (kept as i64, metadata.clone()));
            self.replays.remove(&partition);
        }
        self.crash();
    }

    fn commit(&mut self) {
        let points = self.engine.commit_points();
        self.check_commit(points);
    }

    fn wait(&mut self, time: Duration) {
        self.now.at += time;
        self.now.wall += i64::try_from(time.as_millis()).unwrap();
        self.turn();
    }

    fn turn(&mut self) {
        self.index.land(self.now.at);
        let effects = self.engine.turn(self.now);
        for effect in effects {
            self.check_call(&effect);
            self.index.call_begins(&effect);
            if let Effect::Publish(id, records) = &effect {
                self.check_publication(*id, records);
            }
            self.calls.push_back(effect);
        }
        for note in self.engine.take_notes() {
            match note {
                Note::PublishFailed { records, .. } => self.sent_again += records.values().sum::<u64>(),
                Note::Retried { users, .. } => self.called_again += users,
                _ => {}
            }
        }
        let wakes = self.engine.wake(self.now);
        assert!(wakes.is_none_or(|wakes| wakes > self.now.at), "the loop would come again at once, and again");
        let held: usize = Class::ALL.into_iter().map(|class| self.engine.units_held(class)).sum();
        assert!(held <= BUDGET, "budget_returns_to_zero: units held never exceed the budget");
    }
}
