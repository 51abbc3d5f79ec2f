//! What stops a purge that nobody means.

use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Disposition, IdentityStore, Protection, Purged};
use user_purge_sync::settings::{PurgeMode, PurgeSettings};

use crate::keycloak::person::Person;
use crate::keycloak::stack::{
    REALM, admin_api, database, order, purge, purge_all, purge_settings, rows, rows_holding, settings,
};

fn store(mode: PurgeMode, change: impl Fn(&mut PurgeSettings)) -> PgIdentityStore {
    let mut purge = purge_settings(mode);
    change(&mut purge);
    PgIdentityStore::new(&settings(), &purge, None)
}

#[tokio::test]
async fn a_user_with_too_many_rows_is_kept_whole_and_the_others_go() {
    let (database, full, neighbour) = (database().await, Person::new(), Person::new());
    for person in [&full, &neighbour] {
        person.move_in(&database).await;
    }
    for _ in 0..110 {
        full.insert(&database, "user_attribute", &[("user_id", &full.id)]).await;
    }
    let before = rows_holding(&database, &full.mark).await;
    let orders = [&full, &neighbour].map(|person| order(&person.id, PurgeKind::Full));
    let mut kept = purge_settings(PurgeMode::Delete);
    kept.max_rows_per_user = 100;
    // With the Admin API step on it is found before access is ended, without in the transaction. Only the first is asked for
    // with it: before 20 Keycloak answers 500 when it is to end sessions that it has not written itself.
    let store_with_access = PgIdentityStore::new(&settings(), &kept, Some(admin_api()));
    let alone = purge_all(&store_with_access, &orders[..1]).await;
    assert_eq!(alone, [Purged::Protected(Protection::TooManyRows)]);
    assert_eq!(rows_holding(&database, &full.mark).await, before);
    let purged = purge_all(&PgIdentityStore::new(&settings(), &kept, None), &orders).await;
    assert_eq!(purged[0], Purged::Protected(Protection::TooManyRows));
    assert!(matches!(purged[1], Purged::Clean { .. }), "{purged:?}");
    assert_eq!(rows_holding(&database, &full.mark).await, before);
    assert!(rows_holding(&database, &neighbour.mark).await.is_empty());
    let dry = store(PurgeMode::DryRun, |purge| purge.max_rows_per_user = 100);
    assert_eq!(purge(&dry, &full.id, PurgeKind::Full).await, Purged::Protected(Protection::TooManyRows));

    let allowed = store(PurgeMode::Delete, |purge| purge.max_rows_per_user = 0);
    assert!(rows(purge(&allowed, &full.id, PurgeKind::Full).await)["user_attribute"] > 110);
}

#[tokio::test]
async fn no_more_users_an_hour_than_are_meant_and_nobody_fails() {
    let database = database().await;
    let people: Vec<Person> = (0..5).map(|_| Person::new()).collect();
    for person in &people {
        person.add_local(&database, REALM).await;
    }
    let store = store(PurgeMode::Delete, |purge| purge.max_users_per_hour = 3);
    let orders: Vec<_> = people.iter().map(|person| order(&person.id, PurgeKind::Full)).collect();

    // Who has no rows is none of those who are counted.
    assert!(purge_all(&store, &[order(&Person::new().id, PurgeKind::Full)]).await.len() == 1);
    store.probe().await.unwrap();
    let results = store.purge(&orders).await.unwrap();

    assert!(results[..3].iter().all(Result::is_ok), "{results:?}");
    for result in &results[3..] {
        let failure = result.as_ref().unwrap_err();
        assert_eq!((failure.disposition, failure.to_string().as_str()), (Disposition::Hold, "users_per_hour"));
    }
    for (person, gone) in people.iter().zip([true, true, true, false, false]) {
        assert_eq!(rows_holding(&database, &person.mark).await.is_empty(), gone);
    }
    assert_eq!(store.probe().await.unwrap_err().disposition, Disposition::Hold);
    // A sweep's user was counted when they were purged.
    purge(&store, &people[0].id, PurgeKind::Sweep).await;
}
