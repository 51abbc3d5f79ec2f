//! Keycloak's Admin API away, ill or slow in the middle of purges, and Keycloak itself killed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use local_stack::events::PERSONAL;
use local_stack::users::new_ids;
use local_stack::{Accounts, Service, Stack, Tokens};

use super::case::{Case, sized};
use super::storm::{Setting, Storm};
use crate::door::{Door, Way};

const SECOND: Duration = Duration::from_secs(1);
/// After which a follow-up is due: `delay.after`.
const DELAY: Duration = Duration::from_secs(2);
const PASSWORD: &str = "jane_7hq2 correct horse";

/// Somebody who has logged in, at one client as in a browser and at another as in an app.
struct Person {
    id: String,
    name: String,
    online: Tokens,
    offline: Tokens,
}

impl Person {
    /// Federated, or known to Keycloak alone: it writes all of their rows itself.
    async fn log_in(accounts: &Accounts, is_local: bool) -> Self {
        let federated = new_ids(1).remove(0);
        let (id, name) = if is_local {
            let name = format!("{PERSONAL}-{federated}");
            (accounts.create_local(&name, PASSWORD).await.unwrap(), name)
        } else {
            accounts.set_federated_password(&federated, PASSWORD).await.unwrap();
            (federated.clone(), federated)
        };
        let online = accounts.login(&name, PASSWORD, "portal", false).await.unwrap();
        let offline = accounts.login(&name, PASSWORD, "mobile", true).await.unwrap();
        Self { id, name, online, offline }
    }

    /// So many, some of each kind.
    async fn log_in_many(stack: &Stack, count: usize) -> Vec<Self> {
        let accounts = Accounts::connect(stack).await.unwrap();
        join_all((0..count).map(|number| Self::log_in(&accounts, number % 3 == 2))).await
    }

    /// Refused by Keycloak, not merely unheard.
    async fn assert_ended(&self, accounts: &Accounts) {
        for (client, tokens) in [("portal", &self.online), ("mobile", &self.offline)] {
            let refused = accounts.refresh(tokens, client).await.expect_err("access_ends: a token is good").to_string();
            assert!(refused.starts_with("400"), "access_ends: {refused}");
        }
        for (client, is_offline) in [("portal", false), ("mobile", true)] {
            let refused = accounts.login(&self.name, PASSWORD, client, is_offline).await;
            let refused = refused.expect_err("access_ends: they log in").to_string();
            assert!(refused.starts_with("40"), "access_ends: {refused}");
        }
    }
}

