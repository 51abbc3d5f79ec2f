//! Users whom Keycloak itself made, with everything that a user can have in its version, and what a purge leaves of them
//! and does to others: the promise on real schemas and real rows, of every version in `docs/schemas.md`.
//!
//! No row of theirs is written by SQL. What a version does not have is told by name (`lacks`).

mod browser;
pub mod dump;
pub mod lacks;
pub mod life;
mod post_office;
pub mod realm;
mod sharing;
pub mod traces;
pub mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use local_stack::results;
use serde_json::json;
use tokio_postgres::Client;
use user_purge_sync::adapters::keycloak::{AdminApi, PgIdentityStore};
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::UserCache;
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::stack::{database, purge, purge_settings, rows};
use dump::{Dump, Row, counts};
use lacks::{Feature, Version};
use life::{Form, Life};
use world::{Harm, World};

#[tokio::test]
async fn a_local_user_made_by_keycloak_leaves_nothing_and_harms_nobody() {
    leaves_nothing_and_harms_nobody(Form::Local).await;
}

#[tokio::test]
async fn a_federated_user_made_by_keycloak_leaves_nothing_and_harms_nobody() {
    leaves_nothing_and_harms_nobody(Form::Federated).await;
}

/// One user goes as the worker is meant to run; then one of the other form without the step that ends access, which
/// leaves more to the statements.
async fn leaves_nothing_and_harms_nobody(form: Form) {
    let (since, mut database) = (Instant::now(), database().await);
    let world = World::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    let version = world.realm.version;
    eprintln!("left out on {version}: {}", world::left_out(version));
    let (first, second): (Vec<_>, Vec<_>) = world.people.iter().partition(|life| life.form == form);

    let mut found = Found::of(&world, first[0], Access::Ended, &mut database).await;
    assert_eq!(first[0].refreshed(&world.realm).await, 0);
    found.add(Found::of(&world, second[0], Access::UntilRestart, &mut database).await);
    for life in [first[1], second[1]] {
        assert_eq!(life.refreshed(&world.realm).await, life.tokens.len(), "{:?}", life.form);
    }
    found.write(version, tables(&database).await, since);
    world.realm.remove().await.unwrap();
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Ended,
    UntilRestart,
}

/// Rows by what became of them.
struct Found {
    gone: Vec<Row>,
    residue: usize,
    harmed: usize,
}

impl Found {
    /// Purges somebody, and looks at the whole database before and after.
    async fn of(world: &World, life: &Life, access: Access, database: &mut Client) -> Self {
        let before = world.at_rest(database).await.unwrap();
        let traces = traces::of(database, &before, life).await.unwrap();
        let is_invited = before.rows().any(|row| row.table == "org_invitation" && row.text.contains(&life.email));
        assert_eq!(is_invited, world.realm.version.has(Feature::Invitations));

        let receipt = purge_by_the_worker(world, life, access).await;

        let after = Dump::of(database).await.unwrap();
        let residue = world.residue(database, &traces).await.unwrap();
        let (gone, harm) = world.judge(&before, &after, &traces);
        eprintln!("{:?}, access {access:?}: {:?} went, by the purge itself {receipt:?}", life.form, counts(&gone));
        if access == Access::UntilRestart {
            // Nobody else takes rows of theirs away: the receipt is whole.
            let receipt = receipt.iter().map(|(table, count)| (*table, usize::try_from(*count).unwrap()));
            assert_eq!(receipt.collect::<BTreeMap<_, _>>(), counts(&gone));
        }
        assert_eq!(residue, Vec::new());
        assert_eq!(harm, Harm::default());
        assert_eq!(world::untouched(world.realm.version, life.form, &gone), Vec::<&str>::new());
        Self { gone, residue: residue.len(), harmed: harm.lost.len() + harm.new.len() }
    }

    fn add(&mut self, other: Self) {
        self.gone.extend(other.gone);
        self.residue += other.residue;
        self.harmed += other.harmed;
    }

    /// For `docs/schemas.md`.
    fn write(&self, version: Version, schema: i64, since: Instant) {
        let line = json!({
            "keycloak": version.to_string(), "schema": schema, "gone": self.gone.len(), "tables": counts(&self.gone).len(),
            "residue": self.residue, "harmed": self.harmed, "left_out": version.lacks(),
            "took_ms": since.elapsed().as_millis(),
        });
        results::append("schemas", line).unwrap();
    }
}

/// How many tables Keycloak has here.
async fn tables(database: &Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    database.query_one(sql, &[]).await.unwrap().get(0)
}

async fn purge_by_the_worker(world: &World, life: &Life, access: Access) -> RowCounts {
    let settings = world.realm.settings();
    let api = Arc::new(AdminApi::try_new(&settings).unwrap());
    let step = (access == Access::Ended).then(|| Arc::clone(&api));
    let store = PgIdentityStore::new(&settings, &purge_settings(PurgeMode::Delete), step);
    let receipt = rows(purge(&store, &life.user, PurgeKind::Full).await);
    api.clear().await.unwrap();
    receipt
}
