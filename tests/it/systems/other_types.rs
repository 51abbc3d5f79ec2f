//! Objects that are no users: indexed again, and nothing more.

use local_stack::users::new_ids;

use crate::cassandra::support::{Keyspace, USER_TABLE};
use crate::program::{run, variables};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_table_of_organisations_is_indexed_and_nobody_is_purged() {
    const OTHERS: usize = 1_500;
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    let name = &keyspace.name;
    keyspace.run(&format!("CREATE TABLE {name}.organisation (id text PRIMARY KEY, orgname text, status int)")).await;
    // Worst of all: they have the ids of people.
    let namesakes = new_ids(3);
    let insert = keyspace.session.prepare(format!("INSERT INTO {name}.organisation (id, status) VALUES (?, 2)")).await;
    let insert = insert.unwrap();
    for id in namesakes.iter().cloned().chain((0..OTHERS).map(|number| format!("org-{number}"))) {
        keyspace.session.execute_unpaged(&insert, (id,)).await.unwrap();
    }
    let scene = Scene::with(2, &["--per-id", "0", "--keyspace", name]).await;
    scene.rows.put_local(&namesakes).await.unwrap();
    scene.rows.put_federated(&namesakes).await.unwrap();
    let before = scene.rows.of(&namesakes).await.unwrap();
    let worker = scene.worker(&[("CASSANDRA__KEYSPACE", name)]).await;
    let mut own = variables(&scene.topics.env);
    own.push(("USER_PURGE_SYNC__CASSANDRA__KEYSPACE".to_owned(), name.clone()));

    let line = ["submit", "resync-user", "--table", "organisation", "--object-type", "organisation", "--all"];
    let planned = run(&own, &line).await;
    println!("{}", planned.output);
    assert!(planned.output.contains("action      resync-user, object type organisation"), "{}", planned.output);
    let done = run(&own, &[&line[..], &["--execute", "--watch"]].concat()).await;
    println!("{}", done.output);
    assert_eq!(done.code, 0, "{}{}", done.output, done.errors);
    assert!(done.output.contains("1503 of 1503 users\n"), "{}", done.output);
    assert!(done.output.contains("SUCCESS   synced                  1503\n"), "{}", done.output);

    assert_eq!(scene.indexed().await.len(), OTHERS + namesakes.len());
    for id in ["org-0", "org-1499", &namesakes[0]] {
        let document = scene.sync_api.document(id).await.unwrap().unwrap();
        assert_eq!(document["objectType"], "organisation", "{document}");
    }
    let statuses = scene.statuses.all();
    let of_users = statuses.iter().filter(|status| status.record["edata"]["stages"]["purge"].is_object());
    assert!(of_users.clone().count() > OTHERS && of_users.clone().all(|status| status.stage("purge") == "SKIPPED"));
    assert_eq!(scene.rows.of(&namesakes).await.unwrap(), before);
    let deleted = worker.metric("user_purge_sync_keycloak_rows_deleted_total", &[]).await.unwrap_or_default();
    assert!(deleted < 0.5, "{deleted}");
    keyspace.drop().await;
}
