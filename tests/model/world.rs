//! A world that is all memory: Kafka's logs, Sunbird's accounts, and the calls that are under way.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use user_purge_sync::domain::decode::decode;
use user_purge_sync::domain::ids::{Class, Epoch, InputTopic, Partition, UserId};
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::record::{OutputRecord, OutputTopic};
use user_purge_sync::domain::verdict::{Guard, PurgeKind, UserRow};
use user_purge_sync::pipeline::engine::{Completion, Effect, Engine, Now, Rules, StageName, StageSet};
use user_purge_sync::pipeline::limiter::BlockLimiter;
use user_purge_sync::pipeline::retry::RetryPolicy;
use user_purge_sync::pipeline::stage::StageOptions;
use user_purge_sync::ports::log::{Arrival, Assignment, CommitPoint, Delivery, Gate};
use user_purge_sync::ports::{Blame, Disposition, Failure, PurgeOrder, Purged, Synced};
use user_purge_sync::settings::PurgeMode;

use super::script::{Fault, PARTITIONS, Step, USERS};

const BUDGET: usize = 16;
const MAX_AGE: Duration = Duration::from_mins(1);
/// Five clears fail before the breaker opens, and each is waited for a second.
const LONGEST_DRAIN: Duration = Duration::from_secs(8);

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
            Step::Crash => self.start_anew(),
            Step::Close { away } => self.close(away),
        }
        self.turn();
    }

    /// What can finish does, while one dependency may be away; nobody waits for the rest.
    pub fn close(&mut self, away: Option<StageName>) {
        let asked = self.now.at;
        self.engine.close(self.now, Duration::from_secs(25));
        self.turn();
        while !self.engine.is_drained(self.now) {
            self.go_on(away);
        }
        let took = self.now.at - asked;
        assert!(took < LONGEST_DRAIN, "what cannot finish is waited for: {took:?}");
        self.commit();
        self.start_anew();
    }

    /// All calls are answered, and a moment passes.
    pub fn go_on(&mut self, away: Option<StageName>) {
        while let Some(call) = self.calls.pop_front() {
            let fault = if away.is_some() && stage_of(&call) == away { Fault::Away } else { Fault::None };
            self.answer(call, fault);
        }
        self.wait(Duration::from_millis(100));
    }

    fn start_anew(&mut self) {
        self.engine = engine(self.now);
        self.calls.clear();
        partitions().for_each(|partition| self.assign(partition));
    }

    /// Everything works but the Sync API, whose credentials are refused.
    pub fn until_sync_fails(&mut self) {
        for _ in 0..200 {
            while let Some(call) = self.calls.pop_front() {
                let fault = if matches!(call, Effect::Sync(..)) { Fault::Held } else { Fault::None };
                self.answer(call, fault);
                if fault == Fault::Held {
                    return;
                }
            }
            self.wait(Duration::from_millis(500));
        }
        panic!("nobody was synced");
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
        let assignment = Assignment { partition, epoch, gate: Arc::new(Gate::new(1000)) };
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
        self.engine.take_notes();
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

    fn answer(&mut self, call: Effect, fault: Fault) {
        let failure = |fault| match fault {
            Fault::None => None,
            Fault::Away => Some(Failure::new(Disposition::Retry(Blame::Server), "away")),
            Fault::Whole => Some(Failure::new(Disposition::Retry(Blame::Call), "whole")),
            Fault::Throttled => {
                Some(Failure::new(Disposition::Retry(Blame::Throttle(Duration::from_secs(5))), "throttled"))
            }
            Fault::Held => Some(Failure::new(Disposition::Hold, "held")),
        };
        let fails = failure(fault);
        let completion = match call {
            Effect::Lookup(id, _, users) => {
                let rows = fails.map_or_else(|| Ok(users.iter().map(|user| Ok(Some(self.row(user)))).collect()), Err);
                Completion::Lookup(id, rows)
            }
            Effect::Sync(id, _, users) => Completion::Sync(id, fails.map_or_else(|| Ok(indexed(&users)), Err)),
            Effect::ProbeSync(users) => {
                let answer = fails.map_or_else(|| Ok(indexed(&users)), Err);
                Completion::ProbeSync(users, answer)
            }
            Effect::Purge(id, orders) => Completion::Purge(id, fails.map_or_else(|| Ok(self.purge(&orders)), Err)),
            Effect::Clear(id) => Completion::Clear(id, fails.map_or(Ok(()), Err)),
            Effect::Probe(stage) => Completion::Probe(stage, fails.map_or(Ok(()), Err)),
            Effect::Draw => Completion::Drawn(Ok((0..USERS).map(user_id).collect())),
            Effect::ReadRange(event, _, _) => Completion::Range(event, Ok(Vec::new())),
            Effect::Publish(id, records) => {
                if fails.is_none() {
                    self.store(records);
                }
                Completion::Published(id, fails.map_or(Ok(()), Err))
            }
        };
        self.engine.complete(completion, self.now);
        self.turn();
    }

    fn row(&mut self, user: &UserId) -> UserRow {
        let number: usize = user.as_str().trim_start_matches('u').parse().unwrap();
        if self.deleted[number] {
            self.read_deleted.insert(user.clone(), self.now.at);
        } else {
            self.read_deleted.remove(user);
        }
        UserRow { status: Some(if self.deleted[number] { 2 } else { 1 }), ..UserRow::default() }
    }

    fn purge(&mut self, orders: &[PurgeOrder]) -> Vec<Result<Purged, Failure>> {
        for order in orders.iter().filter(|order| order.kind == PurgeKind::Full) {
            *self.purges.entry(order.user.clone()).or_default() += 1;
        }
        orders.iter().map(|_| Ok(Purged::Clean { rows: RowCounts::from([("credential", 1)]), residue: 0 })).collect()
    }

    /// By a status's id.
    fn mark_told(&mut self, id: &str) {
        let parts: Vec<&str> = id.split('-').collect();
        self.told.insert((named(parts[0], parts[1]), parts[2].parse().unwrap()));
    }

    /// Kafka acknowledges: what a status or a rejected record speaks of is told.
    fn store(&mut self, records: Vec<OutputRecord>) {
        for record in records {
            let value: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
            match record.topic {
                OutputTopic::Status => {
                    self.failed += usize::from(value["edata"]["status"] == "FAILED");
                    self.mark_told(value["mid"].as_str().unwrap());
                }
                OutputTopic::Failed => {
                    let header = |name| record.headers.iter().find(|(key, _)| *key == name).unwrap().1.clone();
                    let place = named(&header("source_topic"), &header("source_partition"));
                    self.told.insert((place, header("source_offset").parse().unwrap()));
                }
                OutputTopic::Delay => {
                    // Who waits again is told by the next follow-up alone.
                    self.mark_told(value["edata"]["followUp"]["of"].as_str().unwrap());
                    self.append(Partition { topic: InputTopic::Delay, number: 0 }, record.payload);
                }
                OutputTopic::Request => panic!("the worker asks itself for nothing"),
            }
        }
    }
}

