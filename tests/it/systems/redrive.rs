//! `redrive` as a program: what failed is mended and done, whatever interrupts it, and nothing of it is lost.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::events::{Record, USER_NAME, deletion};
use local_stack::records::Written;
use local_stack::topics::{DELETE, FAILED, REQUEST};
use local_stack::users::new_ids;
use local_stack::{Records, Topics};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use crate::program::{Ended, run, variables};
use crate::scene::{PATIENCE, Scene};

const FEW_CHANCES: [(&str, &str); 2] = [("RETRY__ATTEMPTS", "2"), ("RETRY__MAX_PAUSE", "300ms")];

async fn redrive(scene: &Scene, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = std::iter::once("redrive").chain(arguments.iter().copied()).collect();
    let ended = run(&variables(&scene.topics.env), &all).await;
    assert_eq!(ended.errors, "", "{}", ended.output);
    ended
}

/// It ends with this code and says these words.
pub(super) async fn told(scene: &Scene, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let Ended { code: ended, output, .. } = redrive(scene, arguments).await;
    assert_eq!(ended, code, "{arguments:?}\n{output}");
    for word in words {
        assert!(output.contains(word), "{arguments:?} says nothing of {word:?}:\n{output}");
    }
    output
}

/// A failed record as the worker writes it.
pub(super) fn failure(id: &str, action: &str, (error, stage): (&str, &str), retriable: bool) -> Record {
    Record::raw(
        json!({
            "eid": "BE_JOB_REQUEST", "ets": 7, "mid": format!("LP.7.{id}"),
            "context": {"cdata": [{"id": "ticket-7", "type": "Request"}]},
            "edata": {"action": action, "objectType": "user", "organisationId": null, "userIds": [id]},
            "jobName": "user-purge-sync",
            "failInfo": {"error": error, "stage": stage, "attempts": 8, "retriable": retriable},
        })
        .to_string(),
    )
}

pub(super) fn users_in(records: &[Written]) -> Vec<String> {
    let ids =
        records.iter().flat_map(|record| record.value["edata"]["userIds"].as_array().cloned().unwrap_or_default());
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

fn header<'a>(record: &'a Written, name: &str) -> &'a str {
    record.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

