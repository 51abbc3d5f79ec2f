//! `submit` of whole tables, through the whole worker: on tables of the tests' own.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::topics::{DELETE, REQUEST};
use local_stack::{Records, Stack};

use crate::cassandra::support::{Keyspace, USER_TABLE};
use crate::program::{Ended, run, variables};
use crate::scene::{PATIENCE, Scene, counts};

const USERS: usize = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_table_is_followed_to_its_end_though_the_worker_is_killed_in_the_middle() {
    let (keyspace, scene) = scene_of(USERS).await;
    let wanted: BTreeSet<String> = (0..USERS).map(|number| format!("u-{number}")).collect();
    scene.sync_api.behave(&serde_json::json!({ "perId": "1ms" })).await.unwrap();
    let overrides = [("CASSANDRA__KEYSPACE", keyspace.name.as_str())];
    let mut worker = scene.worker(&overrides).await;
    let deletions = Records::follow(&scene.topics, DELETE).unwrap();
    let own = variables_of(&scene, &keyspace);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (success, failure) = (path("ok.csv"), path("failed.csv"));

    let planned = run(&own, &["submit", "resync-user", "--all"]).await;
    assert_done(&planned);
    let line = planned.output.lines().find(|line| line.starts_with("users ")).unwrap();
    assert!(line.contains("token ranges"), "{}", planned.output);
    assert!(planned.output.contains("no rate measured in the last hour"), "{}", planned.output);

    let submitting = ["submit", "resync-user", "--all", "--execute", "--request-id", "ticket-8", "--watch"];
    let submitting = [&submitting[..], &["--success", &success, "--failure", &failure]].concat();
    let (submitted, _next) = tokio::join!(run(&own, &submitting), async {
        scene.until("some have ended", async || scene.statuses.count() > 500).await;
        worker.kill9().unwrap();
        scene.worker(&overrides).await
    });

    assert_done(&submitted);
    assert!(submitted.output.contains("published 5000 users in "), "{}", submitted.output);
    assert!(submitted.output.contains("5000 of 5000 users\n"), "{}", submitted.output);
    assert_eq!(scene.indexed().await.intersection(&wanted).count(), USERS);
    assert_eq!((listed(&success), listed(&failure)), (wanted, BTreeSet::new()));
    let statuses = scene.statuses.all();
    assert!(statuses.iter().all(|status| status.record["edata"]["requestId"] == "ticket-8"));
    assert!(statuses.len() > 5000, "what was under way when it was killed is told again, and the ranges are summed up");
    assert_eq!(deletions.count(), 0, "nothing of ours is written to the deletion API's topic");

    let again = run(&own, &["submit", "resync-user", "--all"]).await;
    assert!(again.output.contains("users/s, as last measured"), "{}", again.output);
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_deleted_are_found_and_nobody_else_is_asked_for() {
    let (keyspace, scene) = scene_of(600).await;
    for number in 0..400 {
        keyspace.run(&format!("UPDATE {}.user SET status = 1 WHERE id = 'u-{number}'", keyspace.name)).await;
    }
    let _worker = scene.worker(&[("CASSANDRA__KEYSPACE", &keyspace.name)]).await;
    let own = variables_of(&scene, &keyspace);
    let asked = run(&own, &["submit", "delete-user", "--deleted", "--execute"]).await;
    assert_eq!(asked.code, 64, "{}", asked.output);
    assert!(asked.output.contains("users       200 of 600, in 1 events"), "{}", asked.output);
    assert!(asked.output.contains("nobody can be asked"), "{}", asked.output);
    let submitted = run(&own, &["submit", "delete-user", "--deleted", "--execute", "--yes", "--watch"]).await;
    assert_done(&submitted);
    assert!(submitted.output.contains("200 of 200 users\n"), "{}", submitted.output);
    let deleted: Vec<String> = (400..600).map(|number| format!("u-{number}")).collect();
    let endings = scene.final_endings(&deleted).await;
    assert_eq!(counts(&endings), [("SUCCESS already_clean", 200)].into());
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_jobs_command_line_does_the_same_work() {
    let (keyspace, scene) = scene_of(300).await;
    let _worker = scene.worker(&[("CASSANDRA__KEYSPACE", &keyspace.name)]).await;
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let (host, port) = Stack::shared().cassandra.rsplit_once(':').unwrap();
    // What the old job was not told; where Cassandra is, it was.
    let mut own = variables(&scene.topics.env);
    own.retain(|(name, _)| !name.contains("CASSANDRA"));
    let params = [
        format!("sunbird_cassandra_server={host}"),
        format!("sunbird_cassandra_port={port}"),
        format!("sunbird_cassandra_keyspace={}", keyspace.name),
        "sunbird_user_sync_block_size=100".to_owned(),
        "sunbird_user_sync_sleep_time=50".to_owned(),
    ];
    let mut line = vec!["submit", "resync-user"];
    line.extend(params.iter().flat_map(|param| ["--context_param", param]));

    let planned = run(&own, &line).await;
    assert_done(&planned);
    assert!(planned.output.contains("users       300, in 1 token ranges"), "{}", planned.output);
    assert!(planned.output.contains("this is a plan"), "{}", planned.output);
    assert_eq!(requests.count(), 0);

    let done = run(&own, &[&line[..], &["--execute", "--watch"]].concat()).await;
    assert_done(&done);
    assert!(done.output.contains("300 of 300 users\n"), "{}", done.output);
    assert_eq!(scene.indexed().await.iter().filter(|id| id.starts_with("u-")).count(), 300);

    let ids = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ids.path(), "u-1\nu-2\n").unwrap();
    own.push(("sunbird_sync_id_file".to_owned(), ids.path().display().to_string()));
    let delta = run(&own, &line).await;
    assert!(delta.output.contains("users       2, in 1 events"), "{}", delta.output);
}

/// A table of users with status 2, and a stand-in in front of it.
async fn scene_of(users: usize) -> (Keyspace, Scene) {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    keyspace.fill(users).await;
    let scene = Scene::with(2, &["--per-id", "0", "--keyspace", &keyspace.name]).await;
    (keyspace, scene)
}

fn variables_of(scene: &Scene, keyspace: &Keyspace) -> Vec<(String, String)> {
    let mut own = variables(&scene.topics.env);
    own.push(("USER_PURGE_SYNC__CASSANDRA__KEYSPACE".to_owned(), keyspace.name.clone()));
    own
}

fn assert_done(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}{}", ended.output, ended.errors);
}

