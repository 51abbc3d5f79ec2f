//! The old jobs' command lines, with every parameter that their pages name: a worker does the work to its end.

use local_stack::Stack;
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use local_stack::{Records, Statuses};
use serde_json::{Value, json};

use crate::program::{Ended, run, variables};
use crate::scene::Scene;

/// What the start scripts were given.
fn parameters(scene: &Scene, id_file: &str) -> Vec<(&'static str, String)> {
    let (host, port) = Stack::shared().cassandra.rsplit_once(':').unwrap();
    [
        ("sunbird_cassandra_keyspace", "sunbird"),
        ("sunbird_cassandra_server", host),
        ("sunbird_cassandra_port", port),
        ("sunbird_cassandra_username", ""),
        ("sunbird_cassandra_password", ""),
        ("sunbird_cassandra_table", "user"),
        ("sunbird_sync_api_endpoint", &scene.sync_api.endpoint()),
        ("sunbird_sync_api_key", ""),
        ("sunbird_sync_block_size", "100"),
        ("sunbird_sync_sleep_time", "50"),
        ("sunbird_sync_object_type", "user"),
        ("sunbird_sync_id_file", id_file),
        ("dry_run", "false"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// Where the request topic is the old jobs were never told; everything else, they were.
fn without_cassandra(scene: &Scene) -> Vec<(String, String)> {
    variables(&scene.topics.env).into_iter().filter(|(name, _)| !name.contains("CASSANDRA")).collect()
}

fn assert_done(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}{}", ended.output, ended.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_that_removed_old_copies_of_users_removes_them_here() {
    let scene = Scene::set().await;
    let (moved, unmoved) = (new_ids(8), new_ids(2));
    let all = [&moved[..], &unmoved].concat();
    scene.users.put_all(&all, 1).await.unwrap();
    scene.rows.put_local(&all).await.unwrap();
    scene.rows.put_federated(&moved).await.unwrap();
    let kept = scene.rows.of_exactly(&unmoved).await.unwrap();
    let both = scene.rows.of(&moved).await.unwrap();
    let local = scene.rows.of_exactly(&moved).await.unwrap();
    let _worker = scene.worker(&[]).await;
    let requests = Records::follow(&scene.topics, REQUEST).unwrap();
    let halves = [(&moved[..4], &unmoved[..1]), (&moved[4..], &unmoved[1..])];
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, (moved, unmoved): (&[String], &[String])| {
        let path = folder.path().join(name);
        std::fs::write(&path, [moved, unmoved].concat().join("\n")).unwrap();
        path.display().to_string()
    };

    // Sync_run.sh --context_param NAME=VALUE …
    let own = without_cassandra(&scene);
    let given = parameters(&scene, &file("users.csv", halves[0]));
    let given: Vec<String> = given.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut line = vec!["submit", "retire-local-user"];
    line.extend(given.iter().flat_map(|param| ["--context_param", param]));
    let planned = run(&own, &line).await;
    println!("{}", planned.output);
    assert_done(&planned);
    assert!(planned.output.contains("users       5, in 1 events"), "{}", planned.output);
    assert!(planned.output.ends_with("this is a plan: --execute publishes it\n"), "{}", planned.output);
    assert_eq!(requests.count(), 0);
    let done = run(&own, &[&line[..], &["--execute", "--yes", "--watch"]].concat()).await;
    println!("{}", done.output);
    assert_done(&done);
    assert!(done.output.contains("5 of 5 users, 1 SKIPPED\n"), "{}", done.output);

    // The same names in the environment.
    let mut own = without_cassandra(&scene);
    let given = parameters(&scene, &file("more.csv", halves[1]));
    own.extend(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let line = ["submit", "retire-local-user", "--execute", "--yes", "--watch", "--format", "json"];
    let done = run(&own, &line).await;
    assert_done(&done);
    let told: Value = done.output.parse().unwrap();
    assert_eq!(
        (&told["end"], &told["publishedUsers"], &told["file"]["users"]),
        (&json!("published"), &json!(5), &json!(5)),
        "{told}"
    );
    assert_eq!((&told["watched"]["ended"], &told["watched"]["end"]), (&json!(5), &json!("done")), "{told}");

    let endings = scene.final_endings(&all).await;
    assert!(moved.iter().all(|id| endings[id] == "SUCCESS purged"), "{endings:?}");
    assert!(unmoved.iter().all(|id| endings[id] == "SKIPPED credentials_not_moved"), "{endings:?}");
    scene.assert_indexed(&all).await;
    assert!(scene.rows.of_exactly(&moved).await.unwrap().is_empty(), "the old copies are gone");
    let federated = scene.rows.of(&moved).await.unwrap();
    let left = both.into_iter().filter_map(|(table, rows)| {
        let rows = rows - local.get(table).copied().unwrap_or_default();
        (rows > 0).then_some((table, rows))
    });
    assert_eq!(federated, left.collect(), "and nothing else");
    assert_eq!(scene.rows.of_exactly(&unmoved).await.unwrap(), kept);
    assert_eq!(told_requests(&scene.statuses), 2, "each submission has its own request id");
}

fn told_requests(statuses: &Statuses) -> usize {
    let ids = statuses.all().into_iter().map(|status| status.record["edata"]["requestId"].to_string());
    ids.collect::<std::collections::BTreeSet<_>>().len()
}