const CASE: Case = Case {
    name: "a_bad_way_to_the_admin_api_leaves_nobody_logged_in",
    promise: "access_ends",
    fault: "in the middle of purges the Admin API is behind a gateway that answers 503 or 500, a black hole, deaf, late, \
            narrow or shut, and its connections are reset; Keycloak is killed by kill -9 (whole form only)",
    oracle: "while it is away nobody is purged, told as purged or failed; each purged user is told with access ended; \
             of a sample that had logged in nobody can log in or refresh an online or offline token once told, and those \
             who are alive can",
    rows: &[19, 20],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_way_to_the_admin_api_leaves_nobody_logged_in() {
    let (users, waves, kills) = sized((120, 2, 0), (1_000, 7, 2));
    let mut storm = brew(users).await;
    let mut door = door_to_admin_api(&mut storm);
    let people = Person::log_in_many(&storm.scene.stack, 2 * (waves + kills)).await;
    let alive = Person::log_in_many(&storm.scene.stack, 2).await;
    storm.put_people(&people, 2).await;
    storm.put_people(&alive, 1).await;
    storm.join().await;
    storm.publish_living().await;
    storm.publish_deletions_of(&alive).await;
    let portions = storm.people.waves(waves + kills);
    for (wave, (pair, portion)) in people.chunks(2).zip(portions).enumerate() {
        // Purges are under way, and others are asked for meanwhile.
        let (before, meanwhile) = portion.split_at(portion.len() / 2);
        storm.scene.publish_deletions(before).await;
        let moment = storm.dice.moment(SECOND / 2);
        storm.blow(moment).await;
        if wave < waves {
            storm.wave_before(&mut door, wave, pair, meanwhile).await;
        } else {
            storm.kill_keycloak(pair, meanwhile).await;
        }
        storm.until_recovered().await;
        storm.assert_ended_of(&people).await;
    }
    let everybody: Vec<String> = people.iter().chain(&alive).map(|person| person.id.clone()).collect();
    storm.until_final(&everybody).await;
    storm.until_final(&storm.people.all()).await;
    assert_eq!(storm.assert_ended_of(&people).await, people.len());
    let accounts = Accounts::connect(&storm.scene.stack).await.unwrap();
    for person in &alive {
        accounts.refresh(&person.offline, "mobile").await.expect("who is alive stays logged in");
        accounts.login(&person.name, PASSWORD, "portal", false).await.expect("who is alive can log in");
    }
    storm.scene.assert_nobody_failed();
    // Sweeps are due, and share a clearing of the cache every half a minute; who is asked to end does not wait for it.
    storm.blow(DELAY * 2).await;
    storm.end(0).await;
    storm.calm().await;
}

async fn brew(users: usize) -> Storm {
    // Attempts of an outage that counted would have failed somebody soon. A call asks several questions for each of its ten
    // users: on a busy machine its own time is seconds.
    let setting = Setting::of(users).with("RETRY__TIME", "20s").with("RETRY__ATTEMPTS", "2");
    let setting = setting.with("KEYCLOAK__ADMIN_API__ENABLED", "true").with("KEYCLOAK__ADMIN_API__TIMEOUT", "1s");
    let storm = Storm::brew(CASE, setting.with("PURGE__BLOCK_SIZE", "10")).await;
    storm.faults.start(Service::Keycloak).unwrap();
    storm
}

fn door_to_admin_api(storm: &mut Storm) -> Door {
    let url = storm.scene.stack.keycloak.url.clone();
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut door = Door::shut(address);
    door.open();
    storm.set("KEYCLOAK__ADMIN_API__URL", &format!("http://127.0.0.1:{}/{path}", door.port()));
    door
}

impl Storm {
    async fn put_people(&self, people: &[Person], status: i32) {
        let ids: Vec<String> = people.iter().map(|person| person.id.clone()).collect();
        self.scene.users.put_all(&ids, status).await.unwrap();
    }

    async fn publish_deletions_of(&self, people: &[Person]) {
        let ids: Vec<String> = people.iter().map(|person| person.id.clone()).collect();
        self.scene.publish_deletions(&ids).await;
    }

    /// One of the ways in which a network is bad, or nothing is behind it; then it is good.
    async fn wave_before(&mut self, door: &mut Door, wave: usize, people: &[Person], others: &[String]) {
        let ways =
            [Way::Gateway(503), Way::Gateway(500), Way::Frozen, Way::Deaf, Way::Late(SECOND / 4), Way::Narrow(20_000)];
        let way = ways.get(wave % (ways.len() + 1));
        match way {
            Some(way) => door.set(*way),
            None => door.close().await,
        }
        self.strike();
        if matches!(way, Some(Way::Late(_) | Way::Narrow(_))) {
            self.publish_deletions_of(people).await;
            self.scene.publish_deletions(others).await;
            let moment = self.dice.moment(2 * SECOND);
            self.blow(moment).await;
            door.reset();
            self.strike();
        } else {
            self.nobody_is_purged(people, others).await;
        }
        door.set(Way::Clear);
        door.open();
    }

    async fn kill_keycloak(&mut self, people: &[Person], others: &[String]) {
        self.faults.kill(Service::Keycloak).unwrap();
        self.strike();
        self.nobody_is_purged(people, others).await;
        self.faults.start(Service::Keycloak).unwrap();
    }

    /// While it is away these are asked for: they are indexed, and for longer than two attempts take nothing else.
    async fn nobody_is_purged(&self, people: &[Person], others: &[String]) {
        let asked = people.iter().map(|person| person.id.clone()).chain(others.iter().cloned()).collect::<Vec<_>>();
        let rows = self.lasting_rows(&asked).await;
        self.scene.publish_deletions(&asked).await;
        let synced = async || {
            let indexed = self.scene.sync_api.documents_with_status(2).await.unwrap();
            asked.iter().all(|id| indexed.contains(id))
        };
        self.scene.until("syncs go on", synced).await;
        self.blow(sized(3, 5) * SECOND).await;
        assert_eq!(self.lasting_rows(&asked).await, rows, "somebody is purged without the step");
        for id in &asked {
            assert_eq!(self.scene.statuses.of(id), [], "somebody is told");
        }
        self.scene.assert_nobody_failed();
    }

    /// Of those that only a purge takes: a logout that is heard and not answered ends sessions, and writes its date.
    async fn lasting_rows(&self, ids: &[String]) -> BTreeMap<&'static str, i64> {
        let mut rows = self.scene.rows.of(ids).await.unwrap();
        rows.retain(|table, _| ["user_entity", "federated_user", "credential", "fed_user_credential"].contains(table));
        rows
    }

    /// From the moment their status is told; how many of them that is so for, and that no other access is told of a purge.
    async fn assert_ended_of(&self, people: &[Person]) -> usize {
        let all = self.scene.statuses.all();
        for status in all.iter().filter(|status| status.reason == "purged" || status.reason == "already_clean") {
            assert_eq!(status.record["edata"]["access"], "ended", "{}", status.user);
        }
        let accounts = Accounts::connect(&self.scene.stack).await.unwrap();
        let told = people.iter().filter(|person| all.iter().any(|status| status.user == person.id));
        let told: Vec<_> = told.collect();
        join_all(told.iter().map(|person| person.assert_ended(&accounts))).await;
        told.len()
    }
}
