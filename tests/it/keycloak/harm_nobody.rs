//! Everybody else keeps every row.

use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Blame, Disposition, IdentityStore};
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::later::copy_of_all_versions;
use crate::keycloak::person::{Person, twin_elsewhere};
use crate::keycloak::stack::{OTHER_REALM, database, order, purge, rows, rows_holding, rows_without, store, store_in};
use crate::keycloak::trail::{ALL, be_administered, invite, live_a_life, policy_of, settings_of};

#[tokio::test]
async fn everyone_elses_rows_are_what_they_were() {
    let database = database().await;
    let (person, neighbour) = (Person::new(), Person::new());
    person.move_in(&database).await;
    neighbour.move_in(&database).await;
    // An id that begins like the purged one.
    let longer = Person::with_id(format!("{}x", person.id.get(..30).unwrap()));
    longer.move_in(&database).await;
    let twin = twin_elsewhere(&database, &person).await;
    // Rows of the very same federated id, but of another realm.
    let stray = Person::with_id(person.id.clone());
    stray.add_federated_without_handle(&database, &person.federated(), OTHER_REALM).await;
    stray.add_session(&database, &person.federated(), OTHER_REALM).await;

    let mut before = Vec::new();
    for kept in [&neighbour, &longer, &twin, &stray] {
        before.push(rows_holding(&database, &kept.mark).await);
        assert!(before.last().is_some_and(|rows| rows.len() > 5));
    }
    for kind in [PurgeKind::Full, PurgeKind::Sweep] {
        purge(&store(), &person.id, kind).await;
    }
    for (kept, before) in [&neighbour, &longer, &twin, &stray].into_iter().zip(before) {
        assert_eq!(rows_holding(&database, &kept.mark).await, before);
    }
}

/// Every table, every row that does not tell of the person: with all options on, on a schema of all versions at once.
#[tokio::test]
async fn every_row_that_does_not_tell_of_the_person_is_what_it_was() {
    let copy = copy_of_all_versions().await;
    let (database, person, neighbour) = (&copy.database, Person::new(), Person::new());
    for somebody in [&neighbour, &person] {
        somebody.move_in(database).await;
        for id in [somebody.id.clone(), somebody.federated()] {
            live_a_life(somebody, database, &id, &neighbour).await;
            be_administered(somebody, database, &id).await;
        }
        invite(somebody, database).await;
        policy_of(&neighbour, database, &format!(r#"["{}","{}"]"#, neighbour.id, somebody.id)).await;
    }
    let marks = [person.mark.as_str(), &person.mark.to_uppercase(), &person.id];
    let before = rows_without(database, &marks).await;
    assert!(before.len() > 50, "{}", before.len());
    let store = store_in(&settings_of(&copy, ALL), PurgeMode::Delete);
    // What tells of both holds nothing of the person afterwards: an event of somebody else, a policy.
    let of_both = ["event_entity", "policy_config"];
    for kind in [PurgeKind::Full, PurgeKind::Sweep] {
        purge(&store, &person.id, kind).await;
        let mut after = rows_without(database, &marks).await;
        for table in of_both {
            assert!(after[table].0 > before[table].0, "{table}");
            after.insert(table.to_owned(), before[table].clone());
        }
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn a_local_user_of_another_realm_is_kept() {
    let (database, person) = (database().await, Person::new());
    let foreigner = Person::with_id(person.id.clone());
    foreigner.add_local(&database, OTHER_REALM).await;
    person.add_federated(&database, &person.federated(), crate::keycloak::stack::REALM).await;
    let before = rows_holding(&database, &foreigner.mark).await;

    for kind in [PurgeKind::Full, PurgeKind::Sweep, PurgeKind::Retire] {
        purge(&store(), &person.id, kind).await;
    }
    assert_eq!(rows_holding(&database, &foreigner.mark).await, before);
    assert!(rows_holding(&database, &person.mark).await.is_empty());
}

#[tokio::test]
async fn a_shared_resource_stays_when_the_one_it_was_shared_with_goes() {
    let (database, guest, owner) = (database().await, Person::new(), Person::new());
    owner.add_local(&database, crate::keycloak::stack::REALM).await;
    let before = rows_holding(&database, &owner.mark).await;
    let resource: String = database
        .query_one("SELECT id FROM resource_server_resource WHERE owner = $1::text", &[&owner.id])
        .await
        .unwrap()
        .get(0);
    let ticket = [
        ("owner", owner.id.as_str()),
        ("requester", guest.id.as_str()),
        ("resource_id", resource.as_str()),
        ("resource_server_id", "it-resource-server"),
    ];
    guest.insert(&database, "resource_server_perm_ticket", &ticket).await;

    let gone = rows(purge(&store(), &guest.id, PurgeKind::Full).await);

    assert_eq!(gone.into_iter().collect::<Vec<_>>(), [("resource_server_perm_ticket", 1)]);
    assert_eq!(rows_holding(&database, &owner.mark).await, before);
}

/// `purge_is_all_or_nothing`.
#[tokio::test]
async fn a_user_whom_keycloak_is_writing_to_is_tried_again_and_nothing_is_half_done() {
    let (mut database, person) = (database().await, Person::new());
    person.move_in(&database).await;
    let before = rows_holding(&database, &person.mark).await;
    let store = store();
    let busy = database.transaction().await.unwrap();
    busy.execute("SELECT FROM user_entity WHERE id = $1::text FOR UPDATE", &[&person.id]).await.unwrap();

    let failure = store.purge(&[order(&person.id, PurgeKind::Full)]).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Retry(Blame::Call));
    assert_eq!(failure.reason.to_string(), "sqlstate_55p03");
    busy.rollback().await.unwrap();

    assert_eq!(rows_holding(&database, &person.mark).await, before);
    assert!(!rows(purge(&store, &person.id, PurgeKind::Full).await).is_empty());
    assert!(rows_holding(&database, &person.mark).await.is_empty());
}

#[tokio::test]
async fn two_workers_may_purge_the_same_users() {
    let database = database().await;
    let people: Vec<_> = (0..20).map(|_| Person::new()).collect();
    for person in &people {
        person.move_in(&database).await;
    }
    let orders: Vec<_> = people.iter().map(|person| order(&person.id, PurgeKind::Full)).collect();
    let reversed: Vec<_> = orders.iter().rev().cloned().collect();
    let (one, other) = (store(), store());
    let (one, other) = tokio::join!(one.purge(&orders), other.purge(&reversed));
    assert!(one.is_ok() && other.is_ok(), "{:?} {:?}", one.err(), other.err());
    for person in &people {
        assert!(rows_holding(&database, &person.mark).await.is_empty());
    }
}
