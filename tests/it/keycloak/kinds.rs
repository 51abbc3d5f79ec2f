//! What a retirement and a sweep take, and what they leave.

use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::Purged;

use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, counts, database, purge, rows, rows_holding, store};

#[tokio::test]
async fn a_retirement_takes_the_plain_ids_rows_and_leaves_the_federated_ones() {
    let database = database().await;
    let local = Person::new();
    local.add_local(&database, REALM).await;
    let federated = Person::with_id(local.id.clone());
    federated.add_federated(&database, &federated.federated(), REALM).await;
    let (before, kept) = (rows_holding(&database, &local.mark).await, rows_holding(&database, &federated.mark).await);

    let gone = rows(purge(&store(), &local.id, PurgeKind::Retire).await);

    assert_eq!(gone.into_iter().collect::<Vec<_>>(), counts(&before).into_iter().collect::<Vec<_>>());
    assert!(rows_holding(&database, &local.mark).await.is_empty());
    assert_eq!(rows_holding(&database, &federated.mark).await, kept);
}

#[tokio::test]
async fn a_user_whose_credentials_have_not_moved_is_not_retired() {
    let (database, store) = (database().await, store());
    let (absent, half, elsewhere) = (Person::new(), Person::new(), Person::new());
    absent.add_local(&database, REALM).await;
    half.move_in(&database).await;
    half.insert(&database, "credential", &[("user_id", &half.id), ("type", "otp")]).await;
    elsewhere.add_local(&database, REALM).await;
    elsewhere.add_federated(&database, &elsewhere.federated_elsewhere(), crate::keycloak::stack::OTHER_REALM).await;
    // Without credentials nothing is missing, but nothing says either that there is a federated user.
    let bare = Person::new();
    bare.add_local(&database, REALM).await;
    database.execute("DELETE FROM credential WHERE user_id = $1::text", &[&bare.id]).await.unwrap();
    for person in [&absent, &half, &elsewhere, &bare] {
        let before = rows_holding(&database, &person.mark).await;
        assert_eq!(purge(&store, &person.id, PurgeKind::Retire).await, Purged::CredentialsNotMoved);
        assert_eq!(rows_holding(&database, &person.mark).await, before);
    }
}

#[tokio::test]
async fn a_sweep_takes_only_rows_of_tables_without_foreign_keys() {
    let (database, person) = (database().await, Person::new());
    person.add_local(&database, REALM).await;
    let before = rows_holding(&database, &person.mark).await;
    let late = Person::with_id(person.id.clone());
    late.add_session(&database, &person.id, REALM).await;
    late.add_federated(&database, &person.federated(), REALM).await;

    let gone = rows(purge(&store(), &person.id, PurgeKind::Sweep).await);

    assert!(gone["fed_user_attribute"] == 1 && gone["offline_user_session"] == 3, "{gone:?}");
    assert!(!gone.contains_key("user_entity") && !gone.contains_key("credential"), "{gone:?}");
    assert!(rows_holding(&database, &late.mark).await.is_empty());
    let after = rows_holding(&database, &person.mark).await;
    for table in ["user_entity", "credential", "user_consent", "user_consent_client_scope", "user_attribute"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    assert!(!after.contains_key("offline_user_session"));
}
