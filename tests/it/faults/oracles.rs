//! What is looked at in every case when the storm is over.

use std::collections::{BTreeMap, BTreeSet};

use local_stack::Status;
use local_stack::events::PERSONAL;
use local_stack::topics::{DELAY, FAILED, STATUS};

use super::people::People;
use super::storm::Storm;
use crate::scene::holds_no_unit;

/// What must not be; counted, so that the report tells what was found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// Users whose last final status is not the right one.
    pub lost: usize,
    /// Documents of deleted users that are not the blanked ones, and users of two calls at once.
    pub out_of_order: usize,
    /// Rows of living users that are not there any more, or too many.
    pub harmed: u64,
    /// Records, logs and pages of metrics with something in them that is nobody's business.
    pub told: usize,
}

/// How each JSON Web Token begins.
const TOKEN: &str = "eyJhbGci";

impl Storm {
    pub(super) async fn found(&self, endings: &BTreeMap<String, String>) -> Found {
        let (lost, out_of_order) = (self.lost(endings), self.out_of_order().await);
        let now = self.scene.rows.of(&self.people.living()).await.unwrap();
        let tables: BTreeSet<_> = now.keys().chain(self.untouched.keys()).collect();
        let rows = |counts: &BTreeMap<&str, i64>, table: &str| counts.get(table).copied().unwrap_or_default();
        let harmed = tables.iter().map(|table| rows(&now, table).abs_diff(rows(&self.untouched, table))).sum();
        Found { lost, out_of_order, harmed, told: self.told().await }
    }

    /// `no_personal_data_leaves`: of the users nothing but their ids, of the worker no password and no token.
    async fn told(&self) -> usize {
        let (topics, stack) = (&self.scene.topics, &self.scene.stack);
        let secrets = [&stack.postgres.password, &stack.keycloak.client_secret].map(String::as_str);
        let mut said = topics.said_by(&self.workers).await.unwrap();
        assert!(!said.is_empty(), "no log was found");
        for topic in [STATUS, FAILED, DELAY] {
            said.extend(topics.said(topic).await.unwrap());
        }
        let words = [PERSONAL, TOKEN].into_iter().chain(secrets);
        let held =
            words.flat_map(|word| said.iter().filter(move |(_, text)| text.contains(word)).map(move |it| (word, it)));
        let held: Vec<_> = held.map(|(word, (place, _))| format!("{word} in {place}")).collect();
        if !held.is_empty() {
            eprintln!(
                "no_personal_data_leaves: {} must not be told: {:?}",
                held.len(),
                held.iter().take(5).collect::<Vec<_>>()
            );
        }
        held.len()
    }

    fn lost(&self, endings: &BTreeMap<String, String>) -> usize {
        let set = |ids: &[String]| -> BTreeSet<String> { ids.iter().cloned().collect() };
        let (deleted, resynced) = (set(&self.people.deleted), set(&self.people.resynced));
        let everybody = set(&self.people.all());
        let is_right = |id: &String, ending: &str| {
            let is_right = |ending: &str| People::is_right(ending, deleted.contains(id), resynced.contains(id));
            // A sync that is made again, because its answer was lost, has an event and a status of its own.
            let was_right = || self.scene.statuses.of(id).iter().any(|status| is_right(&status.ending()));
            is_right(ending) || ending == "SUCCESS synced" && was_right()
        };
        // A case's own users are the case's to judge.
        let wrong: Vec<_> =
            endings.iter().filter(|(id, ending)| everybody.contains(*id) && !is_right(id, ending)).collect();
        if !wrong.is_empty() {
            eprintln!("{} ended otherwise: {:?}", wrong.len(), wrong.iter().take(5).collect::<Vec<_>>());
        }
        wrong.len()
    }

    /// A resync that read the old row and landed after the delete would show here.
    async fn out_of_order(&self) -> usize {
        let blanked = self.scene.sync_api.documents_with_status(2).await.unwrap();
        let wrong = self.people.deleted.iter().filter(|id| !blanked.contains(*id)).count();
        let calls = self.scene.sync_api.calls().await.unwrap();
        let overlapping = calls["overlappingUsers"].as_object().map_or(0, serde_json::Map::len);
        wrong + if self.owners_overlap { 0 } else { overlapping }
    }

    pub(super) async fn assert_budget_is_whole(&self) {
        for worker in &self.workers {
            self.scene.until("budget_returns_to_zero", async || holds_no_unit(worker).await).await;
        }
    }
}

/// What may have been told and not committed at each cut: a commit follows a second after, and takes its time.
pub fn told_within(cuts: &[(u64, u64)], all: &[Status]) -> usize {
    let mut times: Vec<u64> = all.iter().filter_map(|status| status.record["ets"].as_u64()).collect();
    times.sort_unstable();
    let before = |time: u64| times.partition_point(|told| *told <= time);
    cuts.iter().map(|(begin, end)| before(*end) - before(*begin)).sum()
}

/// Statuses that a reader drops because it has seen their id.
pub fn repeats(all: &[Status]) -> usize {
    let ids: BTreeSet<&str> = all.iter().map(|status| status.mid.as_str()).collect();
    all.len() - ids.len()
}
