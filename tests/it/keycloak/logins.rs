//! Access ends also for somebody who is logging in at that very moment, and beside a Keycloak that deletes the same users.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local_stack::users::new_ids;
use local_stack::{Accounts, Stack, Tokens, eventually};
use tokio::task::JoinSet;
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Disposition, IdentityStore, PurgeOrder, Purged, UserCache};
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::stack::{admin_api, database, order, purge_settings, rows_holding, settings, told};
use crate::scene::PATIENCE;

const PASSWORD: &str = "correct horse battery staple";
/// Each as a browser and as an app that stays logged in.
const WAYS: [(&str, bool); 4] = [("portal", false), ("portal", true), ("mobile", false), ("mobile", true)];

/// Somebody who logs in again and again, in every way at once.
struct Restless {
    stop: Arc<AtomicBool>,
    logins: JoinSet<Vec<(&'static str, Tokens)>>,
}

impl Restless {
    fn begin(accounts: &Arc<Accounts>, name: &str) -> Self {
        let (stop, mut logins) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (client, offline) in WAYS {
            let (stop, accounts, name) = (Arc::clone(&stop), Arc::clone(accounts), name.to_owned());
            logins.spawn(async move {
                let mut tokens = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    tokens.extend(accounts.login(&name, PASSWORD, client, offline).await.ok().map(|got| (client, got)));
                }
                tokens
            });
        }
        Self { stop, logins }
    }

    /// Every token they were ever given.
    async fn end(self) -> Vec<(&'static str, Tokens)> {
        self.stop.store(true, Ordering::Relaxed);
        self.logins.join_all().await.concat()
    }
}

/// As the pipeline does: what may pass is tried again.
async fn purge_until_done(store: &PgIdentityStore, orders: &[PurgeOrder]) -> Vec<Purged> {
    let purged = eventually("the block goes through", PATIENCE, async || match store.purge(orders).await {
        Ok(results) => results.into_iter().collect::<Result<Vec<_>, _>>().ok(),
        Err(failure) => {
            assert!(matches!(failure.disposition, Disposition::Retry(_)), "{}", told(failure));
            None
        }
    });
    purged.await.unwrap()
}

/// `access_ends`: the status is told when the purge is through and the cache is clear.
async fn nothing_works_after_the_status(accounts: &Arc<Accounts>, name: &str, id: &str) {
    let (api, database) = (admin_api(), database().await);
    let store = PgIdentityStore::new(&settings(), &purge_settings(PurgeMode::Delete), Some(Arc::clone(&api)));
    let restless = Restless::begin(accounts, name);
    let logged_in = async || (rows_holding(&database, id).await.get("offline_user_session")?.0 > 3).then_some(());
    eventually("they are logged in", PATIENCE, logged_in).await.unwrap();

    purge_until_done(&store, &[order(id, PurgeKind::Full)]).await;
    api.clear().await.unwrap();

    let tokens = restless.end().await;
    assert!(tokens.len() > 4, "{} logins", tokens.len());
    let mut good = Vec::new();
    for (client, tokens) in &tokens {
        if accounts.refresh(tokens, client).await.is_ok() {
            good.push(*client);
        }
    }
    assert!(good.is_empty(), "{} of {} tokens are good still: {good:?}", good.len(), tokens.len());
    for (client, offline) in WAYS {
        assert!(accounts.login(name, PASSWORD, client, offline).await.is_err(), "{client}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_ends_for_a_federated_user_who_logs_in_again_and_again() {
    let accounts = Arc::new(Accounts::connect(Stack::shared()).await.unwrap());
    for id in new_ids(5) {
        accounts.set_federated_password(&id, PASSWORD).await.unwrap();
        nothing_works_after_the_status(&accounts, &id, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_ends_for_a_local_user_who_logs_in_again_and_again() {
    let accounts = Arc::new(Accounts::connect(Stack::shared()).await.unwrap());
    for name in new_ids(5).iter().map(|id| format!("restless-{id}")) {
        let id = accounts.create_local(&name, PASSWORD).await.unwrap();
        nothing_works_after_the_status(&accounts, &name, &id).await;
    }
}
