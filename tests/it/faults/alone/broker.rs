//! Kafka itself: killed, frozen, and refusing what is written to it.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::events::Record;
use local_stack::topics::{DELETE, FAILED, REQUEST, STATUS};
use local_stack::users::new_ids;
use local_stack::{Faults, Records, Service};

use crate::door::{Door, Way};
use crate::faults::case::{Case, sized};
use crate::faults::frontiers::Frontiers;
use crate::faults::storm::{Setting, Storm};
use crate::scene::PATIENCE;

/// No record is so small: the broker refuses each, as it would with too few replicas if it had others.
const REFUSE: (&str, &str) = ("max.message.bytes", "100");

const KILLED: Case = Case {
    name: "a_broker_killed_again_and_again_loses_nothing",
    promise: "an_outage_dead_letters_nothing",
    fault: "kill -9 of the only broker, away for up to two seconds and the time of its start",
    oracle: "the worker goes on as the process that it is; repeats: at most what was in work while the session ran out",
    rows: &[15, 17],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_again_and_again_loses_nothing() {
    let (users, kills) = sized((1_000, 1), (6_000, 8));
    let mut storm = Storm::brew(KILLED, Setting::of(users)).await;
    storm.publish().await;
    storm.join().await;
    for kill in 1..=kills {
        storm.until_told(users * kill / (kills + 1)).await;
        let moment = storm.dice.moment(Duration::from_secs(2));
        storm.faults.kill(Service::Kafka).unwrap();
        storm.cut();
        storm.blow(moment).await;
        storm.faults.start(Service::Kafka).unwrap();
        storm.until_recovered().await;
        storm.lengthen_cut();
    }
    storm.calm().await;
}

const FROZEN: Case = Case {
    name: "a_broker_that_stands_still_is_waited_for",
    promise: "an_outage_dead_letters_nothing",
    fault: "SIGSTOP of the only broker for up to eight seconds, longer than a session; connections stay open",
    oracle: "looked at all the time, no committed offset ever goes back",
    rows: &[15, 16, 19],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stands_still_is_waited_for() {
    let (users, stops) = sized((1_000, 2), (6_000, 12));
    let mut storm = Storm::brew(FROZEN, Setting::of(users)).await;
    storm.publish().await;
    storm.join().await;
    let frontiers = Frontiers::watch(&storm.scene);
    for stop in 1..=stops {
        storm.until_told(users * stop / (stops + 1)).await;
        let moment = storm.dice.moment(Duration::from_secs(8));
        storm.faults.signal(Service::Kafka, "STOP").unwrap();
        storm.cut();
        storm.blow(moment).await;
        storm.faults.signal(Service::Kafka, "CONT").unwrap();
        storm.until_recovered().await;
        storm.lengthen_cut();
    }
    frontiers.never_went_back().await;
    storm.calm().await;
}

const NETWORK: Case = Case {
    name: "a_bad_network_to_kafka_loses_nothing",
    promise: "an_outage_dead_letters_nothing",
    fault: "the way to the broker is late by 300 ms, 50 kB a second, deaf (answers are lost) or dead for up to two seconds, or its connections are reset",
    oracle: "looked at all the time, no committed offset ever goes back",
    rows: &[16, 17, 19],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_kafka_loses_nothing() {
    let (users, times) = sized((600, 6), (8_000, 80));
    let faults = Faults::up().unwrap();
    let kafka = &faults.stack.kafka_door;
    let mut door = Door::shut_at(kafka.port, &kafka.inner);
    door.open();
    let setting = Setting::of(users).with("KAFKA__BROKERS", &format!("127.0.0.1:{}", kafka.port));
    let mut storm = Storm::brew(NETWORK, setting).await;
    let mut portions = storm.portions(times);
    storm.join().await;
    let frontiers = Frontiers::watch(&storm.scene);
    let (late, narrow) = (Way::Late(Duration::from_millis(300)), Way::Narrow(50_000));
    for time in 0..times {
        storm.publish_next(&mut portions).await;
        let moment = storm.dice.moment(Duration::from_millis(300));
        storm.blow(moment).await;
        match [Some(late), Some(narrow), Some(Way::Deaf), Some(Way::Frozen), None, None][time % 6] {
            Some(way) => door.set(way),
            None => door.reset(),
        }
        storm.cut();
        let moment = storm.dice.moment(Duration::from_secs(2));
        storm.blow(moment).await;
        door.set(Way::Clear);
        storm.lengthen_cut();
    }
    frontiers.never_went_back().await;
    storm.calm().await;
}

const REFUSING: Case = Case {
    name: "while_the_status_topic_refuses_offsets_are_held",
    promise: "settled_before_committed",
    fault: "the status topic takes no record for seconds: every one is too large for it",
    oracle: "meanwhile no event that came is committed",
    rows: &[17],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_status_topic_refuses_offsets_are_held() {
    let waves = sized(2, 20);
    let mut storm = Storm::brew(REFUSING, Setting::of(waves * 40)).await;
    storm.publish_living().await;
    storm.join().await;
    storm.until_final(&storm.people.living()).await;
    for wave in storm.people.waves(waves) {
        storm.scene.inputs_committed().await;
        let before = storm.scene.topics.progress(&[DELETE]).await.unwrap();
        storm.scene.topics.configure(STATUS, Some(REFUSE)).await.unwrap();
        let failures = given_up(&storm).await;
        storm.scene.publish_deletions(&wave).await;
        storm.scene.until("records are given up", async || given_up(&storm).await > failures).await;
        storm.strike();
        let moment = storm.dice.moment(Duration::from_secs(2));
        storm.blow(moment).await;
        let held = storm.scene.topics.progress(&[DELETE]).await.unwrap();
        assert!(held.iter().all(|(place, now)| now.committed == before[place].committed), "{held:?}");
        storm.scene.topics.configure(STATUS, None).await.unwrap();
        storm.until_recovered().await;
        storm.until_final(&wave).await;
    }
    storm.calm().await;
}

async fn given_up(storm: &Storm) -> f64 {
    storm.workers[0].metric("user_purge_sync_publish_failures_total", &[]).await.unwrap()
}

const UNFAILED: Case = Case {
    name: "while_the_failed_topic_is_away_offsets_are_held",
    promise: "settled_before_committed",
    fault: "the failed topic takes no record for seconds, or is deleted and made again, while broken records come",
    oracle: "meanwhile no broken record is committed; afterwards each is in the failed topic; no user is told again because of it",
    rows: &[12, 17, 27],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_failed_topic_is_away_offsets_are_held() {
    let waves = sized(2, 8);
    let setting = Setting::of(waves * 40).with("KAFKA__PROPERTIES__DELIVERY_TIMEOUT_MS", "1000");
    let mut storm = Storm::brew(UNFAILED, setting).await;
    storm.publish_living().await;
    storm.join().await;
    storm.until_final(&storm.people.living()).await;
    let mut wanted = BTreeSet::new();
    for (round, wave) in storm.people.waves(waves).into_iter().enumerate() {
        storm.scene.inputs_committed().await;
        let is_deleted = round % 2 == 1;
        if is_deleted {
            storm.scene.topics.drop_topic(FAILED).await.unwrap();
            wanted.clear();
        } else {
            storm.scene.topics.configure(FAILED, Some(REFUSE)).await.unwrap();
        }
        let broken = storm.scene.topics.ends(REQUEST).await.unwrap()[&0].1;
        storm.scene.topics.publish(REQUEST, &[Record::raw("broken").on(0)]).await.unwrap();
        storm.scene.publish_deletions(&wave).await;
        let failures = given_up(&storm).await;
        storm.scene.until("it is given up", async || given_up(&storm).await > failures).await;
        storm.strike();
        // Their status and their failed record are published together.
        let unknown = new_ids(1);
        storm.scene.publish_deletions(&unknown).await;
        storm.until_final(&unknown).await;
        let failures = given_up(&storm).await;
        storm.scene.until("theirs is given up", async || given_up(&storm).await > failures + 3.5).await;
        let held = storm.scene.topics.progress(&[REQUEST]).await.unwrap();
        assert!(held[&(REQUEST.to_owned(), 0)].committed <= broken, "{held:?}");
        if is_deleted {
            storm.scene.topics.make_topic(FAILED, 4).await.unwrap();
        } else {
            storm.scene.topics.configure(FAILED, None).await.unwrap();
        }
        wanted.insert(broken.to_string());
        storm.until_final(&wave).await;
        storm.scene.inputs_committed().await;
        assert_failed(&storm, &wanted).await;
    }
    storm.calm().await;
}

/// Of the topic as it is now: who made it again began a new one.
async fn assert_failed(storm: &Storm, wanted: &BTreeSet<String>) {
    let failed = Records::follow(&storm.scene.topics, FAILED).unwrap();
    let all = failed.until("the broken records", PATIENCE, |all| {
        let offsets = all.iter().map(|it| &it.value["source"]["offset"]);
        let found: BTreeSet<String> = offsets.filter(|offset| offset.is_i64()).map(ToString::to_string).collect();
        found == *wanted
    });
    all.await.unwrap_or_else(|error| panic!("{error:?}"));
}
