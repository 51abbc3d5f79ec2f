//! What operators and retention do to topics and offsets, on purpose or by mistake.

use std::collections::BTreeMap;

use local_stack::events::{Record, deletion};
use local_stack::operator::Reset;
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;
use local_stack::{Status, Topics, eventually};

use super::case::{Case, sized};
use super::storm::{Setting, Storm};
use crate::scene::PATIENCE;

const REWOUND: Case = Case {
    name: "a_rewind_is_a_wish_to_redo",
    promise: "an operator's reset counts, whatever metadata it leaves",
    fault: "between two workers the offsets are set back, with no metadata, that of the last commit, of another program, of a later version, or 4,096 bytes of it",
    oracle: "everybody behind the new offset is told again, under the same id; while the group has members Kafka refuses it and nothing moves",
    rows: &[13, 14, 32],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewind_is_a_wish_to_redo() {
    let rounds = sized(2, 10);
    let mut storm = Storm::brew(REWOUND, Setting::of(rounds * 40)).await;
    storm.repeats_a_fault = 36;
    storm.publish_living().await;
    storm.join().await;
    storm.until_final(&storm.people.living()).await;
    for (round, wave) in storm.people.waves(rounds).into_iter().enumerate() {
        storm.scene.inputs_committed().await;
        let before = storm.scene.topics.progress(&[DELETE]).await.unwrap();
        storm.scene.publish_deletions(&wave).await;
        storm.until_final(&wave).await;
        storm.scene.inputs_committed().await;
        let last = storm.scene.topics.progress(&[DELETE]).await.unwrap();
        let foreign = ["NO_METADATA".to_owned(), "~~~~ not base64".to_owned(), "A".repeat(4096), "/wAB".to_owned()];
        let resets: Vec<Reset<'_>> = before
            .iter()
            .map(|((_, partition), place)| {
                let metadata = match round % 6 {
                    0 => "",
                    1 => last[&(DELETE.to_owned(), *partition)].metadata.as_str(),
                    other => &foreign[other - 2],
                };
                (DELETE, *partition, place.committed, metadata)
            })
            .collect();
        assert!(storm.scene.topics.reset(&resets).await.is_err(), "the group has a member");
        storm.end(0).await;
        storm.scene.topics.reset(&resets).await.unwrap();
        storm.join().await;
        let again = |all: &[Status]| {
            let mut told: BTreeMap<&str, usize> = wave.iter().map(|id| (id.as_str(), 0)).collect();
            for status in all {
                told.entry(&status.user).and_modify(|count| *count += 1);
            }
            told.values().all(|count| *count >= 2)
        };
        let told = storm.scene.statuses.until("everybody is told again", PATIENCE, again).await;
        told.unwrap_or_else(|error| panic!("{error:?}"));
        storm.until_recovered().await;
    }
    storm.calm().await;
}

/// Deletions that retention takes before anybody has read them.
const MISSED: usize = 20;

const FORGOTTEN: Case = Case {
    name: "what_retention_took_is_told_loudly",
    promise: "records that are gone before they were read are an error that a person sees, never silence",
    fault: "while no worker runs retention removes records that were never read, of two partitions",
    oracle: "one error for each partition, with the number of records; what is left is done",
    rows: &[12],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_took_is_told_loudly() {
    let rounds = sized(1, 8);
    let mut storm = Storm::brew(FORGOTTEN, Setting::of(rounds * 40)).await;
    storm.publish_living().await;
    storm.join().await;
    storm.until_final(&storm.people.living()).await;
    for wave in storm.people.waves(rounds) {
        // Where nothing was ever committed, wherever the log begins is right.
        let (early, late) = wave.split_at(10);
        storm.scene.topics.publish(DELETE, &on_two_partitions(early)).await.unwrap();
        storm.until_final(early).await;
        storm.scene.inputs_committed().await;
        storm.end(0).await;
        storm.scene.topics.publish(DELETE, &on_two_partitions(&new_ids(MISSED))).await.unwrap();
        let ends = storm.scene.topics.ends(DELETE).await.unwrap();
        let gone = ends.iter().filter(|(partition, _)| **partition < 2).map(|(partition, (_, end))| (*partition, *end));
        storm.scene.topics.forget_before(DELETE, &gone.collect()).await.unwrap();
        storm.join().await;
        let told = eventually("it is told", PATIENCE, async || {
            let missed = ["user_purge_sync_records_missed_total", "topic=\"delete\""];
            let missed = storm.workers[0].metric(missed[0], &missed[1..]).await.ok()?;
            (missed > MISSED as f64 - 0.5).then_some(missed)
        });
        let told = told.await.unwrap_or_else(|error| panic!("{error:?}\n{}", storm.workers[0].log()));
        assert!((told - MISSED as f64).abs() < 0.5, "{told}");
        let log = storm.workers[0].log();
        let lines = log.lines().filter(|line| line.contains("ERROR") && line.contains("removed before they were read"));
        assert_eq!(lines.count(), 2, "{log}");
        storm.scene.topics.publish(DELETE, &on_two_partitions(late)).await.unwrap();
        storm.until_recovered().await;
        storm.until_final(late).await;
    }
    storm.calm().await;
}

fn on_two_partitions(ids: &[String]) -> Vec<Record> {
    ids.iter().enumerate().map(|(number, id)| deletion(id).on(i32::from(number % 2 == 0))).collect()
}

const WIDENED: Case = Case {
    name: "partitions_added_while_running_are_read_from_their_beginning",
    promise: "settled_before_committed",
    fault: "the topic of deletions gets two more partitions, with records before any worker knows of them",
    oracle: "everybody on them is told",
    rows: &[12],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_added_while_running_are_read_from_their_beginning() {
    let rounds = sized(1, 6);
    let setting =
        Setting::of(rounds * 40).with("KAFKA__PROPERTIES__TOPIC_METADATA_REFRESH_INTERVAL_MS", "1000").soon_missed();
    let mut storm = Storm::brew(WIDENED, setting).await;
    // Each time partitions move to and fro between the two.
    storm.owners_overlap = true;
    storm.repeats_a_fault = 36;
    storm.publish_living().await;
    storm.join().await;
    storm.join().await;
    let mut partitions = 4;
    for wave in storm.people.waves(rounds) {
        partitions += 2;
        storm.scene.topics.widen(DELETE, usize::try_from(partitions).unwrap()).await.unwrap();
        storm.strike();
        let records: Vec<Record> = wave
            .iter()
            .enumerate()
            .map(|(number, id)| deletion(id).on(partitions - 1 - i32::from(number % 2 == 0)))
            .collect();
        // Its producer knows of them at once.
        let topics = Topics::of(&storm.scene.stack, &storm.scene.topics.env).unwrap();
        topics.publish(DELETE, &records).await.unwrap();
        storm.until_recovered().await;
        storm.until_final(&wave).await;
    }
    storm.calm().await;
}

const RECREATED: Case = Case {
    name: "an_input_topic_that_is_made_again_is_read_again",
    promise: "settled_before_committed",
    fault: "the request topic is deleted under a running worker, and made again when the worker has noticed",
    oracle: "the worker says that it is gone; requests written to the new one are done by the same process",
    rows: &[12],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_topic_that_is_made_again_is_read_again() {
    let rounds = sized(1, 5);
    let setting =
        Setting::of(rounds * 40).with("KAFKA__PROPERTIES__TOPIC_METADATA_REFRESH_INTERVAL_MS", "1000").soon_missed();
    let mut storm = Storm::brew(RECREATED, setting).await;
    storm.publish_living().await;
    storm.join().await;
    storm.until_final(&storm.people.living()).await;
    for (before, wave) in storm.people.waves(rounds).into_iter().enumerate() {
        storm.scene.inputs_committed().await;
        storm.scene.topics.drop_topic(REQUEST).await.unwrap();
        storm.strike();
        let told = async || (told_gone(&storm) > before).then_some(());
        eventually("it is told that the topic is gone", PATIENCE, told)
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        storm.scene.topics.make_topic(REQUEST, 4).await.unwrap();
        let records: Vec<Record> = wave.iter().map(|id| local_stack::events::request("delete-user", id)).collect();
        storm.scene.topics.publish(REQUEST, &records).await.unwrap();
        storm.until_recovered().await;
        storm.until_final(&wave).await;
    }
    storm.calm().await;
}

fn told_gone(storm: &Storm) -> usize {
    storm.workers[0].log().lines().filter(|line| line.contains("a topic is gone")).count()
}
