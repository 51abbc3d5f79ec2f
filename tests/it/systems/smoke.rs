//! The whole way, once, with users in all their forms.

use std::collections::BTreeSet;

use local_stack::events::{Record, USER_NAME, deletion, deletion_with_managed, request, request_all};
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;

use crate::scene::Scene;

/// Ids of the forty, by what they are.
struct Forty {
    local: Vec<String>,
    federated: Vec<String>,
    both: Vec<String>,
    clean: Vec<String>,
    managed: Vec<String>,
    live: Vec<String>,
    resynced: Vec<String>,
    missing: Vec<String>,
    moved: Vec<String>,
}

impl Forty {
    async fn put(scene: &Scene) -> Self {
        let [local, federated, both, managed, resynced] = std::array::from_fn(|_| new_ids(6));
        let [clean, live, missing, moved] = [3, 3, 2, 2].map(new_ids);
        let forty = Self { local, federated, both, clean, managed, live, resynced, missing, moved };
        let deleted = [&forty.local, &forty.federated, &forty.both, &forty.clean, &forty.managed];
        for ids in deleted {
            scene.users.put_all(ids, 2).await.unwrap();
        }
        for ids in [&forty.live, &forty.resynced, &forty.moved] {
            scene.users.put_all(ids, 1).await.unwrap();
        }
        for ids in [&forty.local, &forty.both, &forty.live, &forty.moved] {
            scene.rows.put_local(ids).await.unwrap();
        }
        for ids in [&forty.federated, &forty.both, &forty.managed, &forty.resynced, &forty.moved] {
            scene.rows.put_federated(ids).await.unwrap();
        }
        forty
    }

    fn all(&self) -> Vec<String> {
        [self.purged(), self.rest()].concat()
    }

    fn purged(&self) -> Vec<String> {
        [&self.local[..], &self.federated, &self.both, &self.managed].concat()
    }

    fn rest(&self) -> Vec<String> {
        [&self.clean[..], &self.live, &self.resynced, &self.missing, &self.moved].concat()
    }

    async fn publish(&self, scene: &Scene) {
        let mut records: Vec<Record> =
            [&self.local[..], &self.federated, &self.both[1..], &self.clean, &self.live, &self.missing]
                .concat()
                .iter()
                .map(|id| deletion(id))
                .collect();
        records.push(deletion_with_managed(&self.both[0], &self.managed));
        records.push(deletion(&self.local[0]));
        records.push(Record::raw(format!("{{\"edata\": {{\"userName\": \"{USER_NAME}\"")));
        records.push(deletion(&self.local[1]));
        scene.topics.publish(DELETE, &records).await.unwrap();
        let requests = [request_all("resync-user", &self.resynced)];
        let retires = self.moved.iter().map(|id| request("retire-local-user", id));
        scene.topics.publish(REQUEST, &requests.into_iter().chain(retires).collect::<Vec<_>>()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_ends_as_the_design_says_and_its_rows_with_it() {
    let scene = Scene::set().await;
    let forty = Forty::put(&scene).await;
    let kept = scene.rows.of(&forty.live).await.unwrap();
    let worker = scene.worker(&[("DELAY__LOOKS", "2")]).await;
    forty.publish(&scene).await;

    let endings = scene.final_endings(&forty.all()).await;
    let expected = [
        (&forty.clean, vec!["SUCCESS already_clean"]),
        (&forty.live, vec!["SKIPPED not_deleted"]),
        (&forty.resynced, vec!["SUCCESS synced"]),
        (&forty.missing, vec!["FAILED not_found"]),
        (&forty.moved, vec!["SUCCESS purged"]),
    ];
    for (ids, wanted) in expected {
        for id in ids {
            assert!(wanted.contains(&&*endings[id]), "{}, not {wanted:?}", endings[id]);
        }
    }
    for id in forty.purged() {
        let of_user = scene.statuses.of(&id);
        assert!(of_user.iter().any(|status| status.ending() == "SUCCESS purged"), "{of_user:?}");
    }
    scene.assert_gone(&forty.purged()).await;
    assert_eq!(scene.rows.of(&forty.live).await.unwrap(), kept);
    let local = scene.rows.of_exactly(&forty.moved).await.unwrap();
    assert!(local.is_empty(), "{local:?}");
    assert_eq!(scene.rows.of(&forty.moved).await.unwrap()["federated_user"], 2);

    let indexed: BTreeSet<String> = [forty.purged(), forty.clean.clone(), forty.resynced.clone(), forty.moved.clone()]
        .concat()
        .into_iter()
        .collect();
    // Controls of the probe may be other users.
    assert!(scene.indexed().await.is_superset(&indexed));
    scene.all_committed().await;
    let failed = scene.failed_records(3).await;
    assert_eq!(failed.len(), 3, "two missing users and one record that is no event");
    scene.assert_untold(&[&worker.log(), &worker.metrics().await.unwrap()], &[USER_NAME]);
}
