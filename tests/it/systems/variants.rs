//! Every shape that an event of `{env}.delete.user` was seen in, published as it is: `facts/sunbird.md` 3.5.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use local_stack::events::Record;
use local_stack::topics::DELETE;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::scene::Scene;

const USER: &str = "02c4e0dc-3e25-4f7d-b811-242c73e24a01";
const MANAGED: &str = "b3e04f3c-90a2-4f7e-9d3c-6a54a2d1c111";
/// Of all users of the recordings, and of the 250 managed ones.
const NUMBERED: &str = "00000000-0000-4000-8000-";
/// The Request entry of `context.cdata` where the variant has one.
const REQUEST_ID: &str = "e413d019f31bcb2d3736b7054f1fd6e2";

/// A file under `tests/fixtures`, the users whose deletion it asks for, and the request it names.
type Variant = (&'static str, &'static [&'static str], Option<&'static str>);

const EVENTS: [Variant; 17] = [
    ("events/full-8.0.0", &[USER, MANAGED], Some(REQUEST_ID)),
    ("events/action-missing", &[USER, MANAGED], Some(REQUEST_ID)),
    ("events/release-7.0.0", &[USER], None),
    ("events/cdata-null", &[USER, MANAGED], None),
    ("events/cdata-array", &[USER, MANAGED], Some(REQUEST_ID)),
    ("events/cdata-odd", &[USER, MANAGED], None),
    ("events/docs-variant", &[USER], None),
    ("events/managed-users-null", &[USER], Some(REQUEST_ID)),
    ("events/managed-users-with-nulls", &[USER, MANAGED], Some(REQUEST_ID)),
    ("events/managed-users-duplicates", &[USER, MANAGED, "B3E04F3C-90A2-4F7E-9D3C-6A54A2D1C111"], Some(REQUEST_ID)),
    ("events/user-id-not-a-uuid", &["jane-of-1.14"], Some(REQUEST_ID)),
    ("events/user-id-odd-characters", &["o'brien:50%'; --", "a:b", "100%", "f:provider:id"], Some(REQUEST_ID)),
    ("recordings/event-000", &["00000000-0000-4000-8000-000000000001"], Some("0fb5c823-805c-4675-a7c3-971c18c24be5")),
    (
        "recordings/event-003",
        &[
            "00000000-0000-4000-8000-000000000301",
            "00000000-0000-4000-8000-000000000302",
            "00000000-0000-4000-8000-000000000303",
        ],
        Some("31cf86b8-6f18-4a99-b520-3e88e43f69d7"),
    ),
    ("recordings/event-004", &["00000000-0000-4000-8000-000000000307"], Some("6a8e7e14-89ed-4bc1-b14b-356101ead840")),
    ("recordings/event-005", &["00000000-0000-4000-8000-000000000302"], Some("04ea10b3-0147-4336-b81d-1bcc2511a977")),
    ("recordings/event-006", &["00000000-0000-4000-8000-000000000306"], Some("ddb83dd4-a0da-4fac-a0cd-5f686628f57f")),
];

/// What is no event, and what the failed topic says of it.
const BROKEN: [(&str, &str); 8] = [
    ("events/not-json", "record: is not JSON, or nested too deeply"),
    ("events/docs-sample-missing-comma", "record: is not JSON, or nested too deeply"),
    ("events/truncated", "record: ends in the middle"),
    ("events/json-array", "record: is not a JSON object"),
    ("events/user-id-blank", "edata.userId: is blank"),
    ("events/user-id-missing", "edata.userId: is missing"),
    ("events/user-id-number", "edata.userId: is not a string"),
    ("events/managed-users-not-strings", "edata.managed_users: has an entry that is not a string"),
];

/// What no file can hold, or need not.
fn other_broken() -> [(Record, &'static str); 6] {
    [
        (Record::tombstone(), "record: is a tombstone"),
        (Record::raw(""), "record: is empty"),
        (Record::raw(b"{\"edata\": \"\xff\"}"), "record: is not UTF-8"),
        (Record::raw("null"), "record: is not a JSON object"),
        (
            Record::raw(["{\"edata\":{\"userId\":", &"[".repeat(10_000)].concat()),
            "record: is not JSON, or nested too deeply",
        ),
        (Record::raw("{\"edata\": [1]}"), "edata: is not an object"),
    ]
}

/// Gives the users of one file ids that no other file and no other test has.
struct Renewal {
    user: String,
    managed: String,
    numbered: String,
    tag: String,
}

impl Renewal {
    fn new() -> Self {
        let [user, managed, other] = std::array::from_fn(|_| Uuid::new_v4().to_string());
        Self { user, managed, numbered: other[..NUMBERED.len()].to_owned(), tag: other[..8].to_owned() }
    }

    fn renew(&self, text: &str) -> String {
        let Self { user, managed, numbered, tag } = self;
        let quoted = |text: String, id: &str| text.replace(&format!("\"{id}\""), &format!("\"{id}{tag}\""));
        let text = text
            .replace(USER, user)
            .replace(MANAGED, managed)
            .replace(&MANAGED.to_uppercase(), &managed.to_uppercase())
            .replace(NUMBERED, numbered)
            .replace("jane-of-1.14", &format!("jane-of-{tag}"))
            .replace("o'brien", &format!("o'brien-{tag}"));
        ["a:b", "100%", "f:provider:id"].into_iter().fold(text, quoted)
    }

    /// As it stands in the renewed file.
    fn id(&self, id: &str) -> String {
        self.renew(&format!("\"{id}\"")).trim_matches('"').to_owned()
    }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of events, so that none is left out of the lists above.
fn all_fixtures() -> BTreeSet<String> {
    let names = |folder: &'static str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
        let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.filter_map(move |file| file.strip_suffix(".json").map(|name| format!("{folder}/{name}")))
    };
    names("events").chain(names("recordings")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_variant_of_a_deletion_ends_as_the_design_says() {
    let foreign = "events/action-user-ownership-transfer";
    let many = "events/managed-users-250";
    let known = EVENTS.map(|(name, ..)| name).into_iter().chain(BROKEN.map(|(name, _)| name)).chain([foreign, many]);
    assert_eq!(known.map(str::to_owned).collect::<BTreeSet<_>>(), all_fixtures());

    let scene = Scene::set().await;
    let mut records = vec![Record::raw(Renewal::new().renew(&fixture(foreign)))];
    let mut broken = BTreeSet::new();
    let files = BROKEN.map(|(name, error)| (Record::raw(Renewal::new().renew(&fixture(name))), error));
    for (record, error) in files.into_iter().chain(other_broken()) {
        let hash = Sha256::digest(record.payload.as_deref().unwrap_or_default());
        broken.insert((format!("{hash:x}"), error.to_owned()));
        records.push(record);
    }
    // Each user with the request that named them.
    let mut users: BTreeMap<String, Option<&str>> = BTreeMap::new();
    for (name, ids, request) in EVENTS {
        let renewal = Renewal::new();
        users.extend(ids.iter().map(|id| (renewal.id(id), request)));
        records.push(Record::raw(renewal.renew(&fixture(name))));
    }
    let renewal = Renewal::new();
    users.insert(renewal.id(USER), Some(REQUEST_ID));
    users.extend((1..=250).map(|number| (renewal.id(&format!("{NUMBERED}{number:012}")), Some(REQUEST_ID))));
    records.push(Record::raw(renewal.renew(&fixture(many))));
    let ids: Vec<String> = users.keys().cloned().collect();
    scene.users.put_all(&ids, 2).await.unwrap();
    scene.rows.put_federated(&ids).await.unwrap();
    let worker = scene.worker(&[]).await;
    // One partition, so that a record that decodes comes after those that do not.
    let records: Vec<Record> = records.into_iter().map(|record| record.on(0)).collect();
    scene.topics.publish(DELETE, &records).await.unwrap();

    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending == "SUCCESS purged"), "{endings:?}");
    // Nobody else: neither suggested users nor those of events that are none, or none of ours.
    assert_eq!(endings.keys().collect::<BTreeSet<_>>(), users.keys().collect());
    for status in scene.statuses.all() {
        let requested = status.record["edata"]["requestId"].as_str();
        assert_eq!(requested, users[&status.user], "{}", status.record);
    }
    scene.assert_gone(&ids).await;
    scene.all_committed().await;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told = scene.failed_records(BROKEN.len()).await;
    let told: BTreeSet<_> =
        told.iter().map(|record| (text(&record.value["sha256"]), text(&record.value["failInfo"]["error"]))).collect();
    assert_eq!(told, broken);
    let skipped = worker.metric("user_purge_sync_events_skipped_total", &["topic=\"delete\""]).await.unwrap();
    assert!((skipped - 1.0).abs() < f64::EPSILON, "{skipped}");
    scene.assert_untold(&[&worker.log(), &worker.metrics().await.unwrap()], &["jane_7hq2", "\"user0"]);
}
