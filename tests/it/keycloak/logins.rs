//! Access ends also for somebody who is logging in at that very moment, and beside a Keycloak that deletes the same users.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::{StreamExt as _, stream};
use local_stack::users::new_ids;
use local_stack::{Accounts, KeycloakRows, Stack, Tokens, eventually};
use tokio::task::JoinSet;
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Disposition, IdentityStore, PurgeOrder, UserCache};
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::stack::{admin_api, database, order, purge_settings, rows_holding, settings, told};
use crate::scene::PATIENCE;

const PASSWORD: &str = "correct horse battery staple";
/// As a browser and as an app that stays logged in.
const WAYS: [(&str, bool); 3] = [("portal", false), ("portal", true), ("mobile", true)];

/// A token, the client it is for, and when it was given.
type Given = (Tokens, &'static str, Instant);

/// Somebody who logs in again and again, in every way at once.
struct Restless {
    stop: Arc<AtomicBool>,
    logins: JoinSet<Vec<Given>>,
}

impl Restless {
    fn begin(accounts: &Arc<Accounts>, name: &str) -> Self {
        let (stop, mut logins) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (client, offline) in WAYS {
            let (stop, accounts, name) = (Arc::clone(&stop), Arc::clone(accounts), name.to_owned());
            logins.spawn(async move {
                let mut given = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let tokens = accounts.login(&name, PASSWORD, client, offline).await.ok();
                    given.extend(tokens.map(|tokens| (tokens, client, Instant::now())));
                }
                given
            });
        }
        Self { stop, logins }
    }

    /// Every token they were ever given.
    async fn end(self) -> Vec<Given> {
        self.stop.store(true, Ordering::Relaxed);
        self.logins.join_all().await.concat()
    }
}

/// As the pipeline does: what may pass is tried again, and nothing else happens.
async fn purge_until_done(store: &PgIdentityStore, orders: &[PurgeOrder]) {
    let once = async || match store.purge(orders).await {
        Ok(results) => results.into_iter().filter_map(Result::err).collect(),
        Err(failure) => vec![failure],
    };
    let through = async || {
        let failures = once().await;
        let is_done = failures.is_empty();
        for failure in failures {
            assert!(matches!(failure.disposition, Disposition::Retry(_)), "{}", told(failure));
        }
        is_done.then_some(())
    };
    eventually("the block goes through", PATIENCE, through).await.unwrap();
}

/// `access_ends`: the status is told when the purge is through and the cache is clear.
async fn nothing_works_after_the_status(accounts: &Arc<Accounts>, name: &str, id: &str) {
    let (api, database) = (admin_api(), database().await);
    let store = PgIdentityStore::new(&settings(), &purge_settings(PurgeMode::Delete), Some(Arc::clone(&api)));
    let restless = Restless::begin(accounts, name);
    let logged_in = async || (rows_holding(&database, id).await.get("offline_user_session")?.0 > 2).then_some(());
    eventually("they are logged in", PATIENCE, logged_in).await.unwrap();

    purge_until_done(&store, &[order(id, PurgeKind::Full)]).await;
    let purged = Instant::now();
    api.clear().await.unwrap();

    let given = restless.end().await;
    assert!(given.len() > 2, "{} logins", given.len());
    let (before, late): (Vec<_>, Vec<_>) = given.into_iter().partition(|(_, _, at)| *at < purged);
    assert_eq!(good_of(accounts, &before).await, Vec::<&str>::new(), "of {} tokens", before.len());
    for (client, offline) in WAYS {
        assert!(accounts.login(name, PASSWORD, client, offline).await.is_err(), "{client}");
    }
    // A login that took longer than all of that is what the sweep is for.
    purge_until_done(&store, &[order(id, PurgeKind::Sweep)]).await;
    assert_eq!(good_of(accounts, &late).await, Vec::<&str>::new(), "of {} late tokens", late.len());
}

async fn good_of(accounts: &Accounts, given: &[Given]) -> Vec<&'static str> {
    let mut good = Vec::new();
    for (tokens, client, _) in given {
        good.extend(accounts.refresh(tokens, client).await.is_ok().then_some(*client));
    }
    good
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_ends_for_a_federated_user_who_logs_in_again_and_again() {
    let accounts = Arc::new(Accounts::connect(Stack::shared_database()).await.unwrap());
    let id = new_ids(1).remove(0);
    accounts.set_federated_password(&id, PASSWORD).await.unwrap();
    nothing_works_after_the_status(&accounts, &id, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_ends_for_a_local_user_who_logs_in_again_and_again() {
    let accounts = Arc::new(Accounts::connect(Stack::shared_database()).await.unwrap());
    let name = format!("restless-{}", new_ids(1)[0]);
    let id = accounts.create_local(&name, PASSWORD).await.unwrap();
    nothing_works_after_the_status(&accounts, &name, &id).await;
}

/// Both sides may be turned away, and both are through when they try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keycloak_may_delete_the_same_users_at_the_same_moment() {
    let (accounts, ids) = (Accounts::connect(Stack::shared_database()).await.unwrap(), new_ids(120));
    let rows = KeycloakRows::connect(Stack::shared_database()).await.unwrap();
    rows.put_local(&ids).await.unwrap();
    let store = |api| PgIdentityStore::new(&settings(), &purge_settings(PurgeMode::Delete), api);
    let stores = [store(None), store(Some(admin_api()))];
    let answers = Mutex::new(BTreeMap::<u16, usize>::new());
    let delete = async |id: &String| {
        let gone = async || {
            let answer = accounts.delete(id).await.unwrap();
            *answers.lock().unwrap().entry(answer).or_default() += 1;
            matches!(answer, 204 | 404).then_some(())
        };
        eventually("Keycloak has deleted it", PATIENCE, gone).await.unwrap();
    };
    for (block, store) in ids.chunks(15).zip(stores.iter().cycle()) {
        let orders: Vec<_> = block.iter().map(|id| order(id, PurgeKind::Full)).collect();
        let deletes = stream::iter(block).map(delete).buffer_unordered(4).collect::<Vec<()>>();
        tokio::join!(deletes, purge_until_done(store, &orders));
    }

    assert_eq!(rows.of(&ids).await.unwrap(), BTreeMap::new());
    let answers = answers.lock().unwrap();
    assert!(answers.contains_key(&204) && answers.contains_key(&404), "they have not met: {answers:?}");
}
