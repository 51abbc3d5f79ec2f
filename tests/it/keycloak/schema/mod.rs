//! What the live schema has that the worker does not know, and what is done about it.

mod decisions;
mod printed;
mod refusals;
mod rights;
mod upgrades;
mod warnings;

use std::collections::BTreeMap;

use user_purge_sync::adapters::keycloak::{PgIdentityStore, TableMap, table_map};
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Disposition, Failure, IdentityStore};
use user_purge_sync::settings::{KeycloakSettings, PurgeMode, TableAction, TableChoice};

use crate::keycloak::copy::Copy;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{counts, order, purge, purge_settings, rows, rows_holding, told};

/// A purge of nobody.
async fn try_purge(store: &PgIdentityStore) -> Result<(), Failure> {
    store.purge(&[order("nobody", PurgeKind::Full)]).await.map(drop)
}

/// What a purge is held for.
async fn held(store: &PgIdentityStore) -> String {
    let failure = try_purge(store).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Hold, "{failure}");
    told(failure)
}

async fn looked_at(settings: &KeycloakSettings) -> TableMap {
    table_map(settings, &purge_settings(PurgeMode::Delete)).await.map_err(told).unwrap()
}

fn warnings(map: &TableMap) -> Vec<String> {
    map.warnings.iter().map(ToString::to_string).collect()
}

fn delete_by(table: &str, column: &str) -> BTreeMap<String, TableChoice> {
    let choice = TableChoice { action: TableAction::Delete, column: Some(column.to_owned()) };
    [(table.to_owned(), choice)].into()
}

fn ignore(table: &str) -> BTreeMap<String, TableChoice> {
    [(table.to_owned(), TableChoice { action: TableAction::Ignore, column: None })].into()
}

#[tokio::test]
async fn a_user_in_a_schema_of_another_name_leaves_nothing() {
    let (copy, person) = (Copy::make().await, Person::new());
    person.move_in(&copy.database).await;
    let before = rows_holding(&copy.database, &person.mark).await;

    let gone = rows(purge(&copy.store(), &person.id, PurgeKind::Full).await);

    assert_eq!(gone.into_iter().collect::<Vec<_>>(), counts(&before).into_iter().collect::<Vec<_>>());
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
}
