//! `access_ends`, through the whole worker and a running Keycloak.

use local_stack::events::deletion;
use local_stack::topics::DELETE;
use local_stack::users::new_ids;
use local_stack::{Accounts, Tokens};

use crate::scene::Scene;

const PASSWORD: &str = "correct horse battery staple";

/// Somebody's tokens, online and offline, of both clients.
struct Held(Vec<(&'static str, Tokens)>);

impl Held {
    async fn of(accounts: &Accounts, name: &str) -> Self {
        let mut tokens = Vec::new();
        for client in ["portal", "mobile"] {
            for offline in [false, true] {
                tokens.push((client, accounts.login(name, PASSWORD, client, offline).await.unwrap()));
            }
        }
        Self(tokens)
    }

    async fn refreshed(&self, accounts: &Accounts) -> usize {
        let mut good = 0;
        for (client, tokens) in &self.0 {
            good += usize::from(accounts.refresh(tokens, client).await.is_ok());
        }
        good
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_ends_when_the_status_is_told() {
    let scene = Scene::set().await;
    let accounts = Accounts::connect(&scene.stack).await.unwrap();
    let federated = new_ids(2);
    for id in &federated {
        accounts.set_federated_password(id, PASSWORD).await.unwrap();
    }
    let [gone, stays] = [&federated[0], &federated[1]];
    let name = format!("local-{gone}");
    let local = accounts.create_local(&name, PASSWORD).await.unwrap();
    let ids = [gone.clone(), local];
    scene.users.put_all(&ids, 2).await.unwrap();
    let held = [Held::of(&accounts, gone).await, Held::of(&accounts, &name).await];
    let kept = Held::of(&accounts, stays).await;
    for tokens in held.iter().chain([&kept]) {
        assert_eq!(tokens.refreshed(&accounts).await, 4);
    }
    let worker = scene.worker(&[("KEYCLOAK__ADMIN_API__ENABLED", "true")]).await;
    scene.topics.publish(DELETE, &ids.each_ref().map(|id| deletion(id))).await.unwrap();

    let endings = scene.final_endings(&ids).await;
    assert!(endings.values().all(|ending| ending == "SUCCESS purged"), "{endings:?}");
    let cleared = ["stage=\"clear\"", "result=\"ok\""];
    assert!(worker.metric("user_purge_sync_stage_calls_total", &cleared).await.unwrap() >= 1.0);
    for (tokens, name) in held.iter().zip([gone, &name]) {
        assert_eq!(tokens.refreshed(&accounts).await, 0, "{name}");
        for (client, offline) in [("portal", false), ("mobile", true)] {
            assert!(accounts.login(name, PASSWORD, client, offline).await.is_err(), "{name} at {client}");
        }
    }
    assert_eq!(kept.refreshed(&accounts).await, 4);
    for id in &ids {
        assert_eq!(scene.statuses.of(id)[0].record["edata"]["access"], "ended");
    }
    scene.assert_gone(&ids).await;
    scene.inputs_committed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_admin_api_the_status_says_that_tokens_live_on() {
    let scene = Scene::set().await;
    let accounts = Accounts::connect(&scene.stack).await.unwrap();
    let ids = new_ids(1);
    accounts.set_federated_password(&ids[0], PASSWORD).await.unwrap();
    scene.users.put_all(&ids, 2).await.unwrap();
    let held = Held::of(&accounts, &ids[0]).await;
    let _worker = scene.worker(&[]).await;
    scene.topics.publish(DELETE, &[deletion(&ids[0])]).await.unwrap();

    let endings = scene.final_endings(&ids).await;
    assert_eq!(endings[&ids[0]], "SUCCESS purged");
    assert_eq!(scene.statuses.of(&ids[0])[0].record["edata"]["access"], "until_restart");
    assert!(held.refreshed(&accounts).await > 0, "the words would be wrong");
    scene.assert_gone(&ids).await;
}
