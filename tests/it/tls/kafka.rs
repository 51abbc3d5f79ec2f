//! Kafka over TLS, with passwords and with tokens: what works, what is refused and named, and what changes meanwhile.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use local_stack::realm_admin::RealmAdmin;
use local_stack::users::new_ids;
use local_stack::{Stack, Worker};
use serde_json::json;

use super::broker::{Broker, Listener, PASSWORD, USER};
use super::certificates::Authority;
use crate::program::run;
use crate::scene::{PATIENCE, Scene};

const SECRET: &str = "hunter2-token";

/// Settings without their prefix.
type Overrides = Vec<(String, String)>;

fn trust(broker: &Broker, listener: Listener, authority: &Path) -> Overrides {
    let protocol = if matches!(listener, Listener::Scram | Listener::Token) { "SASL_SSL" } else { "SSL" };
    owned(&[
        ("KAFKA__BROKERS", &broker.at(listener)),
        ("KAFKA__PROPERTIES__SECURITY_PROTOCOL", protocol),
        ("KAFKA__PROPERTIES__BROKER_ADDRESS_FAMILY", "v4"),
        ("KAFKA__PROPERTIES__SSL_CA_LOCATION", authority.to_str().unwrap()),
    ])
}

fn login(password_file: &Path) -> Overrides {
    owned(&[
        ("KAFKA__PROPERTIES__SASL_MECHANISM", "SCRAM-SHA-512"),
        ("KAFKA__PROPERTIES__SASL_USERNAME", USER),
        ("KAFKA__PROPERTY_FILES__SASL_PASSWORD", password_file.to_str().unwrap()),
    ])
}

fn token(stack: &Stack, client: &str, secret_file: &Path) -> Overrides {
    let endpoint = format!("{}/realms/{}/protocol/openid-connect/token", stack.keycloak.url, stack.keycloak.realm);
    owned(&[
        ("KAFKA__PROPERTIES__SASL_MECHANISM", "OAUTHBEARER"),
        ("KAFKA__PROPERTIES__SASL_OAUTHBEARER_METHOD", "oidc"),
        ("KAFKA__PROPERTIES__SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", &endpoint),
        ("KAFKA__PROPERTIES__SASL_OAUTHBEARER_CLIENT_ID", client),
        ("KAFKA__PROPERTY_FILES__SASL_OAUTHBEARER_CLIENT_SECRET", secret_file.to_str().unwrap()),
    ])
}

fn owned(settings: &[(&str, &str)]) -> Overrides {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn borrowed(overrides: &Overrides) -> Vec<(&str, &str)> {
    overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// A client that is given tokens for so many seconds.
async fn token_client(stack: &Stack, seconds: u32) -> (RealmAdmin, String, String) {
    let admin = RealmAdmin::connect(stack, &stack.keycloak.realm).await.unwrap();
    let name = format!("purger-{}", new_ids(1)[0]);
    let client = json!({
        "clientId": name, "secret": SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
        "attributes": {"access.token.lifespan": seconds.to_string()},
    });
    let id = admin.post("clients", &client).await.unwrap();
    (admin, name, id)
}

/// Some users are deleted, and the worker sees to it.
async fn purges(scene: &Scene) {
    let ids = scene.deleted_people(20).await;
    scene.publish_deletions(&ids).await;
    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending.starts_with("SUCCESS")), "{endings:?}");
    scene.assert_gone(&ids).await;
    scene.assert_nobody_failed();
}

