//! Records that are none, come twice, come late, or take back what others ask for.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::events::{Record, USER_NAME, deletion, request};
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;

use super::case::{Case, Dice, sized};
use super::storm::{Setting, Storm};

const SECOND: Duration = Duration::from_secs(1);
/// A topic's `max.message.bytes` by default, less what is around a lone record.
const LARGEST: usize = 1_048_588 - 128;

const FLOOD: Case = Case {
    name: "a_flood_of_poison_holds_its_partition_and_no_other",
    promise: "one_bad_user_hurts_nobody",
    fault: "every second record of one partition is undecodable",
    oracle: "the partition is held, its poison is not drained into the failed topic, the others go on; a raised \
             intake.reject_limit lets all of it pass, each poison told once",
    rows: &[26, 28],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_poison_holds_its_partition_and_no_other() {
    let (users, poison) = sized((400, 300), (4_000, 1_500));
    let mut storm = Storm::brew(FLOOD, Setting::of(users)).await;
    storm.join().await;
    let (behind, beside) = storm.people.deleted.split_at(100);
    let mut flood = Vec::new();
    for number in 0..poison {
        flood.push(Record::raw(format!("{{\"userName\": \"{USER_NAME}\", poison {number}")).on(0));
        flood.push(deletion(&behind[number % behind.len()]).on(0));
    }
    let behind: BTreeSet<_> = behind[..].iter().cloned().collect();
    storm.scene.topics.publish(DELETE, &flood).await.unwrap();
    let held = async || {
        let labels = ["topic=\"delete\"", "partition=\"0\""];
        storm.worker().metric("user_purge_sync_partition_held", &labels).await.is_ok_and(|held| held > 0.5)
    };
    storm.scene.until("the partition is held", held).await;
    let others: Vec<_> = beside.iter().map(|id| deletion(id).on(storm.dice.partition())).collect();
    let mine = beside.to_vec();
    storm.scene.topics.publish(DELETE, &others).await.unwrap();
    storm.until_final(&mine).await;
    storm.blow(6 * SECOND).await;
    let drained = storm.scene.failed.count();
    assert!(drained <= 100, "{drained} of {poison} poisons are drained into the failed topic");
    // Whoever raises the limit restarts the worker.
    storm.kill(0);
    storm.strikes(poison);
    storm.set("INTAKE__REJECT_LIMIT", "100000");
    storm.join().await;
    storm.publish().await;
    storm.until_final(&behind.into_iter().collect::<Vec<_>>()).await;
    let failed = storm.scene.failed_records(poison).await;
    let places: BTreeSet<_> = failed.iter().map(|record| &record.headers).collect();
    assert_eq!(places.len(), poison, "each poison is told");
    storm.calm().await;
}

impl Dice {
    /// Any but the first.
    fn partition(&mut self) -> i32 {
        i32::try_from(1 + self.below(3)).unwrap()
    }
}

const JUNK: Case = Case {
    name: "what_is_no_event_is_told_once_and_hurts_nobody",
    promise: "one_bad_user_hurts_nobody",
    fault: "among everybody's events, in any order: broken and truncated JSON, no JSON, other JSON, bytes that are no \
            text, nothing, a megabyte, a tombstone, no user, a user id that is none; events from the future, of unknown \
            actions, and each event up to three times",
    oracle: "of every record that is no event there is one failed record that names its place, and of no other",
    rows: &[26],
};

/// Undecodable, each in its own way.
fn junk(number: usize) -> Record {
    let of_jane = |edata: &str| format!("{{\"edata\": {{\"userName\": \"{USER_NAME}\", {edata}").into_bytes();
    let text: Vec<u8> = match number % 12 {
        0 => of_jane(""),
        1 => format!("delete {USER_NAME}").into_bytes(),
        2 => b"[1, 2]".to_vec(),
        3 => vec![0xff, 0xfe, 0x00, 0x80],
        4 => Vec::new(),
        5 => of_jane("\"action\": \"delete-user\"}}"),
        6 => of_jane("\"userId\": 7}}"),
        7 => of_jane("\"userId\": \" \"}}"),
        8 => of_jane(&format!("\"userId\": {{\"name\": \"{USER_NAME}\"}}}}}}")),
        9 => "[".repeat(50_000).into_bytes(),
        10 => return Record::tombstone(),
        _ => vec![b'{'; LARGEST],
    };
    Record::raw(text)
}

/// The same event, said to be of another time.
fn at(record: &Record, ets: &str) -> Record {
    let mut value: serde_json::Value = serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap();
    value["ets"] = serde_json::from_str(ets).unwrap();
    Record { payload: Some(value.to_string().into_bytes()), ..record.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_event_is_told_once_and_hurts_nobody() {
    let (users, bad) = sized((400, 22), (6_000, 220));
    let setting = Setting::of(users).with("SYNC__SETTLE_DELAY", "1s");
    let mut storm = Storm::brew(JUNK, setting).await;
    storm.join().await;
    let (deletions, mut requests) = storm.people.events(&mut storm.dice);
    let mut records = deletions.clone();
    let copies = deletions.iter().filter(|_| storm.dice.below(3) == 0).cloned();
    let copies: Vec<_> = copies.collect();
    // A century ahead, before 1970, and no time at all.
    let times = ["4900000000000", "-1", "1e300"];
    let odd: Vec<_> = copies.iter().enumerate().map(|(number, copy)| at(copy, times[number % times.len()])).collect();
    records.extend(copies);
    records.extend(odd);
    records.extend((0..bad).map(junk));
    let other = at(&deletion(&new_ids(1)[0]), "0").payload.unwrap();
    let other = String::from_utf8(other).unwrap().replace("delete-user", "merge-user");
    records.push(Record::raw(other));
    storm.dice.shuffle(&mut records);
    storm.dice.shuffle(&mut requests);
    storm.scene.topics.publish(DELETE, &records).await.unwrap();
    storm.scene.topics.publish(REQUEST, &requests).await.unwrap();
    storm.strikes(bad);
    storm.until_final(&storm.people.all()).await;
    storm.scene.all_committed().await;
    let failed = storm.scene.failed_records(bad).await;
    let places: BTreeSet<_> = failed.iter().map(|record| &record.headers).collect();
    assert_eq!((places.len(), failed.len()), (bad, bad), "each is told, and once");
    storm.calm().await;
}

const CHANGED: Case = Case {
    name: "users_restored_and_deleted_again_end_as_they_are",
    promise: "never_purge_a_live_user",
    fault: "while the work goes on, users are restored and stay so, restored and deleted again, and resynced in between, \
            their events on other partitions",
    oracle: "who was restored and told not_deleted has every row; who was deleted again is gone, with a blanked document; \
             nobody is called twice at once",
    rows: &[30],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_restored_and_deleted_again_end_as_they_are() {
    let (users, rounds) = sized((400, 2), (4_000, 20));
    let mut storm = Storm::brew(CHANGED, Setting::of(users).with("GUARD__MAX_AGE", "1s")).await;
    storm.join().await;
    let mut portions = storm.portions(rounds);
    let (mut restored, mut again) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (mine, theirs) = (new_ids(10), new_ids(10));
        storm.scene.users.put_all(&[&mine[..], &theirs].concat(), 2).await.unwrap();
        storm.scene.rows.put_federated(&[&mine[..], &theirs].concat()).await.unwrap();
        let deletions: Vec<_> = mine.iter().chain(&theirs).map(|id| deletion(id).on(storm.dice.partition())).collect();
        storm.scene.topics.publish(DELETE, &deletions).await.unwrap();
        storm.publish_next(&mut portions).await;
        let moment = storm.dice.moment(SECOND);
        storm.blow(moment).await;
        change(&mut storm, &mine, &theirs).await;
        restored.extend(mine);
        again.extend(theirs);
    }
    let endings = storm.until_final(&[&restored[..], &again].concat()).await;
    storm.scene.all_committed().await;
    for id in &restored {
        let told = storm.scene.statuses.of(id);
        let was_purged = told.iter().any(|status| status.reason == "purged");
        let rows = storm.scene.rows.of(std::slice::from_ref(id)).await.unwrap();
        assert_eq!(rows.is_empty(), was_purged, "{id} ended {}, {} tables know it", endings[id], rows.len());
    }
    storm.scene.assert_gone(&again).await;
    let blanked = storm.scene.sync_api.documents_with_status(2).await.unwrap();
    let wrong = again.iter().filter(|id| !blanked.contains(*id)).count();
    assert_eq!(wrong, 0, "documents of users who were deleted again are not the blanked ones");
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

/// `restored` are so for good; `again` are restored, asked to be indexed so, deleted again and asked for again.
async fn change(storm: &mut Storm, restored: &[String], again: &[String]) {
    let publish = async |topic: &str, records: Vec<Record>| storm.scene.topics.publish(topic, &records).await.unwrap();
    for id in restored.iter().chain(again) {
        storm.scene.users.set_status(id, 1).await.unwrap();
    }
    publish(REQUEST, again.iter().map(|id| request("resync-user", id)).collect()).await;
    for id in again {
        storm.scene.users.set_status(id, 2).await.unwrap();
    }
    let mut deletions: Vec<_> = again.iter().map(|id| deletion(id).on(0)).collect();
    deletions.extend(again.iter().map(|id| deletion(id).on(3)));
    publish(DELETE, deletions).await;
    storm.strikes(restored.len() + again.len());
}
