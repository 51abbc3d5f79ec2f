//! What the live schema has that the worker does not know, and what is done about it.

use user_purge_sync::domain::verdict::PurgeKind;

use crate::keycloak::copy::Copy;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{counts, purge, rows, rows_holding};

#[tokio::test]
async fn a_user_in_a_schema_of_another_name_leaves_nothing() {
    let (copy, person) = (Copy::make().await, Person::new());
    person.move_in(&copy.database).await;
    let before = rows_holding(&copy.database, &person.mark).await;

    let gone = rows(purge(&copy.store(), &person.id, PurgeKind::Full).await);

    assert_eq!(gone.into_iter().collect::<Vec<_>>(), counts(&before).into_iter().collect::<Vec<_>>());
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
}
