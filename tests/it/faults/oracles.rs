//! What is looked at in every case when the storm is over.

use std::collections::{BTreeMap, BTreeSet};

use local_stack::Status;
use serde_json::json;

use super::people::People;
use super::storm::Storm;

impl Storm {
    pub(super) fn assert_right(&self, endings: &BTreeMap<String, String>) {
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
        let wrong: BTreeMap<_, _> =
            endings.iter().filter(|(id, ending)| everybody.contains(*id) && !is_right(id, ending)).collect();
        assert!(wrong.is_empty(), "{} ended otherwise: {:?}", wrong.len(), wrong.iter().take(5).collect::<Vec<_>>());
    }

    /// A resync that read the old row and landed after the delete would show here.
    pub(super) async fn assert_order(&self) {
        let blanked = self.scene.sync_api.documents_with_status(2).await.unwrap();
        let wrong = self.people.deleted.iter().filter(|id| !blanked.contains(*id)).count();
        assert_eq!(wrong, 0, "documents of deleted users are not the blanked ones");
        let calls = self.scene.sync_api.calls().await.unwrap();
        if !self.owners_overlap {
            assert_eq!(calls["overlappingUsers"], json!({}), "two calls for one user at once");
        }
    }

    pub(super) async fn assert_budget_is_whole(&self) {
        for worker in &self.workers {
            let whole = async || {
                let held = worker.metric("user_purge_sync_budget_units", &[]).await;
                held.is_ok_and(|held| held < 0.5)
            };
            self.scene.until("budget_returns_to_zero", whole).await;
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