fn stage_of(effect: &Effect) -> Option<StageName> {
    match effect {
        Effect::Lookup(..) => Some(StageName::Lookup),
        Effect::Sync(..) | Effect::ProbeSync(_) => Some(StageName::Sync),
        Effect::Purge(..) => Some(StageName::Purge),
        Effect::Clear(_) => Some(StageName::Clear),
        Effect::Probe(stage) => Some(*stage),
        Effect::Draw | Effect::ReadRange(..) | Effect::Publish(..) => None,
    }
}

fn indexed(users: &[UserId]) -> Vec<Result<Synced, Failure>> {
    users.iter().map(|_| Ok(Synced::Indexed)).collect()
}

fn fresh(number: i32) -> Partition {
    Partition { topic: InputTopic::Delete, number }
}

fn partitions() -> impl Iterator<Item = Partition> {
    let inputs = [InputTopic::Delete, InputTopic::Request].into_iter();
    inputs
        .flat_map(|topic| (0..PARTITIONS).map(move |number| Partition { topic, number }))
        .chain([Partition { topic: InputTopic::Delay, number: 0 }])
}

fn named(topic: &str, number: &str) -> Partition {
    let topic = InputTopic::ALL.into_iter().find(|input| input.label() == topic).unwrap();
    Partition { topic, number: number.parse().unwrap() }
}

fn user_id(user: u8) -> UserId {
    UserId::parse(&format!("u{user}")).unwrap()
}

fn event(action: &str, user: u8) -> Vec<u8> {
    format!(r#"{{"edata":{{"action":"{action}","userId":"u{user}"}}}}"#).into_bytes()
}

fn engine(now: Now) -> Engine {
    let retry = RetryPolicy {
        attempts: 8,
        time: Duration::from_mins(2),
        first_pause: Duration::from_millis(200),
        max_pause: Duration::from_secs(30),
    };
    let stage = |size| StageOptions {
        block: BlockLimiter::fixed(size),
        linger: [Duration::from_millis(20); 2],
        concurrency: 2,
        retry: retry.clone(),
        pace: Duration::ZERO,
    };
    let rules = Rules {
        env: "model".to_owned(),
        topic_names: InputTopic::ALL.map(|topic| (topic, topic.label().to_owned())).into(),
        guard: Guard { purge_missing: false, looks: 2 },
        max_age: MAX_AGE,
        purge_mode: PurgeMode::Delete,
        settle_delay: Duration::from_secs(30),
        ambiguity: Duration::from_secs(30),
        delay_after: Duration::from_secs(40),
        page: 2,
        parked: 3,
        reject_limit: 1000,
        drain_timeout: Duration::from_secs(2),
        ends_access: true,
    };
    let clear = StageOptions { linger: [Duration::from_secs(1), Duration::from_secs(30)], ..stage(100) };
    let stages = StageSet { lookup: stage(4), sync: stage(3), purge: stage(4), clear };
    Engine::new(rules, BUDGET, stages, now.at)
}
