//! Keycloak's database killed, cut at the moment of truth, and behind a bad network.

use std::time::Duration;

use local_stack::{KeycloakRows, Service};

use crate::door::{Cut, Door};
use crate::faults::case::{Case, sized};
use crate::faults::storm::{Setting, Storm};
use crate::scene::breaker_of;

const SECOND: Duration = Duration::from_secs(1);

const KILLED: Case = Case {
    name: "while_postgresql_is_away_syncs_go_on_and_purges_wait",
    promise: "an_outage_dead_letters_nothing",
    fault: "kill -9 of PostgreSQL in the middle of purges, away for some seconds",
    oracle: "syncs go on meanwhile, nobody is told of a purge or failed",
    rows: &[25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_syncs_go_on_and_purges_wait() {
    let (users, kills) = sized((600, 1), (4_000, 2));
    let setting = Setting::of(users).with("RETRY__TIME", "3s").with("RETRY__ATTEMPTS", "3");
    // Small blocks, so that it is killed between two of them or inside one.
    let mut storm = Storm::brew(KILLED, setting.with("PURGE__BLOCK_SIZE", "50")).await;
    storm.join().await;
    let mut portions = storm.portions(3 * kills);
    for kill in 0..kills {
        storm.publish_next(&mut portions).await;
        storm.until_told(users * kill / kills + 100).await;
        storm.faults.kill(Service::Postgres).unwrap();
        storm.strike();
        storm.publish_next(&mut portions).await;
        storm.scene.until("the breaker is open", async || breaker_of(storm.worker(), "purge").await > 0.0).await;
        let synced = storm.scene.indexed().await.len();
        storm.publish_next(&mut portions).await;
        storm.scene.until("syncs go on", async || storm.scene.indexed().await.len() > synced).await;
        storm.blow(sized(1, 15) * SECOND).await;
        storm.scene.assert_nobody_failed();
        storm.faults.start(Service::Postgres).unwrap();
        storm.scene.rows = KeycloakRows::connect(&storm.scene.stack).await.unwrap();
    }
    storm.calm().await;
}

const CUT: Case = Case {
    name: "cut_in_the_middle_of_commit_a_purge_is_all_or_nothing",
    promise: "purge_is_all_or_nothing",
    fault: "the connection is cut when COMMIT passes: now before the server hears it, now after",
    oracle: "after each cut, every user has all rows or none",
    rows: &[25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_in_the_middle_of_commit_a_purge_is_all_or_nothing() {
    let (users, cuts) = sized((400, 4), (6_000, 120));
    let mut storm = Storm::brew(CUT, Setting::of(users).with("PURGE__BLOCK_SIZE", "10")).await;
    let mut door = door_to(&mut storm);
    door.open();
    storm.join().await;
    let mut portions = storm.portions(cuts);
    for _ in 0..cuts {
        let cut = [Cut::Before, Cut::After][storm.dice.below(2)];
        door.trap(b"COMMIT", cut);
        storm.publish_next(&mut portions).await;
        storm.scene.until("a commit is cut", async || !door.is_trapped()).await;
        storm.strike();
        storm.assert_all_or_nothing().await;
    }
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

fn door_to(storm: &mut Storm) -> Door {
    let postgres = &storm.scene.stack.postgres;
    let door = Door::shut(&format!("{}:{}", postgres.host, postgres.port));
    storm.set("KEYCLOAK__HOST", "127.0.0.1");
    storm.set("KEYCLOAK__PORT", &door.port().to_string());
    door
}

const NETWORK: Case = Case {
    name: "a_bad_network_to_postgresql_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "the way is late, narrow, deaf in one direction, a black hole or shut, and connections are reset",
    oracle: "nobody is failed, and every user has all rows or none",
    rows: &[19, 25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_postgresql_fails_nobody() {
    let (users, waves) = sized((500, 2), (3_000, 10));
    let setting = Setting::of(users).with("KEYCLOAK__STATEMENT_TIMEOUT", "2s").with("KEYCLOAK__LOCK_TIMEOUT", "1s");
    let mut storm = Storm::brew(NETWORK, setting.with("PURGE__BLOCK_SIZE", "20")).await;
    let mut door = door_to(&mut storm);
    door.open();
    storm.join().await;
    let mut portions = storm.portions(waves);
    for wave in 0..waves {
        storm.publish_next(&mut portions).await;
        storm.wave_at(&mut door, wave).await;
        storm.assert_all_or_nothing().await;
    }
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

impl Storm {
    /// At this moment no deleted user has lost some rows and kept others: of each kind of user, every table knows as many.
    pub async fn assert_all_or_nothing(&self) {
        let sql = self.scene.rows.sql();
        sql.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
        let (local, federated) = self.people.deleted.split_at(self.people.deleted.len() / 4);
        for (ids, parent) in [(local, "user_entity"), (federated, "federated_user")] {
            let rows = self.scene.rows.of(ids).await.unwrap();
            let users = rows.get(parent).copied().unwrap_or_default();
            let parts: Vec<_> = rows.iter().filter(|(_, count)| **count % users.max(1) != 0 || users == 0).collect();
            assert!(parts.is_empty(), "{users} users are in {parent}, but {parts:?}");
        }
        sql.batch_execute("COMMIT").await.unwrap();
    }
}
