//! A purge is complete, and tells what went: `purge_is_all_or_nothing`.

use user_purge_sync::adapters::keycloak::tables::TABLES;
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::Purged;

use crate::keycloak::person::Person;
use crate::keycloak::stack::{
    REALM, counts, database, dry_store, order, purge, purge_all, rows, rows_holding, store, store_with,
};

#[tokio::test]
async fn a_user_in_both_forms_leaves_nothing() {
    let (database, person) = (database().await, Person::new());
    person.move_in(&database).await;
    let before = rows_holding(&database, &person.mark).await;
    for table in &TABLES {
        let exists = database.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table.name]).await.unwrap();
        assert_eq!(before.contains_key(table.name), exists.get::<_, bool>(0), "{}", table.name);
    }

    let gone = rows(purge(&store(), &person.id, PurgeKind::Full).await);

    assert_eq!(gone.into_iter().collect::<Vec<_>>(), counts(&before).into_iter().collect::<Vec<_>>());
    assert_eq!(rows_holding(&database, &person.mark).await.keys().collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(rows_holding(&database, &person.id).await.keys().collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn a_purge_again_finds_nothing_and_is_a_success() {
    let (database, person) = (database().await, Person::new());
    person.move_in(&database).await;
    let store = store();
    purge(&store, &person.id, PurgeKind::Full).await;
    assert_eq!(purge(&store, &person.id, PurgeKind::Full).await, Purged::Clean { rows: RowCounts::new(), residue: 0 });
}

#[tokio::test]
async fn a_dry_run_counts_the_same_and_deletes_nothing() {
    let (database, person) = (database().await, Person::new());
    person.move_in(&database).await;
    let before = rows_holding(&database, &person.mark).await;

    let would_go = rows(purge(&dry_store(), &person.id, PurgeKind::Full).await);

    assert_eq!(rows_holding(&database, &person.mark).await, before);
    assert_eq!(would_go, rows(purge(&store(), &person.id, PurgeKind::Full).await));
}

#[tokio::test]
async fn rows_under_a_former_provider_go_too() {
    let (database, person) = (database().await, Person::new());
    let former = format!("former-{}", &person.mark[..8]);
    person.add_federated(&database, &format!("f:{former}:{}", person.id), REALM).await;
    assert_eq!(rows(purge(&store(), &person.id, PurgeKind::Full).await), RowCounts::new());

    let mut settings = crate::keycloak::stack::settings();
    settings.former_providers = vec![former];
    assert!(!rows(purge(&store_with(&settings), &person.id, PurgeKind::Full).await).is_empty());
    assert!(rows_holding(&database, &person.mark).await.is_empty());
}

#[tokio::test]
async fn odd_ids_are_ids_like_others() {
    let (database, store) = (database().await, store());
    for odd in ["o'bri\"en%_\\", "a:b:c", " ümläut ☃ ", "${x}$1", "\u{10ffff}\u{202e}👩‍🚀/"] {
        let person = Person::with_id(format!("{odd}{}", &Person::new().mark[..8]));
        person.move_in(&database).await;
        assert!(!rows(purge(&store, &person.id, PurgeKind::Full).await).is_empty(), "{odd}");
        assert!(rows_holding(&database, &person.mark).await.is_empty(), "{odd}");
    }
    // The longest that Keycloak can hold, and the longest that there can be.
    let long = Person::with_id("☃".repeat(215) + &Person::new().mark);
    assert_eq!(long.federated().chars().count(), 255);
    assert_eq!(rows(purge(&store, &"☃".repeat(255), PurgeKind::Full).await), RowCounts::new());
    long.add_federated(&database, &long.federated(), REALM).await;
    assert!(!rows(purge(&store, &long.id, PurgeKind::Full).await).is_empty());
    assert!(rows_holding(&database, &long.mark).await.is_empty());
}

/// Removed by hand or by an older Keycloak: nothing is left to lock, all else names the person still.
#[tokio::test]
async fn an_id_without_a_user_leaves_nothing_in_tables_without_foreign_keys() {
    let (database, person) = (database().await, Person::new());
    person.add_free(&database, &person.id, REALM).await;
    person.add_federated_without_handle(&database, &person.id, REALM).await;
    person.add_federated_without_handle(&database, &person.federated(), REALM).await;
    let before = rows_holding(&database, &person.mark).await;

    let gone = rows(purge(&store(), &person.id, PurgeKind::Full).await);

    assert!(gone.contains_key("resource_server_perm_ticket") && !gone.contains_key("user_entity"), "{gone:?}");
    assert_eq!(gone.into_iter().collect::<Vec<_>>(), counts(&before).into_iter().collect::<Vec<_>>());
    assert!(rows_holding(&database, &person.mark).await.is_empty());
}

#[tokio::test]
async fn a_block_answers_for_each_user_in_order() {
    let (database, store) = (database().await, store());
    let (full, swept, unknown) = (Person::new(), Person::new(), Person::new());
    full.move_in(&database).await;
    swept.add_session(&database, &swept.federated(), REALM).await;
    let orders = [
        order(&unknown.id, PurgeKind::Full),
        order(&swept.id, PurgeKind::Sweep),
        order(&unknown.id, PurgeKind::Retire),
        order(&full.id, PurgeKind::Full),
    ];
    let results = purge_all(&store, &orders).await;
    assert_eq!(results[0], Purged::Clean { rows: RowCounts::new(), residue: 0 });
    let session = RowCounts::from([("offline_user_session", 1), ("offline_client_session", 2)]);
    assert_eq!(results[1], Purged::Clean { rows: session, residue: 0 });
    assert_eq!(results[2], Purged::CredentialsNotMoved);
    assert!(matches!(&results[3], Purged::Clean { rows, .. } if rows["user_entity"] == 1));
}
