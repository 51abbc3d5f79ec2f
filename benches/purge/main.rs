//! How fast the purge is, against a bare client that says the same statements: `make bench-purge`.
//!
//! 300,000 local and 300,000 federated users in the database of a real Keycloak, default durability. Turn by turn the bare
//! client and the purge, each on one connection and on two, take equal portions, in changing order: what disturbs the machine
//! disturbs all four. `BENCH_USERS=n` makes it shorter: so many users of each form.

mod bare;
mod figures;
mod logins;
mod people;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join_all;
use local_stack::Stack;
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::ids::UserId;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{IdentityStore, PurgeOrder, Purged};
use user_purge_sync::settings::{PurgeMode, Settings};

use bare::Bare;
use figures::{Figures, Way};
use people::People;

const TURNS: usize = 10;
/// Users of one transaction: the default of `purge.block_size`.
const BLOCK: usize = 500;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let of_each_form = users_of_each_form()?;
    let stack = Stack::shared_database();
    let mut people = People::move_in(stack, of_each_form).await?;
    let store = store(stack)?;
    let bare = [Bare::connect(stack).await?, Bare::connect(stack).await?];
    store.probe().await.map_err(|failure| anyhow::anyhow!(failure.story()))?;

    let portion = people.left() / (TURNS * Way::ALL.len() + 1);
    let mut figures = Figures::default();
    for turn in 0..TURNS {
        for step in 0..Way::ALL.len() {
            let way = Way::ALL[(turn + step) % Way::ALL.len()];
            let users = people.take(portion);
            let begun = Instant::now();
            match way {
                Way::Bare => bare_purge(&bare[..1], &users).await?,
                Way::BareTwo => bare_purge(&bare, &users).await?,
                Way::One => purge(&store, &users, 1).await?,
                Way::Two => purge(&store, &users, 2).await?,
            }
            figures.add(way, users.len(), begun.elapsed());
        }
    }
    let logins = logins::beside(stack, || purge(&store, people.rest(), 1)).await?;
    people.assert_gone().await?;
    figures.tell(of_each_form * 2, logins)
}

#[expect(clippy::disallowed_methods, reason = "no setting of the worker")]
fn users_of_each_form() -> anyhow::Result<usize> {
    std::env::var("BENCH_USERS").map_or(Ok(300_000), |count| count.parse()).context("BENCH_USERS")
}

/// Blocks after one another on each of these connections.
async fn bare_purge(clients: &[Bare], users: &[String]) -> anyhow::Result<()> {
    let one = async |mine: usize| {
        for block in users.chunks(BLOCK).skip(mine).step_by(clients.len()) {
            clients[mine].purge_block(block).await?;
        }
        Ok(())
    };
    try_join_all((0..clients.len()).map(one)).await.map(drop)
}

/// Blocks after one another on each of so many connections.
async fn purge(store: &PgIdentityStore, users: &[String], connections: usize) -> anyhow::Result<()> {
    let blocks: Vec<Vec<PurgeOrder>> = users.chunks(BLOCK).map(orders).collect::<Result<_, _>>()?;
    let one = async |mine: usize| {
        for block in blocks.iter().skip(mine).step_by(connections) {
            let results = store.purge(block).await.map_err(|failure| anyhow::anyhow!(failure.story()))?;
            let clean =
                |result: &Result<_, _>| matches!(result, Ok(Purged::Clean { rows, residue: 0 }) if !rows.is_empty());
            anyhow::ensure!(results.iter().all(clean), "not everybody of a block is purged");
        }
        Ok(())
    };
    try_join_all((0..connections).map(one)).await.map(drop)
}

fn orders(users: &[String]) -> anyhow::Result<Vec<PurgeOrder>> {
    let order = |user: &String| Ok(PurgeOrder { user: UserId::parse(user)?, kind: PurgeKind::Full });
    users.iter().map(order).collect()
}

/// The worker's own settings for this stack, without the Admin API step: what is measured is the database.
fn store(stack: &Stack) -> anyhow::Result<PgIdentityStore> {
    let mut settings = Settings::load(None, std::iter::empty())?;
    let (keycloak, postgres) = (&mut settings.keycloak, &stack.postgres);
    keycloak.host.clone_from(&postgres.host);
    keycloak.port = postgres.port;
    keycloak.database.clone_from(&postgres.database);
    keycloak.username.clone_from(&postgres.user);
    keycloak.password = postgres.password.clone().into();
    keycloak.realm.clone_from(&stack.keycloak.realm);
    keycloak.provider_id.clone_from(&stack.keycloak.provider_id);
    settings.purge.mode = Some(PurgeMode::Delete);
    settings.purge.concurrency = 2;
    Ok(PgIdentityStore::new(&settings.keycloak, &settings.purge, None))
}

/// Seconds with a unit, for people.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
