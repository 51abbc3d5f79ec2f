//! The Sync API away, flapping, failing in parts, and saying success that is none.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::records::Written;
use local_stack::topics::DELAY;
use local_stack::users::new_ids;
use local_stack::{Records, eventually};
use serde_json::{Value, json};

use super::case::{Case, sized};
use super::odd_answers::OddGateway;
use super::storm::{Setting, Storm};
use crate::door::{Door, Way};
use crate::scene::{PATIENCE, breaker_of, followed, in_calls, is_probe};

const SECOND: Duration = Duration::from_secs(1);
/// Calls of an outage of two minutes, at most: those under way when it began, those that open the breaker, the probes.
const A_HANDFUL: u64 = 25;

const AWAY: Case = Case {
    name: "while_the_sync_api_is_away_purges_go_on_and_it_is_left_in_peace",
    promise: "an_outage_dead_letters_nothing",
    fault: "every call is answered 503 for two minutes (short: eight seconds)",
    oracle: "purges go on meanwhile, nobody is failed or told of a sync, and at most 25 calls are made, probes among them",
    rows: &[20, 22],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_sync_api_is_away_purges_go_on_and_it_is_left_in_peace() {
    let setting = Setting::of(1_200).with("RETRY__TIME", "3s").with("RETRY__ATTEMPTS", "3");
    let mut storm = Storm::brew(AWAY, setting).await;
    storm.join().await;
    let mut portions = storm.portions(3);
    storm.publish_next(&mut portions).await;
    storm.until_told(100).await;
    storm.scene.sync_api.behave(&json!({"mode": "fail", "status": 503})).await.unwrap();
    storm.strike();
    storm.publish_next(&mut portions).await;
    storm.scene.until("the breaker is open", async || breaker_of(storm.worker(), "sync").await > 0.0).await;
    let calls = calls(&storm).await;
    storm.publish_next(&mut portions).await;
    let purged = async || storm.scene.rows.of(&storm.people.deleted).await.unwrap().is_empty();
    storm.scene.until("the purges go on", purged).await;
    storm.blow(sized(8, 120) * SECOND).await;
    storm.scene.assert_nobody_failed();
    let made = self::calls(&storm).await - calls;
    assert!(made <= A_HANDFUL, "{made} calls during the outage");
    let indexed = storm.scene.indexed().await;
    let told = storm.scene.statuses.all().into_iter().filter(|status| status.stage("sync") == "OK");
    let untrue = told.filter(|status| !indexed.contains(&status.user)).count();
    assert_eq!(untrue, 0, "were told of a sync that was not");
    storm.scene.sync_api.behave_normally().await.unwrap();
    storm.calm().await;
}

async fn calls(storm: &Storm) -> u64 {
    storm.scene.sync_api.calls().await.unwrap()["calls"].as_u64().unwrap()
}

const FLAPPING: Case = Case {
    name: "a_flapping_sync_api_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "for some seconds down in one of eight ways (answers 500, 502, 503, 429; closes; hangs; says success without \
            Cassandra or without the index), then up for some, again and again",
    oracle: "nobody is failed, whichever the way",
    rows: &[20, 22],
};

fn ways_down() -> [Value; 8] {
    [
        json!({"mode": "fail", "status": 500}),
        json!({"mode": "fail", "status": 502}),
        json!({"mode": "fail", "status": 503}),
        json!({"mode": "fail", "status": 429, "retryAfter": 1}),
        json!({"mode": "close"}),
        json!({"mode": "hang"}),
        json!({"mode": "cassandraDown"}),
        json!({"mode": "indexDown"}),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flapping_sync_api_fails_nobody() {
    let (users, flaps) = sized((900, 3), (6_000, 16));
    let setting = Setting::of(users).with("SYNC__TIMEOUT", "2s").with("SYNC__AMBIGUITY", "1s");
    let mut storm = Storm::brew(FLAPPING, setting).await;
    storm.join().await;
    let mut portions = storm.portions(flaps);
    let mut ways = ways_down();
    storm.dice.shuffle(&mut ways);
    for flap in 0..flaps {
        storm.publish_next(&mut portions).await;
        let (before, down, up) =
            (storm.dice.moment(SECOND / 4), storm.dice.moment(3 * SECOND), storm.dice.moment(2 * SECOND));
        storm.blow(before).await;
        storm.scene.sync_api.behave(&ways[flap % ways.len()]).await.unwrap();
        storm.strike();
        storm.blow(down).await;
        storm.scene.sync_api.behave_normally().await.unwrap();
        storm.blow(up).await;
    }
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

const PARTIAL: Case = Case {
    name: "blocks_that_succeed_in_part_are_whole_in_the_end",
    promise: "an_outage_dead_letters_nothing",
    fault: "one user in ten is answered false, one in ten not at all, others in every wave; each wave ends",
    oracle: "nobody is failed, and everybody is indexed",
    rows: &[21],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_succeed_in_part_are_whole_in_the_end() {
    let (users, waves) = sized((600, 2), (6_000, 20));
    // Chance may choose one user in every wave.
    let setting = Setting::of(users).with("RETRY__ATTEMPTS", "1000");
    let mut storm = Storm::brew(PARTIAL, setting).await;
    storm.join().await;
    let mut portions = storm.portions(waves);
    let mut everybody = storm.people.all();
    for _ in 0..waves {
        storm.dice.shuffle(&mut everybody);
        let (wrong, absent) = everybody[..users / 5].split_at(users / 10);
        storm.scene.sync_api.behave(&json!({"falseIds": wrong, "absentIds": absent})).await.unwrap();
        storm.strike();
        storm.publish_next(&mut portions).await;
        storm.blow(sized(1, 2) * SECOND).await;
    }
    storm.scene.sync_api.behave_normally().await.unwrap();
    storm.scene.assert_nobody_failed();
    let indexed = [&storm.people.deleted[..], &storm.people.resynced].concat();
    storm.until_final(&storm.people.all()).await;
    storm.scene.assert_indexed(&indexed).await;
    storm.calm().await;
}

const POISON: Case = Case {
    name: "a_poisoned_block_fails_only_the_user_that_poisons_it",
    promise: "one_bad_user_hurts_nobody",
    fault: "some users make every call that names them end in 500; each of them poisons a block",
    oracle: "exactly these are FAILED and have a failed record, and the breaker is closed",
    rows: &[21],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_block_fails_only_the_user_that_poisons_it() {
    let (users, poison) = sized((1_000, 4), (6_000, 120));
    let setting = Setting::of(users).with("RETRY__ATTEMPTS", "3").with("RETRY__MAX_PAUSE", "500ms");
    let mut storm = Storm::brew(POISON, setting.with("SYNC__AMBIGUITY", "1s")).await;
    let poisoned = new_ids(poison);
    storm.scene.users.put_all(&poisoned, 2).await.unwrap();
    storm.scene.sync_api.behave(&json!({"poisonIds": poisoned})).await.unwrap();
    storm.join().await;
    let waves = poison / 2;
    let mut portions = storm.portions(waves);
    for pair in poisoned.chunks(2) {
        storm.publish_next(&mut portions).await;
        storm.scene.publish_deletions(pair).await;
        storm.strikes(pair.len());
    }
    storm.until_final(&poisoned).await;
    storm.until_final(&storm.people.all()).await;
    let failed = storm.scene.failed_records(poison).await;
    let names = failed.iter().flat_map(|record| record.value["edata"]["userIds"].as_array().unwrap());
    let failed: BTreeSet<_> = names.map(|id| id.as_str().unwrap()).collect();
    assert_eq!(failed, poisoned.iter().map(String::as_str).collect());
    assert!(breaker_of(storm.worker(), "sync").await == 0.0, "the breaker is closed");
    storm.calm().await;
}

const ODD: Case = Case {
    name: "an_answer_that_is_none_is_asked_for_again",
    promise: "an_outage_dead_letters_nothing",
    fault: "one answer in four is spoiled on its way: its head or its body too slow, cut by a reset in the middle, half \
            JSON, other JSON, HTML, 408",
    oracle: "nobody is failed and nobody is told of a sync that was not made",
    rows: &[20, 23],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_is_asked_for_again() {
    let (users, odd) = sized((500, 16), (5_000, 120));
    let setting = Setting::of(users).with("SYNC__TIMEOUT", "1s").with("SYNC__AMBIGUITY", "1s");
    let mut storm = Storm::brew(ODD, setting.with("SYNC__BLOCK_SIZE", "10")).await;
    let gateway = OddGateway::start(storm.scene.sync_api.address()).await;
    storm.set("SYNC__ENDPOINT", &gateway.endpoint);
    storm.join().await;
    storm.publish().await;
    storm.until_told(users / 20).await;
    gateway.spoil(Some(4));
    let enough = async || gateway.played() >= odd || storm.scene.statuses.count() >= users;
    let spoiled = eventually("enough is spoiled", 2 * PATIENCE, async || enough().await.then_some(())).await;
    spoiled.unwrap_or_else(|error| panic!("{error:?}"));
    gateway.spoil(None);
    storm.strikes(gateway.played());
    storm.scene.assert_nobody_failed();
    storm.until_final(&storm.people.all()).await;
    storm.scene.assert_indexed(&storm.people.deleted).await;
    storm.calm().await;
}

const LOST: Case = Case {
    name: "an_answer_lost_after_the_effect_is_asked_for_again",
    promise: "one_at_a_time_per_user",
    fault: "the Sync API does the work and closes the connection without a word",
    oracle: "every one of them has a sync follow-up, and nobody is called twice at once",
    rows: &[23],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_after_the_effect_is_asked_for_again() {
    let (users, waves) = sized((600, 3), (4_000, 40));
    let mut storm = Storm::brew(LOST, Setting::of(users).with("SYNC__AMBIGUITY", "1s")).await;
    let delayed = Records::follow(&storm.scene.topics, DELAY).unwrap();
    storm.join().await;
    let mut portions = storm.portions(waves);
    for _ in 0..waves {
        let before = storm.ended("closed").await;
        storm.scene.sync_api.behave(&json!({"mode": "applyThenLoseAnswer", "calls": 2})).await.unwrap();
        storm.publish_next(&mut portions).await;
        storm.scene.until("two answers are lost", async || storm.ended("closed").await == before + 2).await;
        let heard = storm.ended("200").await;
        storm.scene.until("others are heard", async || storm.ended("200").await > heard).await;
    }
    storm.until_final(&storm.people.all()).await;
    storm.strikes(2 * waves);
    let calls = storm.scene.sync_api.calls().await.unwrap();
    let lost = in_calls(&calls, |call| call["end"] == "closed" && !is_probe(call));
    // Where the purge waits as well, one follow-up does both.
    let again = |all: &[Written]| &followed(all, "sync") | &followed(all, "look");
    let all = delayed.until("a follow-up for each of them", PATIENCE, |all| lost.is_subset(&again(all))).await;
    all.unwrap_or_else(|error| panic!("{error:?}"));
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

impl Storm {
    async fn ended(&self, end: &str) -> u64 {
        self.scene.sync_api.calls().await.unwrap()["ends"][end].as_u64().unwrap_or_default()
    }
}

const NETWORK: Case = Case {
    name: "a_bad_network_to_the_sync_api_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "the way is late, narrow, deaf in one direction, a black hole or shut, and connections are reset",
    oracle: "nobody is failed",
    rows: &[19],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_the_sync_api_fails_nobody() {
    let (users, waves) = sized((500, 2), (3_000, 10));
    let setting = Setting::of(users).with("SYNC__TIMEOUT", "2s").with("SYNC__AMBIGUITY", "1s");
    let mut storm = Storm::brew(NETWORK, setting).await;
    let mut door = Door::shut(storm.scene.sync_api.address());
    door.open();
    storm.set("SYNC__ENDPOINT", &format!("http://127.0.0.1:{}/v1/data/sync", door.port()));
    storm.join().await;
    storm.weather(&mut door, waves).await;
    storm.calm().await;
}

impl Storm {
    /// Everybody's events, a portion with each way in which a network is bad; nobody is failed.
    pub async fn weather(&mut self, door: &mut Door, waves: usize) {
        let mut portions = self.portions(waves);
        for wave in 0..waves {
            self.publish_next(&mut portions).await;
            self.wave_at(door, wave).await;
        }
        self.scene.assert_nobody_failed();
    }

    /// One of the ways in which a network is bad, for some seconds, with resets in the middle; then it is good.
    pub async fn wave_at(&mut self, door: &mut Door, wave: usize) {
        let ways = [Way::Deaf, Way::Frozen, Way::Late(SECOND / 4), Way::Narrow(50_000)];
        let before = self.dice.moment(SECOND / 4);
        self.blow(before).await;
        match ways.get(wave % (ways.len() + 1)) {
            Some(way) => door.set(*way),
            None => door.close().await,
        }
        self.strike();
        for _ in 0..sized(1, 4) {
            let time = self.dice.moment(2 * SECOND);
            self.blow(time).await;
            door.reset();
            self.strike();
        }
        door.set(Way::Clear);
        door.open();
    }
}