fn group(topics: &Topics) -> String {
    format!("{}-user-purge-sync-redrive-group", topics.env)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_failed_users_are_mended_and_redriven() {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(12).await;
    let (bad, good) = ids.split_at(10);
    scene.sync_api.behave(&json!({ "falseIds": bad })).await.unwrap();
    let _worker = scene.worker(&FEW_CHANCES).await;
    scene.publish_deletions(&ids).await;
    let endings = scene.final_endings(&ids).await;
    assert!(bad.iter().all(|id| endings[id] == "PARTIAL sync_failed"), "{endings:?}");
    assert!(good.iter().all(|id| endings[id] == "SUCCESS purged"), "{endings:?}");
    let failed = scene.failed_records(10).await;
    let deletions = scene.topics.progress(&[DELETE]).await.unwrap();

    let listed = ["10 records open, 0 redriven, 0 parked", "sync_failed: named_false", "      10       10         0"];
    told(&scene, &["list"], 1, &listed).await;
    the_same_as_documents(&scene).await;
    let shown = told(&scene, &["show"], 0, &["delete-user, user ", "after 2 attempts", "  source   "]).await;
    assert!(bad.iter().all(|id| shown.contains(id)) && !shown.contains(USER_NAME), "{shown}");
    scene.sync_api.behave_normally().await.unwrap();
    told(&scene, &["run"], 0, &["to send  10 records, 10 users", "sync_failed 10", "this is a plan"]).await;
    assert_eq!(scene.failed.count(), 10, "a plan writes nothing");
    told(&scene, &["run", "--execute", "--by", "jo"], 0, &["sent     10 records, 10 users"]).await;

    let mended = |all: &[local_stack::Status]| {
        let well =
            |id: &String| all.iter().rfind(|it| it.user == *id && it.is_final).is_some_and(|it| it.status == "SUCCESS");
        bad.iter().all(well)
    };
    let statuses = scene.statuses.until("everybody is mended", PATIENCE, mended).await.unwrap();
    scene.assert_indexed(&ids).await;
    scene.assert_gone(&ids).await;
    told(&scene, &["list"], 0, &["0 records open, 10 redriven, 0 parked"]).await;
    told(&scene, &["run", "--execute"], 0, &["sent     0 records"]).await;
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let requests = requests.until("requests", PATIENCE, |all| all.len() >= 10).await.unwrap();
    assert_eq!(requests.len(), 10);
    for request in &requests {
        assert_eq!((header(request, "redriven"), header(request, "redriven_by")), ("1", "jo"));
        let of = |record: &&Written| record.value["edata"]["userIds"] == request.value["edata"]["userIds"];
        let before = failed.iter().find(of).unwrap();
        assert_eq!(request.value["context"]["cdata"], before.value["context"]["cdata"]);
        assert_eq!(
            (&request.value["mid"], &request.value["edata"]["action"]),
            (&before.value["mid"], &json!("delete-user"))
        );
        let id = request.key.as_deref().unwrap();
        let told =
            statuses.iter().filter(|status| status.user == id).map(|it| it.record["edata"]["requestId"].to_string());
        assert_eq!(told.collect::<BTreeSet<_>>().len(), 1, "one request id from the first status to the last");
    }
    let now = scene.topics.progress(&[DELETE]).await.unwrap();
    assert!(
        deletions.iter().all(|(place, before)| now[place].end == before.end),
        "nothing goes to the deletion API's topic"
    );
}

async fn the_same_as_documents(scene: &Scene) {
    let document: Value = told(scene, &["list", "--format", "json"], 1, &[]).await.parse().unwrap();
    assert_eq!((&document["open"], &document["groups"][0]["users"]), (&json!(10), &json!(10)), "{document}");
    let document: Value = told(scene, &["show", "--format", "json"], 0, &[]).await.parse().unwrap();
    let record = &document["records"][0];
    assert_eq!((document["records"].as_array().unwrap().len(), &record["state"]), (10, &json!("open")), "{document}");
    assert_eq!(record["reason"], "sync_failed: named_false");
    let document: Value = told(scene, &["run", "--format", "json"], 0, &[]).await.parse().unwrap();
    assert_eq!((&document["executed"], &document["reasons"]["sync_failed"]), (&json!(false), &json!(10)), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_that_is_killed_in_the_middle_loses_nobody() {
    let scene = Scene::set().await;
    let ids = new_ids(40);
    let records: Vec<_> =
        ids.iter().map(|id| failure(id, "resync-user", ("sync_failed: http_500", "sync"), true)).collect();
    scene.topics.publish(FAILED, &records).await.unwrap();
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("user-purge-sync"));
    command.env_clear().envs(variables(&scene.topics.env)).args(["redrive", "run", "--rate", "20/s", "--execute"]);
    let mut running = command.stdout(Stdio::null()).spawn().unwrap();
    requests.until("some are sent", PATIENCE, |all| all.len() >= 5).await.unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    let sent = requests.count();
    assert!(sent < ids.len(), "killed in the middle: {sent}");

    let Ended { code, output, .. } = redrive(&scene, &["run", "--execute"]).await;
    assert_eq!(code, 0, "{output}");
    let all: BTreeSet<_> = ids.iter().cloned().collect();
    let everybody = |records: &[Written]| users_in(records).into_iter().collect::<BTreeSet<_>>() == all;
    let requests = requests.until("everybody is sent", PATIENCE, everybody).await.unwrap();
    assert!(requests.len() <= ids.len() + 1, "one may be repeated, whose decision was under way: {}", requests.len());
    told(&scene, &["list"], 0, &["0 records open, 40 redriven"]).await;
    let committed = scene.topics.progress_of(&group(&scene.topics), &[FAILED]).await.unwrap();
    let decided_to = committed.values().map(|place| place.committed).sum::<i64>();
    assert!(decided_to >= 40, "nothing open is below the group's offsets: {committed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_again_and_again_is_quarantined_and_named() {
    let scene = Scene::set().await;
    let ids = new_ids(1);
    scene.users.put_all(&ids, 1).await.unwrap();
    scene.sync_api.behave(&json!({ "falseIds": ids })).await.unwrap();
    let _worker = scene.worker(&FEW_CHANCES).await;
    let request = local_stack::events::request("resync-user", &ids[0]);
    scene.topics.publish(REQUEST, &[request]).await.unwrap();
    // Beside each failure there is the decision about the one before.
    for records in [1, 3] {
        scene.failed_records(records).await;
        told(&scene, &["run", "--limit", "2", "--execute"], 0, &["sent     1 record, 1 user"]).await;
    }
    let failed = scene.failed_records(5).await;
    assert!(failed.iter().any(|record| record.value["edata"]["redriven"] == 2), "the count comes back: {failed:?}");
    told(&scene, &["show"], 0, &["redriven 2 times"]).await;
    told(&scene, &["run", "--limit", "2", "--execute"], 1, &["sent     0 records", "1 record, quarantined", &ids[0]])
        .await;
    told(&scene, &["list"], 1, &["1 record open, 2 redriven"]).await;
    scene.sync_api.behave_normally().await.unwrap();
    told(&scene, &["run", "--execute"], 0, &["sent     1 record, 1 user"]).await;
    let synced = |all: &[local_stack::Status]| all.last().is_some_and(|status| status.ending() == "SUCCESS synced");
    scene.statuses.until("mended", PATIENCE, synced).await.unwrap();
    told(&scene, &["list"], 0, &["0 records open, 3 redriven"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_and_a_parked_record_leave_all_others_as_they_are() {
    let scene = Scene::set().await;
    let ids = new_ids(5);
    let (sync, lookup, kept) =
        (("sync_failed: http_500", "sync"), ("not_found", "lookup"), ("protected: admin", "purge"));
    let records = [
        failure(&ids[0], "delete-user", lookup, true),
        failure(&ids[1], "resync-user", sync, true),
        failure(&ids[2], "delete-user", kept, false),
        failure(&ids[3], "resync-user", sync, true),
        failure(&ids[4], "delete-user", lookup, true),
    ];
    scene.topics.publish(FAILED, &records.map(|record| record.on(0))).await.unwrap();
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let asked_for = async |users: &[&String]| {
        let users: BTreeSet<_> = users.iter().map(|id| (*id).clone()).collect();
        let all = requests.until("requests", PATIENCE, |all| all.len() >= users.len()).await.unwrap();
        assert_eq!(users_in(&all).into_iter().collect::<BTreeSet<_>>(), users);
    };
    let committed = async || {
        let progress = scene.topics.progress_of(&group(&scene.topics), &[FAILED]).await.unwrap();
        progress[&(FAILED.to_owned(), 0)].committed
    };

    let left = ["sent     2 records", "3 open records that the filter does not ask for"];
    told(&scene, &["run", "--reason", "sync_failed", "--execute"], 0, &left).await;
    asked_for(&[&ids[1], &ids[3]]).await;
    assert_eq!(committed().await, 0, "the first record is still open");
    told(&scene, &["park", "--why", "x", "--execute"], 64, &["nothing is parked: say what"]).await;
    let park = ["park", "--user", &ids[0], "--why", "a test account", "--by", "jo"];
    told(&scene, &park, 0, &["to park  1 record, 1 user", "this is a plan"]).await;
    told(&scene, &[&park[..], &["--execute"]].concat(), 0, &["parked  1 record, 1 user"]).await;
    assert_eq!(committed().await, 2, "up to the user who is protected");
    told(&scene, &["list"], 1, &["2 records open, 2 redriven, 1 parked"]).await;
    let shown = told(&scene, &["show", "--all", "--user", &ids[0]], 0, &["parked"]).await;
    assert!(!shown.contains(&ids[4]), "{shown}");
    told(&scene, &["run", "--execute"], 1, &["sent     1 record", "protected ends the same way", &ids[2]]).await;
    asked_for(&[&ids[1], &ids[3], &ids[4]]).await;
    told(&scene, &["run", "--reason", "protected", "--execute"], 0, &["sent     1 record"]).await;
    asked_for(&[&ids[1], &ids[2], &ids[3], &ids[4]]).await;
    told(&scene, &["list"], 0, &["0 records open, 4 redriven, 1 parked"]).await;
    assert_eq!(requests.count(), 4, "nobody was sent twice, and the parked one never");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_decoded_is_read_again_where_it_stood() {
    let scene = Scene::set().await;
    let ids = scene.deleted_people(2).await;
    let decodable = deletion(&ids[0]);
    let old = decodable.payload.clone().unwrap();
    let junk = format!("{{\"edata\": {{\"userName\": \"{USER_NAME}\"}}}}").into_bytes();
    scene.topics.publish(DELETE, &[decodable, Record::raw(junk.clone())].map(|record| record.on(0))).await.unwrap();
    // Of the same size: only the hash tells them apart.
    let other = String::from_utf8(junk.clone()).unwrap().replace("edata", "eData").into_bytes();
    // As a version would have told that understood less.
    let rejected = |offset: i64, payload: &[u8]| {
        use sha2::Digest as _;
        let told: Value = json!({
            "source": {"topic": scene.topics.name(DELETE), "partition": 0, "offset": offset},
            "size": payload.len(), "sha256": format!("{:x}", sha2::Sha256::digest(payload)), "jobName": "user-purge-sync",
            "failInfo": {"error": "record: is not JSON", "stage": "decode", "attempts": 1, "retriable": false},
        });
        Record::raw(told.to_string())
    };
    let failed = [rejected(0, &old), rejected(1, &junk), rejected(1, &other), rejected(77, &old)];
    scene.topics.publish(FAILED, &failed).await.unwrap();

    keep_for(&scene, DELETE, Duration::from_hours(1)).await;
    let warnings =
        ["WARNING 3 undecodable records can be read again for less than 48 h", "1 undecodable record cannot"];
    let listed = told(&scene, &["list", "--stage", "decode"], 1, &warnings).await;
    assert!(!listed.contains("may be removed from"), "the failed topic keeps its own for long: {listed}");
    keep_for(&scene, FAILED, Duration::from_hours(1)).await;
    told(&scene, &["list"], 1, &["WARNING 4 open records may be removed from"]).await;
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let left = [
        "sent     1 record, 1 user",
        "still undecodable: edata.userId: is missing",
        "another record stands there now",
        "Kafka has removed what stood there",
        "delete.user 0:77",
    ];
    let output = told(&scene, &["run", "--execute"], 1, &left).await;
    assert!(!output.contains(USER_NAME), "{output}");
    let requests = requests.until("a request", PATIENCE, |all| !all.is_empty()).await.unwrap();
    assert_eq!(users_in(&requests), ids[..1]);
    assert!(!requests[0].value.to_string().contains(USER_NAME), "{:?}", requests[0]);
    told(&scene, &["list"], 1, &["3 records open, 1 redriven"]).await;
    told(&scene, &["park", "--reason", "undecodable", "--why", "gone", "--execute"], 0, &["parked  3 records"]).await;
    told(&scene, &["list"], 0, &["0 records open, 1 redriven, 3 parked"]).await;
}

async fn keep_for(scene: &Scene, topic: &str, time: Duration) {
    let admin: AdminClient<DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &scene.stack.kafka).create().unwrap();
    let (name, kept) = (scene.topics.name(topic), time.as_millis().to_string());
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", &kept);
    for altered in admin.alter_configs([&change], &AdminOptions::new()).await.unwrap() {
        altered.unwrap();
    }
}
