//! A case: a storm of faults over a ledger of events, then a quiet phase in which everything must converge.
//!
//! Every case has these oracles. Nothing is lost: each user has a last final status, the right one, and of the deleted no
//! row is left. Nobody alive is harmed: their rows are what they were. Order: the document of every deleted user is the
//! blanked one, and one worker never has two calls for one user at once. Offsets: committed to the end of every topic.
//! At rest the budget is whole. Repeats: no more than the case allows. And nothing personal is in any status, failed record,
//! follow-up, log or metric: `no_personal_data_leaves`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local_stack::topics::{DELETE, REQUEST};
use local_stack::{Faults, Worker, eventually};
use serde_json::json;

use super::case::{Case, Dice, sized};
use super::oracles::{Found, repeats, told_within};
use super::people::People;
use crate::scene::{PATIENCE, Scene};

/// In which everything must have converged, on a machine that is busy with other things too.
const QUIET: Duration = Duration::from_mins(6);

/// `kafka.commit_interval`, and as much for the commit itself.
const UNCOMMITTED_MS: u64 = 2_000;

/// What a case needs of its world.
pub struct Setting {
    pub partitions: i32,
    pub users: usize,
    /// Options of the stand-in.
    pub sync_api: &'static [&'static str],
    /// Of every worker.
    pub worker: Vec<(&'static str, String)>,
}

impl Setting {
    /// On four partitions, with a stand-in that takes a moment for each user, so that faults meet work.
    pub fn of(users: usize) -> Self {
        let worker = vec![("DELAY__LOOKS", "2".to_owned()), ("RETRY__MAX_PAUSE", "2s".to_owned())];
        Self { partitions: 4, users, sync_api: &["--per-id", "2ms"], worker }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: &str) -> Self {
        self.worker.push((key, value.to_owned()));
        self
    }

    /// Who is killed or frozen is missed after a second and a half: more faults in the same time.
    #[must_use]
    pub fn soon_missed(self) -> Self {
        self.with("KAFKA__SESSION_TIMEOUT", "1500ms").with("DRAIN_TIMEOUT", "500ms")
    }

    #[must_use]
    pub fn beside(mut self, sync_api: &'static [&'static str]) -> Self {
        self.sync_api = sync_api;
        self
    }
}

pub struct Storm {
    pub case: Case,
    pub faults: Faults,
    pub scene: Scene,
    pub people: People,
    pub dice: Dice,
    pub workers: Vec<Worker>,
    /// More than one worker may call for a user at once: what is under way at a former owner cannot be stopped.
    pub owners_overlap: bool,
    /// Repeats that one fault may cause, beside what was told shortly before a [`Storm::cut`].
    pub repeats_a_fault: usize,
    /// What was told so long before a cut may not be committed.
    pub uncommitted_ms: u64,
    pub(super) setting: Setting,
    pub(super) untouched: BTreeMap<&'static str, i64>,
    pub(super) struck: usize,
    /// When the last fault struck, and how much was told by then.
    last: (Instant, usize),
    /// Times whose statuses may be told again, in milliseconds since 1970, as statuses say when they were made.
    cuts: Vec<(u64, u64)>,
    recoveries: Vec<Duration>,
    peak_kib: u64,
    since: Instant,
}

impl Storm {
    pub async fn brew(case: Case, setting: Setting) -> Self {
        let faults = Faults::up().unwrap();
        let scene = Scene::on(faults.stack.clone(), setting.partitions, setting.sync_api).await;
        let people = People::put(&scene, setting.users).await;
        Self {
            untouched: scene.rows.of(&people.living()).await.unwrap(),
            case,
            faults,
            scene,
            people,
            dice: Dice::new(),
            workers: Vec::new(),
            owners_overlap: false,
            repeats_a_fault: 0,
            uncommitted_ms: UNCOMMITTED_MS,
            setting,
            struck: 0,
            last: (Instant::now(), 0),
            cuts: Vec::new(),
            recoveries: Vec::new(),
            peak_kib: 0,
            since: Instant::now(),
        }
    }

    /// Publishes everybody's events.
    pub async fn publish(&mut self) {
        let (deletions, requests) = self.people.events(&mut self.dice);
        self.scene.topics.publish(DELETE, &deletions).await.unwrap();
        self.scene.topics.publish(REQUEST, &requests).await.unwrap();
    }

    /// The deleted are left to waves.
    pub async fn publish_living(&mut self) {
        let (deletions, requests) = self.people.events_of_the_living();
        self.scene.topics.publish(DELETE, &deletions).await.unwrap();
        self.scene.topics.publish(REQUEST, &requests).await.unwrap();
    }

    /// One more worker that is ready; its place among the workers.
    pub async fn join(&mut self) -> usize {
        let mut worker = self.start();
        worker.wait_ready(PATIENCE).await.unwrap();
        self.workers.push(worker);
        self.workers.len() - 1
    }

