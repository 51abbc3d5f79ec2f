//! The ledger of what was produced: who is asked for, and what must become of each.

use local_stack::events::{Record, deletion, deletion_with_managed, request, request_all};
use local_stack::users::new_ids;

use super::case::Dice;
use crate::scene::Scene;

/// Users by what must become of them.
#[derive(Debug, Default)]
pub struct People {
    /// Status 2 in Cassandra, rows in Keycloak in one form or the other.
    pub deleted: Vec<String>,
    /// Alive, although their deletion is asked for: nothing of theirs is touched.
    pub alive: Vec<String>,
    /// Alive, to be indexed again.
    pub resynced: Vec<String>,
}

impl People {
    /// So many: nine of ten deleted.
    pub async fn put(scene: &Scene, count: usize) -> Self {
        let (alive, resynced) = (count / 20, count / 20);
        let people =
            Self { deleted: new_ids(count - alive - resynced), alive: new_ids(alive), resynced: new_ids(resynced) };
        scene.users.put_all(&people.deleted, 2).await.unwrap();
        scene.users.put_all(&people.alive, 1).await.unwrap();
        scene.users.put_all(&people.resynced, 1).await.unwrap();
        let (local, federated) = people.deleted.split_at(people.deleted.len() / 4);
        scene.rows.put_local(local).await.unwrap();
        scene.rows.put_federated(federated).await.unwrap();
        scene.rows.put_local(&people.alive).await.unwrap();
        scene.rows.put_federated(&people.resynced).await.unwrap();
        people
    }

    pub fn all(&self) -> Vec<String> {
        [&self.deleted[..], &self.alive, &self.resynced].concat()
    }

    pub fn living(&self) -> Vec<String> {
        [&self.alive[..], &self.resynced].concat()
    }

    /// Events for all of them, in no order: alone, with managed users, in lists; one in twenty comes twice.
    pub fn events(&self, dice: &mut Dice) -> (Vec<Record>, Vec<Record>) {
        let (alone, others) = self.deleted.split_at(self.deleted.len() * 4 / 5);
        let (managed, asked_for) = others.split_at(others.len() / 2);
        let mut deletions: Vec<Record> = alone.iter().chain(&self.alive).map(|id| deletion(id)).collect();
        deletions.extend(managed.chunks(5).map(|ids| deletion_with_managed(&ids[0], &ids[1..])));
        deletions.extend(alone.iter().step_by(20).map(|id| deletion(id)));
        let mut requests: Vec<Record> = asked_for.iter().map(|id| request("delete-user", id)).collect();
        requests.extend(self.resynced.chunks(10).map(|ids| request_all("resync-user", ids)));
        dice.shuffle(&mut deletions);
        dice.shuffle(&mut requests);
        (deletions, requests)
    }

    /// Of those alive only: for cases that publish the deletions in waves of their own.
    pub fn events_of_the_living(&self) -> (Vec<Record>, Vec<Record>) {
        let deletions = self.alive.iter().map(|id| deletion(id)).collect();
        (deletions, self.resynced.chunks(10).map(|ids| request_all("resync-user", ids)).collect())
    }

    /// The deleted in so many waves.
    pub fn waves(&self, count: usize) -> Vec<Vec<String>> {
        self.deleted.chunks(self.deleted.len().div_ceil(count)).map(<[String]>::to_vec).collect()
    }

    /// What the last final status must say.
    pub fn is_right(ending: &str, is_deleted: bool, is_resynced: bool) -> bool {
        match (is_deleted, is_resynced) {
            (true, _) => ending == "SUCCESS purged" || ending == "SUCCESS already_clean",
            (false, true) => ending == "SUCCESS synced",
            (false, false) => ending == "SKIPPED not_deleted",
        }
    }
}
