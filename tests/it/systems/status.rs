//! `status` as a program: one sentence for whoever answers an auditor, and what it rests on.

use axum::routing::post;
use axum::{Json, Router};
use local_stack::events::{PERSONAL, USER_NAME, request};
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use serde_json::{Value, json};

use crate::program::{run, variables};
use crate::scene::{PATIENCE, Scene};

type Variables = Vec<(String, String)>;

/// It ends with this code, says these words, and nothing personal.
async fn told(variables: &Variables, user: &str, code: i32, words: &[&str]) -> String {
    let ended = run(variables, &["status", user]).await;
    let (output, errors) = (ended.output, ended.errors);
    assert_eq!(ended.code, code, "{output}{errors}");
    for word in words {
        assert!(output.contains(word), "nothing is said of {word:?}:\n{output}");
    }
    for personal in [PERSONAL, USER_NAME] {
        assert!(!output.contains(personal) && !errors.contains(personal), "{output}{errors}");
    }
    output
}

fn with(variables: &Variables, key: &str, value: &str) -> Variables {
    let name = format!("USER_PURGE_SYNC__{key}");
    let kept = variables.iter().filter(|(own, _)| *own != name).cloned();
    kept.chain([(name.clone(), value.to_owned())]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_found_from_the_deletion_to_the_last_row() {
    let scene = Scene::set().await;
    let (deleted, unsynced, admin, live) = (new_ids(1), new_ids(1), new_ids(1), new_ids(1));
    let all = [&deleted[..], &unsynced, &admin].concat();
    scene.users.put_all(&all, 2).await.unwrap();
    scene.users.put_all(&live, 1).await.unwrap();
    scene.rows.put_federated(&[&deleted[..], &unsynced, &live].concat()).await.unwrap();
    scene.rows.put_local(&admin).await.unwrap();
    let service = "UPDATE user_entity SET service_account_client_link = 'a-client' WHERE id = $1";
    assert_eq!(scene.rows.sql().execute(service, &[&admin[0]]).await.unwrap(), 1);
    scene.sync_api.behave(&json!({ "falseIds": unsynced })).await.unwrap();
    let own = variables(&scene.topics.env);

    let nothing_asked =
        ["status 2, deleted", "fed_user_credential", "Keycloak still holds 11 rows; and nothing is under way"];
    told(&own, &deleted[0], 1, &nothing_asked).await;
    scene.publish_deletions(&all).await;
    let waiting =
        ["still holds 11 rows; waiting for the workers: asked for on", "asked    delete-user (delete topic, "];
    told(&own, &deleted[0], 1, &waiting).await;

    let _worker = scene.worker(&[("RETRY__ATTEMPTS", "2"), ("RETRY__MAX_PAUSE", "300ms")]).await;
    scene.final_endings(&all).await;
    scene.all_committed().await;
    let gone = [
        "keycloak   nothing",
        "index      not asked",
        "told     SUCCESS purged (delete-user)",
        "put off  delete-user",
        ", sweep, due ",
    ];
    let output = told(&own, &deleted[0], 0, &gone).await;
    assert!(output.contains("\ndeleted on 2") && output.ends_with("Z, nothing left\n"), "{output}");
    the_same_as_a_document(&own, &deleted[0]).await;
    told(
        &own,
        &unsynced[0],
        1,
        &["\nPARTIAL sync_failed on ", "failed   sync_failed: named_false in sync, after 2 attempts; open"],
    )
    .await;
    told(
        &own,
        &admin[0],
        1,
        &["kept, whatever is asked for: service_account", "a person decides: service_account; FAILED protected"],
    )
    .await;
    told(&own, &live[0], 0, &["status 1, not deleted", "topics     since ", ": nothing", "\nnot deleted: status 1"])
        .await;
    told(&own, &new_ids(1)[0], 0, &["cassandra  no row", "\nnobody knows this user"]).await;

    scene.sync_api.behave_normally().await.unwrap();
    scene.topics.publish(REQUEST, &[request("delete-user", &unsynced[0])]).await.unwrap();
    let well = |all: &[local_stack::Status]| {
        all.iter().any(|status| status.user == unsynced[0] && status.is_final && status.status == "SUCCESS")
    };
    scene.statuses.until("mended", PATIENCE, well).await.unwrap();
    told(&own, &unsynced[0], 0, &["asked    delete-user (request topic", "nothing left"]).await;
    let partial = scene.statuses.of(&unsynced[0]).into_iter().find(|status| status.status == "PARTIAL").unwrap();
    let millis = partial.record["ets"].as_u64().unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    let purged = format!("purged on {}, nothing left", humantime::format_rfc3339_seconds(at));
    told(&own, &unsynced[0], 0, &[&purged]).await;
}

async fn the_same_as_a_document(own: &Variables, deleted: &str) {
    let document = run(own, &["status", deleted, "--format", "json"]).await;
    let document: Value = document.output.parse().unwrap();
    assert_eq!((&document["cassandra"]["row"]["deleted"], &document["keycloak"]["rows"]), (&json!(true), &json!(0)));
    assert_eq!((&document["index"]["asked"], &document["conclusion"]), (&json!(false), &json!("fine")), "{document}");
    let kinds: Vec<&str> =
        document["topics"]["entries"].as_array().unwrap().iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["asked", "told", "put_off", "told"], "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_away_is_told_and_the_others_are_asked_all_the_same() {
    let scene = Scene::set().await;
    let (deleted, stale) = (new_ids(1), new_ids(1));
    scene.users.put_all(&[&deleted[..], &stale].concat(), 2).await.unwrap();
    let own = variables(&scene.topics.env);
    let index = Index::start(&stale[0]).await;
    let searched = with(&own, "SEARCH__ENDPOINT", &index.endpoint);
    told(&searched, &deleted[0], 0, &["index      status 2, isDeleted true", "nothing left"]).await;
    told(
        &searched,
        &stale[0],
        1,
        &["index      status 1, isDeleted false", "\ndeleted, but the search index still shows"],
    )
    .await;
    let nowhere = "127.0.0.1:1";
    let away = [
        ("SEARCH__ENDPOINT", "http://127.0.0.1:1", "index      cannot be asked: search_unreachable"),
        ("CASSANDRA__HOSTS", nowhere, "cassandra  cannot be asked: "),
        ("KEYCLOAK__PORT", "1", "keycloak   cannot be asked: "),
        ("KAFKA__BROKERS", nowhere, "topics     cannot be read: "),
    ];
    for (key, value, words) in away {
        let output =
            told(&with(&own, key, value), &deleted[0], 69, &[words, "\nnot known: not everybody answers"]).await;
        let others = ["status 2, deleted", "keycloak   nothing", "topics     since"];
        let answered = others.iter().filter(|it| output.contains(**it)).count();
        assert!(answered >= 2, "{output}");
    }
}

/// Answers as Elasticsearch does: every user is deleted but one.
struct Index {
    endpoint: String,
}

impl Index {
    async fn start(stale: &str) -> Self {
        let stale = stale.to_owned();
        let answer = async move |Json(question): Json<Value>| {
            assert_eq!(question["_source"], json!(["status", "isDeleted"]), "nothing personal is asked for");
            let is_stale = question["query"]["ids"]["values"] == json!([stale]);
            let source = json!({"status": if is_stale { 1 } else { 2 }, "isDeleted": !is_stale});
            Json(json!({"took": 1, "hits": {"total": 1, "hits": [{"_index": "user_alias", "_source": source}]}}))
        };
        let router = Router::new().route("/user_alias/_search", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint }
    }
}
