//! `submit` and `watch` as programs: followed to its end, whoever did the work.

use std::collections::BTreeSet;

use local_stack::users::new_ids;

use crate::program::{run, variables};
use crate::scene::Scene;

const USERS: usize = 600;
/// Index of a user whom the Sync API refuses.
const BAD: usize = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_is_followed_to_its_end_though_the_worker_is_killed_in_the_middle() {
    let scene = Scene::with(2, &["--per-id", "5ms"]).await;
    let ids = new_ids(USERS);
    scene.users.put_all(&ids, 1).await.unwrap();
    scene.sync_api.behave(&serde_json::json!({ "falseIds": [&ids[BAD]] })).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("ids.csv"), ids.join("\n")).unwrap();
    let overrides = [("RETRY__ATTEMPTS", "2"), ("SYNC__BLOCK_SIZE", "20")];
    let mut worker = scene.worker(&overrides).await;
    let own = variables(&scene.topics.env);

    let file = path("ids.csv");
    let submitting = ["submit", "resync-user", "--file", &file, "--request-id", "ticket-7", "--execute"];
    let submitted = run(&own, &submitting).await;
    assert_eq!(submitted.code, 0, "{}{}", submitted.output, submitted.errors);
    let (success, failure) = (path("ok.csv"), path("failed.csv"));
    let watching = ["watch", "ticket-7", "--success", &success, "--failure", &failure];
    let (watched, ()) = tokio::join!(run(&own, &watching), async {
        scene.until("some have ended", async || scene.statuses.all().len() > 50).await;
        worker.kill9().unwrap();
        let _next = scene.worker(&overrides).await;
        scene.final_endings(&ids).await;
    });

    assert_eq!(watched.code, 1, "{}{}", watched.output, watched.errors);
    assert!(watched.output.contains("600 of 600 users, 1 FAILED"), "{}", watched.output);
    let listed = |path: &str| -> BTreeSet<String> {
        let lines = std::fs::read_to_string(path).unwrap();
        lines.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    let (mut good, bad): (BTreeSet<_>, _) = (ids.iter().cloned().collect(), BTreeSet::from([ids[BAD].clone()]));
    good.remove(&ids[BAD]);
    assert_eq!((listed(&success), listed(&failure)), (good, bad));
    let line = std::fs::read_to_string(&failure).unwrap();
    assert!(line.contains(",FAILED,sync_failed,sync,2,"), "{line}");

    let again = run(&own, &["watch", "ticket-7", "--no-wait"]).await;
    assert!(again.output.contains("600 of 600 users, 1 FAILED"), "{}", again.output);
    let other = run(&own, &["watch", "another", "--no-wait"]).await;
    assert_eq!((other.code, other.output.contains("0 users")), (0, true), "{}", other.output);
}

#[tokio::test]
async fn a_kafka_that_is_away_is_told() {
    let mut own = variables("watch-nobody");
    own.push(("USER_PURGE_SYNC__KAFKA__BROKERS".to_owned(), "127.0.0.1:1".to_owned()));
    let ended = run(&own, &["watch", "--no-wait"]).await;
    assert_eq!(ended.code, 69, "{}{}", ended.output, ended.errors);
    assert!(ended.output.contains("kafka does not answer"), "{}", ended.output);
}
