//! What every test needs: the stack, an environment name of its own, a stand-in of its own, and readers of what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use local_stack::events::{Record, deletion};
use local_stack::records::Written;
use local_stack::topics::{DELAY, DELETE, FAILED, REQUEST};
use local_stack::users::new_ids;
use local_stack::{KeycloakRows, Records, Stack, StandIn, Status, Statuses, Topics, Users, Worker, eventually};
use serde_json::Value;
use user_purge_sync::domain::offset_map::OffsetMap;

/// Who cannot be done is tried for as long as a test takes.
pub const TIRELESS: [(&str, &str); 3] =
    [("RETRY__ATTEMPTS", "1000"), ("RETRY__TIME", "10min"), ("RETRY__MAX_PAUSE", "1s")];

/// Of anything that takes a moment; long, because four tests share two cores, and often not alone.
pub const PATIENCE: Duration = Duration::from_mins(3);

pub struct Scene {
    pub stack: Stack,
    pub topics: Topics,
    pub users: Users,
    pub rows: KeycloakRows,
    pub sync_api: StandIn,
    pub statuses: Statuses,
    pub failed: Records,
}

impl Scene {
    pub async fn set() -> Self {
        Self::with(2, &["--per-id", "0"]).await
    }

    /// `partitions` of each topic; `options` of the stand-in.
    pub async fn with(partitions: i32, options: &[&str]) -> Self {
        Self::on(Stack::load().unwrap(), partitions, options).await
    }

    pub async fn on(stack: Stack, partitions: i32, options: &[&str]) -> Self {
        let topics = Topics::create_new(&stack, partitions).await.unwrap();
        Self {
            users: Users::connect(&stack).await.unwrap(),
            rows: KeycloakRows::connect(&stack).await.unwrap(),
            sync_api: StandIn::start(&stack, options).unwrap(),
            statuses: Statuses::follow(&topics).unwrap(),
            failed: Records::follow(&topics, FAILED).unwrap(),
            topics,
            stack,
        }
    }

    /// A worker that is ready.
    pub async fn worker(&self, overrides: &[(&str, &str)]) -> Worker {
        let mut worker = self.starting(overrides);
        worker.wait_ready(PATIENCE).await.unwrap();
        worker
    }

    /// A worker that may never become ready.
    pub fn starting(&self, overrides: &[(&str, &str)]) -> Worker {
        self.starting_within(overrides, &[])
    }

    /// The same with further variables of its environment.
    pub fn starting_within(&self, overrides: &[(&str, &str)], variables: &[(&str, String)]) -> Worker {
        let endpoint = self.sync_api.endpoint();
        let all: Vec<(&str, &str)> =
            std::iter::once(("SYNC__ENDPOINT", endpoint.as_str())).chain(overrides.iter().copied()).collect();
        Worker::start_within(&self.stack, &self.topics.env, &all, variables).unwrap()
    }

    /// So many users whose accounts are deleted, and whom Keycloak still knows: under the federated id, as it knows most.
    pub async fn deleted_people(&self, count: usize) -> Vec<String> {
        let ids = new_ids(count);
        self.users.put_all(&ids, 2).await.unwrap();
        self.rows.put_federated(&ids).await.unwrap();
        ids
    }

