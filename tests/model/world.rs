//! A world that is all memory: Kafka's logs, Sunbird's accounts, and the calls that are under way.

mod answers;
mod setup;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use user_purge_sync::domain::decode::decode;
use user_purge_sync::domain::ids::{Class, Epoch, InputTopic, Partition, UserId};
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::pipeline::engine::{Effect, Engine, Note, Now};
use user_purge_sync::ports::PurgeOrder;
use user_purge_sync::ports::log::{Arrival, Assignment, CommitPoint, Delivery, Gate};

use super::script::{Fault, Step, USERS};
use setup::{BUDGET, MAX_AGE, engine, event, fresh, partitions, user_id};

pub struct Play {
    engine: Engine,
    now: Now,
    calls: VecDeque<Effect>,
    logs: BTreeMap<Partition, Vec<Vec<u8>>>,
    /// Offsets whose outcome Kafka has acknowledged.
    told: BTreeSet<(Partition, i64)>,
    committed: BTreeMap<Partition, i64>,
    delivered: BTreeMap<Partition, i64>,
    epochs: BTreeMap<Partition, Epoch>,
    next_epoch: u64,
    deleted: [bool; USERS as usize],
    /// When lookup last said that the user is deleted; absent when it said otherwise.
    read_deleted: HashMap<UserId, Instant>,
    purges: HashMap<UserId, usize>,
    failed: usize,
    whole_faults: bool,
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
            told: BTreeSet::new(),
            committed: partitions().map(|partition| (partition, 0)).collect(),
            delivered: BTreeMap::new(),
            epochs: BTreeMap::new(),
            next_epoch: 0,
            deleted: [false; USERS as usize],
            read_deleted: HashMap::new(),
            purges: HashMap::new(),
            failed: 0,
            whole_faults: false,
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
            Step::Poison { partition } => self.publish(partition, b"{".to_vec(), false),
            Step::Delete { user } => self.deleted[usize::from(user)] = true,
            Step::Restore { user } => self.deleted[usize::from(user)] = false,
            Step::Answer { newest, fault } => {
                let call = if newest { self.calls.pop_back() } else { self.calls.pop_front() };
                if let Some(call) = call {
                    self.whole_faults |= fault == Fault::Whole;
                    self.answer(call, fault);
                }
            }
            Step::Revoke { partition } => self.revoke(fresh(partition)),
            Step::Lose { partition } => {
                let partition = fresh(partition);
                let partitions = vec![(partition, self.epochs[&partition])];
                self.engine.arrive(Arrival::Lost { partitions }, self.now);
                self.turn();
                self.assign(partition);
            }
            Step::Commit => self.commit(),
            Step::Wait { seconds } => self.wait(Duration::from_secs(seconds.into())),
            Step::Crash => {
                self.engine = engine(self.now);
                self.calls.clear();
                partitions().for_each(|partition| self.assign(partition));
            }
        }
        self.turn();
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
        for _ in 0..4000 {
            while let Some(call) = self.calls.pop_front() {
                self.answer(call, Fault::None);
            }
            self.commit();
            if self.is_done() {
                return;
            }
            self.wait(Duration::from_millis(500));
        }
    }

    fn is_done(&self) -> bool {
        self.calls.is_empty() && self.logs.iter().all(|(partition, log)| self.committed[partition] == log.len() as i64)
    }

    pub fn all_is_settled(&self) {
        for (partition, log) in &self.logs {
            assert_eq!(self.committed[partition], log.len() as i64, "{partition:?} is committed to its end");
            for offset in 0..log.len() as i64 {
                assert!(self.told.contains(&(*partition, offset)), "{partition:?} {offset} was told");
            }
        }
        assert!(self.engine.is_idle());
        for class in Class::ALL {
            assert_eq!(self.engine.units_held(class), 0, "budget_returns_to_zero");
        }
        assert!(self.whole_faults || self.failed == 0, "an_outage_dead_letters_nothing");
    }

    pub fn purges_of(&self, user: u8) -> usize {
        self.purges.get(&user_id(user)).copied().unwrap_or_default()
    }

    fn publish(&mut self, partition: i32, payload: Vec<u8>, request: bool) {
        let topic = if request { InputTopic::Request } else { InputTopic::Delete };
        self.append(Partition { topic, number: partition }, payload);
    }

    fn append(&mut self, partition: Partition, payload: Vec<u8>) {
        self.logs.get_mut(&partition).unwrap().push(payload);
        self.deliver(partition);
    }

    fn deliver(&mut self, partition: Partition) {
        let from = self.delivered[&partition];
        let log = &self.logs[&partition];
        let records = (from..log.len() as i64)
            .map(|offset| Delivery {
                offset,
                timestamp: Some(self.now.wall),
                received: self.now.wall,
                key: None,
                decoded: decode(partition.topic, Some(&log[usize::try_from(offset).unwrap()])),
            })
            .collect();
        self.delivered.insert(partition, log.len() as i64);
        let epoch = self.epochs[&partition];
        self.engine.arrive(Arrival::Records { partition, epoch, records }, self.now);
    }

    fn assign(&mut self, partition: Partition) {
        self.next_epoch += 1;
        let epoch = Epoch(self.next_epoch);
        self.epochs.insert(partition, epoch);
        self.delivered.insert(partition, self.committed[&partition]);
        let assignment = Assignment { partition, epoch, settled: None, gate: Arc::new(Gate::new(1000)) };
        self.engine.arrive(Arrival::Assigned(vec![assignment]), self.now);
        self.deliver(partition);
    }

    fn revoke(&mut self, partition: Partition) {
        let (answer, mut answered) = oneshot::channel();
        let partitions = vec![(partition, self.epochs[&partition])];
        self.engine.arrive(Arrival::Revoking { partitions, answer }, self.now);
        self.turn();
        self.wait(Duration::from_secs(3));
        let points = answered.try_recv().expect("a revocation is answered by its deadline");
        self.check_commit(points);
        self.assign(partition);
    }

    fn commit(&mut self) {
        let points = self.engine.commit_points();
        self.check_commit(points);
    }

    /// `settled_before_committed`, `a_stale_owner_is_harmless`.
    fn check_commit(&mut self, points: Vec<CommitPoint>) {
        for point in points {
            assert_eq!(point.epoch, self.epochs[&point.partition], "only the present owner commits");
            for offset in 0..point.offset {
                assert!(
                    self.told.contains(&(point.partition, offset)),
                    "{point:?} passes {offset}, which is not settled"
                );
            }
            self.committed.insert(point.partition, point.offset);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now.at += time;
        self.now.wall += i64::try_from(time.as_millis()).unwrap();
        self.turn();
    }

    fn turn(&mut self) {
        let effects = self.engine.turn(self.now);
        for effect in effects {
            self.check_call(&effect);
            self.calls.push_back(effect);
        }
        for note in self.engine.take_notes() {
            match note {
                Note::PublishFailed { records, .. } => self.sent_again += records.values().sum::<u64>(),
                Note::Retried { users, .. } => self.called_again += users,
                _ => {}
            }
        }
        let held: usize = Class::ALL.into_iter().map(|class| self.engine.units_held(class)).sum();
        assert!(held <= BUDGET, "units held never exceed the budget");
    }

    fn check_call(&self, effect: &Effect) {
        // one_at_a_time_per_user: no two calls of the Sync API for one user ever overlap.
        if let Effect::Sync(_, _, users) | Effect::ProbeSync(users) = effect {
            let under_way = self.calls.iter().filter_map(|call| match call {
                Effect::Sync(_, _, users) | Effect::ProbeSync(users) => Some(users),
                _ => None,
            });
            for others in under_way {
                assert!(users.iter().all(|user| !others.contains(user)), "two calls for one user overlap");
            }
        }
        if let Effect::Purge(_, orders) = effect {
            for PurgeOrder { user, kind } in orders {
                assert_ne!(*kind, PurgeKind::Retire, "nobody asked for it");
                let read = self.read_deleted.get(user).expect("never_purge_a_live_user");
                assert!(self.now.at - *read < MAX_AGE, "never_purge_a_live_user: the verdict is old");
            }
        }
    }
}
