//! Keycloak's database, or the worker, killed in the middle of purging users whom Keycloak itself made.

use std::sync::Arc;
use std::time::Duration;

use local_stack::{Faults, Service, Stack, eventually};
use tokio_postgres::{Client, Transaction};
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Failure, IdentityStore, Purged};

use crate::faults::case::Dice;
use crate::keycloak::made_by_keycloak::dump::Dump;
use crate::keycloak::made_by_keycloak::life::{Form, Life};
use crate::keycloak::made_by_keycloak::traces;
use crate::keycloak::made_by_keycloak::world::{Harm, World};
use crate::keycloak::stack::{database, order, purge, rows, store_with};
use crate::scene::Scene;

const PATIENCE: Duration = Duration::from_secs(30);

/// Half of them while the purge holds still before one of its last deletes, the others at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_made_by_keycloak_are_whole_or_gone_when_postgresql_is_killed() {
    let faults = Faults::up_with_keycloak().unwrap();
    let world = World::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    let mut dice = Dice::new();
    for (place, life) in world.people.iter().enumerate() {
        let mut client = database().await;
        let before = world.at_rest(&mut client).await.unwrap();
        let traces = traces::of(&client, &before, life).await.unwrap();
        let mut settings = world.realm.settings();
        settings.lock_timeout = PATIENCE;
        let store = Arc::new(store_with(&settings));

        let is_held = place < 2;
        let purged = if is_held {
            killed_in_the_middle(&faults, &store, life).await
        } else {
            killed_at(dice.moment(Duration::from_millis(60)), &faults, &store, life).await
        };

        faults.start(Service::Postgres).unwrap();
        let mut client = database().await;
        let after = Dump::of(&mut client).await.unwrap();
        let (gone, harm) = world.judge(&before, &after, &traces);
        assert_eq!(harm, Harm::default());
        let left = world.residue(&client, &traces).await.unwrap();
        assert!(gone.is_empty() || left.is_empty(), "half: {gone:?} went, {left:?} stayed");
        assert!(purged.is_err() || left.is_empty(), "told as purged: {left:?}");
        assert!(!is_held || gone.is_empty(), "went without a commit: {gone:?}");

        rows(purge(&store, &life.user, PurgeKind::Full).await);
        assert_eq!(world.residue(&client, &traces).await.unwrap(), Vec::new());
    }
}

/// The same by workers as they are run: what a killed one leaves is an open transaction, which nobody commits. By its name it is
/// played before the database is killed: Keycloak answers 500 for a while after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_made_by_keycloak_are_whole_or_gone_when_a_worker_is_killed() {
    // What the test before has killed.
    Faults::up().and_then(|_| Faults::up_with_keycloak()).unwrap();
    let world = World::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    let scene = Scene::on(world.realm.stack(), 1, &["--per-id", "0"]).await;
    let mut dice = Dice::new();
    for (place, life) in world.people.iter().enumerate() {
        let users = [life.user.clone()];
        scene.users.put_all(&users, 2).await.unwrap();
        let mut client = database().await;
        let before = world.at_rest(&mut client).await.unwrap();
        let traces = traces::of(&client, &before, life).await.unwrap();

        // Without the step that ends access nobody but the transaction takes rows away.
        let mut worker = scene.worker(&[("KEYCLOAK__ADMIN_API__ENABLED", "false")]).await;
        let is_held = place < 2;
        let (mut holder, watcher) = (database().await, database().await);
        let held = if is_held { Some(hold(&mut holder, life).await) } else { None };
        scene.publish_deletions(&users).await;
        match &held {
            Some((_, holder)) => until_it_waits(&watcher, *holder).await,
            None => tokio::time::sleep(dice.moment(Duration::from_millis(300))).await,
        }
        worker.kill9().unwrap();
        drop(held);
        until_nobody_works(&watcher).await;

        let after = Dump::of(&mut client).await.unwrap();
        let (gone, harm) = world.judge(&before, &after, &traces);
        assert_eq!(harm, Harm::default());
        let left = world.residue(&client, &traces).await.unwrap();
        assert!(gone.is_empty() || left.is_empty(), "half: {gone:?} went, {left:?} stayed");
        assert!(!is_held || gone.is_empty(), "went without a commit: {gone:?}");

        let mut next = scene.worker(&[("KEYCLOAK__ADMIN_API__ENABLED", "true")]).await;
        let ending = scene.final_endings(&users).await;
        // Where all had gone there may be rows again: Keycloak notes the logout of a federated user it does not know.
        let told = ending[&life.user].as_str();
        assert!(told == "SUCCESS purged" || (!gone.is_empty() && told == "SUCCESS already_clean"), "{told}");
        assert_eq!(world.residue(&client, &traces).await.unwrap(), Vec::new());
        next.kill9().unwrap();
        scene.users.remove(&users).await.unwrap();
    }
}

/// The store's answer when it comes: a purge that is under way, on a thread of its own.
type Purging = tokio::task::JoinHandle<Result<Vec<Result<Purged, Failure>>, Failure>>;

fn begin(store: &Arc<PgIdentityStore>, life: &Life) -> Purging {
    let (store, orders) = (Arc::clone(store), [order(&life.user, PurgeKind::Full)]);
    tokio::spawn(async move { store.purge(&orders).await })
}

async fn killed_in_the_middle(faults: &Faults, store: &Arc<PgIdentityStore>, life: &Life) -> Result<(), Failure> {
    let (mut holder, watcher) = (database().await, database().await);
    let (_held, holder) = hold(&mut holder, life).await;
    let purging = begin(store, life);
    until_it_waits(&watcher, holder).await;
    faults.kill(Service::Postgres).unwrap();
    purging.await.unwrap().map(drop)
}

/// Stands in the way of one of the last deletes, until it is dropped; with the pid that others wait for.
async fn hold<'a>(holder: &'a mut Client, life: &Life) -> (Transaction<'a>, i32) {
    let busy = holder.transaction().await.unwrap();
    let late = match life.form {
        Form::Local => "SELECT FROM user_role_mapping WHERE user_id = $1::text FOR UPDATE",
        Form::Federated => "SELECT FROM federated_user WHERE id = $1::text FOR UPDATE",
    };
    busy.execute(late, &[&life.id]).await.unwrap();
    let pid = busy.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    (busy, pid)
}

async fn killed_at(
    moment: Duration,
    faults: &Faults,
    store: &Arc<PgIdentityStore>,
    life: &Life,
) -> Result<(), Failure> {
    let purging = begin(store, life);
    tokio::time::sleep(moment).await;
    faults.kill(Service::Postgres).unwrap();
    purging.await.unwrap().map(drop)
}

async fn until_it_waits(watcher: &Client, holder: i32) {
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int4 = ANY (pg_blocking_pids(pid)))";
    let waits = async || watcher.query_one(waiting, &[&holder]).await.unwrap().get::<_, bool>(0).then_some(());
    eventually("the purge waits", PATIENCE, waits).await.unwrap();
}

/// The server notices that a client is gone when it next listens to it.
async fn until_nobody_works(watcher: &Client) {
    let role = &Stack::shared_database().postgres.user;
    let gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = $1::text AND xact_start IS NOT NULL)";
    let ended = async || watcher.query_one(gone, &[role]).await.unwrap().get::<_, bool>(0).then_some(());
    eventually("no transaction of the worker's is left", PATIENCE, ended).await.unwrap();
}