    /// One more that may never become ready.
    pub fn start(&self) -> Worker {
        self.start_within(&[])
    }

    /// The same with further variables of its environment.
    pub fn start_within(&self, variables: &[(&str, String)]) -> Worker {
        let settings: Vec<_> = self.setting.worker.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.scene.starting_within(&settings, variables)
    }

    /// Counts a fault.
    pub fn strike(&mut self) {
        self.struck += 1;
        self.last = (Instant::now(), self.scene.statuses.count());
    }

    /// Counts a fault after which what was told since the last commit may be told again.
    pub fn cut(&mut self) {
        let now = wall_ms();
        self.cuts.push((now.saturating_sub(self.uncommitted_ms), now));
        self.strike();
    }

    /// The last cut went on until now: what was told meanwhile could not be committed either.
    pub fn lengthen_cut(&mut self) {
        if let Some((_, end)) = self.cuts.last_mut() {
            *end = wall_ms();
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self, place: usize) {
        let mut worker = self.workers.remove(place);
        self.note_memory(&worker);
        worker.kill9().unwrap();
        self.cut();
    }

    /// SIGTERM, and its end with 0; how long that took.
    pub async fn end(&mut self, place: usize) -> Duration {
        let mut worker = self.workers.remove(place);
        self.note_memory(&worker);
        self.strike();
        let asked = Instant::now();
        worker.term().unwrap();
        let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(exit.code(), Some(0), "{}", worker.log());
        asked.elapsed()
    }

    /// Until something is told again after the last fault: its recovery. Where the fault met no work, nothing is.
    pub async fn until_recovered(&mut self) {
        let (since, before) = self.last;
        let goes_on = self.scene.statuses.until("work goes on", QUIET, |all| all.len() > before);
        let none_is_left = self.scene.topics.until_committed(&[DELETE, REQUEST], QUIET);
        let done = tokio::select! {
            told = goes_on => told.map(|_| self.recoveries.push(since.elapsed())),
            done = none_is_left => done,
        };
        done.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Until the last status of all of these says what it must.
    pub async fn until_final(&self, ids: &[String]) -> BTreeMap<String, String> {
        self.scene.final_endings_within(ids, QUIET).await
    }

    pub fn note_memory(&mut self, worker: &Worker) {
        self.peak_kib = self.peak_kib.max(worker.peak_memory_kib().unwrap_or_default());
    }

    /// Waits until so many statuses are told, or all users are final.
    pub async fn until_told(&self, count: usize) {
        let wanted = count.min(self.setting.users);
        let told = self.scene.statuses.until("so many are told", QUIET, |all| all.len() >= wanted).await;
        told.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A time of the case's own, in which the storm goes on.
    pub async fn blow(&self, time: Duration) {
        let since = Instant::now();
        let over = eventually("the storm is over", time + PATIENCE, async || (since.elapsed() >= time).then_some(()));
        over.await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The storm is over: everything must converge, and every oracle must hold.
    pub async fn calm(mut self) {
        let over = Instant::now();
        if self.workers.is_empty() {
            self.join().await;
        }
        let endings = self.until_final(&self.people.all()).await;
        let recovery = over.elapsed();
        self.scene.all_committed().await;
        self.scene.assert_gone(&self.people.deleted).await;
        let found = self.found(&endings).await;
        assert_eq!(found, Found::default());
        self.assert_budget_is_whole().await;
        let all = self.scene.statuses.all();
        let repeats = repeats(&all);
        let bound = self.struck * self.repeats_a_fault + told_within(&self.cuts, &all);
        assert!(repeats <= bound, "{repeats} statuses were told again, the bound is {bound}");
        for worker in std::mem::take(&mut self.workers) {
            self.note_memory(&worker);
        }
        if self.recoveries.is_empty() {
            self.recoveries.push(recovery);
        }
        self.recoveries.sort();
        self.write(found, repeats, bound);
    }

    /// For `docs/faults.md`.
    fn write(&self, found: Found, repeats: usize, bound: usize) {
        let Case { name, promise, fault, oracle, rows } = self.case;
        let recovery = |place: usize| self.recoveries.get(place).map(Duration::as_millis);
        let (median, worst) = (recovery(self.recoveries.len() / 2), recovery(self.recoveries.len() - 1));
        let line = json!({
            "case": name, "promise": promise, "fault": fault, "oracle": oracle, "rows": rows,
            "form": sized("short", "whole"), "seed": self.dice.seed, "faults": self.struck, "users": self.setting.users,
            "statuses": self.scene.statuses.count(), "lost": found.lost, "order": found.out_of_order,
            "alive_purged": found.harmed, "personal_told": found.told, "repeats": repeats, "bound": bound,
            "recovery_ms": median, "worst_recovery_ms": worst, "took_ms": self.since.elapsed().as_millis(),
            "peak_mib": self.peak_kib / 1024,
        });
        local_stack::results::append("faults", line).unwrap();
    }
}

fn wall_ms() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap()
}