fn listed(path: &str) -> BTreeSet<String> {
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// The case of the issue, by hand: `cargo test --test it -- --ignored --nocapture a_hundred_thousand`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_users_while_the_worker_is_killed() {
    const MANY: usize = 100_000;
    let (keyspace, scene) = scene_of(MANY).await;
    let overrides = [("CASSANDRA__KEYSPACE", keyspace.name.as_str())];
    let mut worker = scene.worker(&overrides).await;
    let own = variables_of(&scene, &keyspace);
    let begun = std::time::Instant::now();
    println!("{}", run(&own, &["submit", "resync-user", "--all"]).await.output);
    println!("planned in {:?}", begun.elapsed());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (success, failure) = (path("ok.csv"), path("failed.csv"));
    let submitting = ["submit", "resync-user", "--all", "--execute", "--request-id", "resync-of-may", "--watch"];
    let submitting = [&submitting[..], &["--success", &success, "--failure", &failure]].concat();
    let begun = std::time::Instant::now();
    let (submitted, _next) = tokio::join!(run(&own, &submitting), async {
        let many = scene.statuses.until("a third is done", PATIENCE * 5, |all| all.len() > MANY / 3).await;
        many.unwrap_or_else(|error| panic!("{error:?}"));
        worker.kill9().unwrap();
        println!("killed after {:?}", begun.elapsed());
        scene.worker(&overrides).await
    });
    println!("{}\n{}code {} after {:?}", submitted.output, submitted.errors, submitted.code, begun.elapsed());
    assert_done(&submitted);
    let indexed = scene.indexed().await.iter().filter(|id| id.starts_with("u-")).count();
    println!("{indexed} indexed, {} statuses", scene.statuses.count());
    assert_eq!((indexed, listed(&success).len(), listed(&failure).len()), (MANY, MANY, 0));
    println!("{}", run(&own, &["submit", "resync-user", "--all"]).await.output);
    tokio::time::timeout(Duration::from_mins(1), keyspace.drop()).await.unwrap();
}