async fn until_log(worker: &Worker, what: &str, count: usize) {
    let told =
        local_stack::eventually(what, PATIENCE, async || (worker.log().matches(what).count() >= count).then_some(()));
    told.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_and_the_worker_do_not_agree_about_is_held_at_start_and_named() {
    let (right, wrong) = (Authority::new("right"), Authority::new("wrong"));
    let broker = Broker::start(&right).await;
    broker.set_password(PASSWORD).await;
    let scene = Scene::on(broker.stack(), 1, &["--per-id", "0"]).await;
    let (_admin, client, _) = token_client(&scene.stack, 60).await;
    let ca = broker.folder.write("ca.pem", right.certificate());
    let other_ca = broker.folder.write("other-ca.pem", wrong.certificate());
    let bad = broker.folder.write("bad-password", "hunter2-wrong\n");
    let plain = owned(&[("KAFKA__BROKERS", &broker.at(Listener::Tls))]);
    let absent = owned(&[("KAFKA__PROPERTY_FILES__SASL_PASSWORD", "/nowhere/password")]);
    let cases = [
        (trust(&broker, Listener::Tls, &other_ca), "not by any of those in", "ssl.ca.location"),
        (trust(&broker, Listener::OtherHost, &ca), "not for localhost", "kafka.brokers"),
        (trust(&broker, Listener::Expired, &ca), "ended on", "kafka.brokers"),
        (trust(&broker, Listener::Mutual, &ca), "certificate", "ssl.certificate.location"),
        (plain, "speaks TLS", "security.protocol"),
        ([trust(&broker, Listener::Scram, &ca), login(&bad)].concat(), "uthentication failed", "sasl.password"),
        ([trust(&broker, Listener::Token, &ca), login(&bad)].concat(), "mechanism", "sasl.mechanism"),
        (
            [trust(&broker, Listener::Token, &ca), token(&scene.stack, &client, &bad)].concat(),
            "token",
            "sasl.oauthbearer",
        ),
        (
            [trust(&broker, Listener::Tls, &ca), absent].concat(),
            "/nowhere/password",
            "kafka.property_files.sasl.password",
        ),
    ];
    join_all(cases.iter().map(async |(overrides, problem, key)| {
        let mut worker = scene.starting(&borrowed(overrides));
        let exit = worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        let log = worker.log();
        assert_eq!(exit.code(), Some(70), "{log}");
        let told = log.lines().find(|line| line.contains(problem) && line.contains(key));
        assert!(told.is_some(), "{problem} and {key} are not in {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }))
    .await;

    // The commands say the same.
    let prefixed = cases[5].0.iter().map(|(key, value)| (format!("USER_PURGE_SYNC__{key}"), value.clone()));
    let variables: Vec<_> =
        local_stack::worker::environment(&scene.stack, &scene.topics.env).into_iter().chain(prefixed).collect();
    for command in [&["check"][..], &["watch", "some-request"], &["redrive", "list"], &["replay", "--last", "1h"]] {
        let ended = run(&variables, command).await;
        let told = [ended.output, ended.errors].concat();
        assert!(ended.code == 70 && told.contains("sasl.password"), "{command:?} {}: {told}", ended.code);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_both_sides_are_replaced_while_the_worker_runs() {
    let (first, second) = (Authority::new("kafka"), Authority::new("kafka"));
    let mut broker = Broker::start(&first).await;
    let scene = Scene::on(broker.stack(), 2, &["--per-id", "0"]).await;
    let identify = |authority: &Authority| {
        let client = authority.client("purger");
        let write = |name: &str, text: &str| broker.folder.write(name, text).display().to_string();
        owned(&[
            ("KAFKA__PROPERTIES__SSL_CERTIFICATE_LOCATION", &write("client.crt", &client.certificate)),
            ("KAFKA__PROPERTIES__SSL_KEY_LOCATION", &write("client.key", &client.key)),
            ("KAFKA__PROPERTIES__SSL_CA_LOCATION", &write("ca.pem", authority.certificate())),
        ])
    };
    let ca = broker.folder.path().join("ca.pem");
    let overrides = [trust(&broker, Listener::Mutual, &ca), identify(&first)].concat();
    let mut worker = scene.worker(&borrowed(&overrides)).await;
    purges(&scene).await;

    broker.identify_by(&second);
    broker.restart().await;
    until_log(&worker, "kafka refuses the consumer", 1).await;
    let refused =
        async || worker.metric("user_purge_sync_kafka_trouble", &["trouble=\"refused\""]).await.unwrap() > 0.0;
    scene.until("the metric tells it", refused).await;
    worker.wait_ready(PATIENCE).await.expect("a restart mends nothing");
    let identify = |authority: &Authority| {
        let client = authority.client("purger");
        broker.folder.write("client.crt", &client.certificate);
        broker.folder.write("client.key", &client.key);
        broker.folder.write("ca.pem", authority.certificate());
    };
    identify(&second);
    purges(&scene).await;
    let works = async || worker.metric("user_purge_sync_kafka_trouble", &[]).await.unwrap() < 1.0;
    scene.until("the trouble is over", works).await;
    scene.all_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_while_the_worker_runs() {
    let authority = Authority::new("kafka");
    let broker = Broker::start(&authority).await;
    broker.set_password(PASSWORD).await;
    let scene = Scene::on(broker.stack(), 2, &["--per-id", "0"]).await;
    let ca = broker.folder.write("ca.pem", authority.certificate());
    let password = broker.folder.write("password", &format!("{PASSWORD}\n"));
    let overrides = [trust(&broker, Listener::Scram, &ca), login(&password)].concat();
    let mut worker = scene.worker(&borrowed(&overrides)).await;
    purges(&scene).await;

    // The file first: Kafka does not take it yet, and the clients that work go on.
    broker.folder.write("password", "hunter2-second\n");
    until_log(&worker, "kafka does not take them yet", 1).await;
    purges(&scene).await;
    broker.set_password("hunter2-second").await;
    until_log(&worker, "\"running\"", 2).await;
    purges(&scene).await;

    // Kafka first: the consumer is refused at its next login, and nothing fails.
    broker.set_password("hunter2-third").await;
    until_log(&worker, "kafka refuses the consumer", 1).await;
    scene.assert_nobody_failed();
    broker.folder.write("password", "hunter2-third\n");
    until_log(&worker, "\"running\"", 3).await;
    purges(&scene).await;
    assert!(!worker.log().contains("hunter2"), "{}", worker.log());
    worker.term().unwrap();
    assert!(worker.until_ended(PATIENCE).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_tokens_outlives_them_and_their_secret() {
    let authority = Authority::new("kafka");
    let broker = Broker::start(&authority).await;
    let scene = Scene::on(broker.stack(), 2, &["--per-id", "0"]).await;
    let (admin, client, id) = token_client(&scene.stack, 12).await;
    let ca = broker.folder.write("ca.pem", authority.certificate());
    let secret = broker.folder.write("secret", SECRET);
    let overrides = [trust(&broker, Listener::Token, &ca), token(&scene.stack, &client, &secret)].concat();
    let worker = scene.worker(&borrowed(&overrides)).await;
    purges(&scene).await;

    let regenerated = admin.post(&format!("clients/{id}/client-secret"), &json!({})).await.unwrap();
    drop(regenerated);
    let told = admin.get(&format!("clients/{id}/client-secret")).await.unwrap();
    broker.folder.write("secret", told["value"].as_str().unwrap());
    until_log(&worker, "\"running\"", 2).await;
    scene.until_lasted(std::time::Instant::now(), Duration::from_secs(13)).await;
    purges(&scene).await;
    admin.delete(&format!("clients/{id}")).await.unwrap();
}