    /// Deletions of all, published at once.
    pub async fn publish_deletions(&self, ids: &[String]) {
        let records: Vec<Record> = ids.iter().map(|id| deletion(id)).collect();
        self.topics.publish(DELETE, &records).await.unwrap();
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let look = async || is_so().await.then_some(());
        eventually(what, PATIENCE, look).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Of the one partition of deletions all but this offset is done: the commit is before it, its map has those behind.
    pub async fn is_held_at(&self, held: i64) -> bool {
        let Ok(progress) = self.topics.progress(&[DELETE]).await else { return false };
        let Some(place) = progress.into_values().next() else { return false };
        let map = OffsetMap::decode(&place.metadata, place.committed);
        place.committed == held
            && map.is_some_and(|map| (held + 1..place.end).all(|offset| map.settles(offset, Some(0))))
    }

    /// The outage lasts so long, and fails nobody meanwhile.
    pub async fn until_lasted(&self, since: Instant, time: Duration) {
        let lasted = eventually("the outage has lasted", time + PATIENCE, async || {
            self.assert_nobody_failed();
            (since.elapsed() > time).then_some(())
        });
        lasted.await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    pub fn assert_nobody_failed(&self) {
        assert_eq!(self.failed.count(), 0);
        let is_failure = |status: &Status| status.status == "FAILED" || status.status == "PARTIAL";
        assert!(!self.statuses.all().iter().any(is_failure), "{:?}", self.statuses.endings());
    }

    pub async fn assert_indexed(&self, ids: &[String]) {
        // Controls of the probe may be other users.
        let indexed = self.indexed().await;
        let missing = ids.iter().filter(|id| !indexed.contains(*id)).count();
        assert_eq!(missing, 0, "of {} users are not indexed", ids.len());
    }

    /// The last final ending of each user, when all of `ids` have one.
    pub async fn final_endings(&self, ids: &[String]) -> BTreeMap<String, String> {
        self.final_endings_within(ids, PATIENCE).await
    }

    pub async fn final_endings_within(&self, ids: &[String], patience: Duration) -> BTreeMap<String, String> {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let what = format!("{} users are final", wanted.len());
        let all_are_final = |all: &[Status]| {
            let told: BTreeSet<&str> = all.iter().filter(|it| it.is_final).map(|it| it.user.as_str()).collect();
            wanted.is_subset(&told)
        };
        let all = self.statuses.until(&what, patience, all_are_final).await;
        endings(&all.unwrap_or_else(|error| panic!("{error:?}")))
    }

    /// Everything that came in is committed.
    pub async fn inputs_committed(&self) {
        self.topics.until_committed(&[DELETE, REQUEST], PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The follow-ups too, which are due after `delay.after`.
    pub async fn all_committed(&self) {
        let topics = [DELETE, REQUEST, DELAY];
        self.topics.until_committed(&topics, PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    pub async fn assert_gone(&self, ids: &[String]) {
        assert_eq!(self.rows.of(ids).await.unwrap(), BTreeMap::new());
    }

    /// Users who were told so, whatever they are told later: a follow-up has a status of its own.
    pub fn told(&self, ending: &str) -> BTreeSet<String> {
        let so = self.statuses.all().into_iter().filter(|status| status.ending() == ending);
        so.map(|status| status.user).collect()
    }

    pub async fn failed_records(&self, count: usize) -> Vec<Written> {
        let wanted = |all: &[Written]| all.len() >= count;
        self.failed.until("failed records", PATIENCE, wanted).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// None of the words is in these texts, in a status, or in a failed record: `no_personal_data_leaves`.
    pub fn assert_untold(&self, texts: &[&str], words: &[&str]) {
        let statuses = self.statuses.all().into_iter().map(|status| status.record.to_string());
        let failed = self.failed.all().into_iter().map(|record| format!("{record:?}"));
        for text in texts.iter().map(|text| (*text).to_owned()).chain(statuses).chain(failed) {
            for word in words {
                assert!(!text.contains(word), "{word} is told in {text}");
            }
        }
    }

    /// Ids of the documents that the stand-in holds.
    pub async fn indexed(&self) -> BTreeSet<String> {
        let documents = self.sync_api.documents().await.unwrap();
        documents["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Scene {
    /// Hundreds of topics slow Kafka down for the tests that come after. Those of a test that failed are kept: they
    /// tell why.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.topics.remove().unwrap_or_else(|error| panic!("{error:?}"));
        }
    }
}

/// The last final status of each user: readers let it win.
pub fn endings(all: &[Status]) -> BTreeMap<String, String> {
    all.iter().filter(|status| status.is_final).map(|status| (status.user.clone(), status.ending())).collect()
}

/// How many users ended how.
pub fn counts(endings: &BTreeMap<String, String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for ending in endings.values() {
        *counts.entry(ending.as_str()).or_default() += 1;
    }
    counts
}

/// Users with a follow-up of that kind.
pub fn followed(delayed: &[Written], why: &str) -> BTreeSet<String> {
    let of_that_kind = delayed.iter().filter(|record| record.value["edata"]["followUp"]["why"] == why);
    of_that_kind.filter_map(|record| record.key.clone()).collect()
}

/// Users in such calls of the stand-in.
pub fn in_calls(calls: &Value, is_such: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let such = calls["recent"].as_array().unwrap().iter().filter(|call| is_such(call));
    let ids = such.flat_map(|call| call["ids"].as_array().unwrap());
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Its users are controls.
pub fn is_probe(call: &Value) -> bool {
    call["requestId"].as_str().is_some_and(|id| id.starts_with("probe-"))
}

/// Its whole budget is free.
pub async fn holds_no_unit(worker: &Worker) -> bool {
    worker.metric("user_purge_sync_budget_units", &[]).await.is_ok_and(|held| held < 0.5)
}

/// 0 closed, 1 open, 2 held; below 0 while the worker does not say.
pub async fn breaker_of(worker: &Worker, stage: &str) -> f64 {
    worker.metric("user_purge_sync_breaker_state", &[&format!("stage=\"{stage}\"")]).await.unwrap_or(-1.0)
}
