//! The authorization services: what goes with a user, and what of others stays.

use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::copy::Copy;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, counts, database, dry_store, purge, rows, rows_holding, store, store_in};

const SERVER: (&str, &str) = ("resource_server_id", "it-resource-server");

const RESOURCE: &str = "SELECT id FROM resource_server_resource WHERE owner = $1";

#[tokio::test]
async fn a_ticket_takes_its_own_policies_with_it_and_leaves_what_it_was_about() {
    let (database, guest, owner) = (database().await, Person::new(), Person::new());
    owner.add_local(&database, REALM).await;
    let before = rows_holding(&database, &owner.mark).await;
    let resource: String = database.query_one(RESOURCE, &[&owner.id]).await.unwrap().get(0);
    let (uma, people) = (guest.key(), guest.key());
    for policy in [&uma, &people] {
        guest.insert(&database, "resource_server_policy", &[("id", policy), ("owner", &owner.id), SERVER]).await;
    }
    guest.insert(&database, "associated_policy", &[("policy_id", &uma), ("associated_policy_id", &people)]).await;
    guest.insert(&database, "policy_config", &[("policy_id", &people), ("name", "users")]).await;
    guest.insert(&database, "resource_policy", &[("policy_id", &uma), ("resource_id", &resource)]).await;
    let users = [("owner", owner.id.as_str()), ("requester", &guest.id), ("resource_id", &resource)];
    let ticket = [users[0], users[1], users[2], ("policy_id", &uma), SERVER];
    guest.insert(&database, "resource_server_perm_ticket", &ticket).await;
    let of_guest = rows_holding(&database, &guest.mark).await;

    let counted = rows(purge(&dry_store(), &guest.id, PurgeKind::Full).await);
    assert_eq!(rows(purge(&store(), &guest.id, PurgeKind::Full).await), counted);

    assert_eq!(counted.into_iter().collect::<Vec<_>>(), counts(&of_guest).into_iter().collect::<Vec<_>>());
    assert!(rows_holding(&database, &guest.mark).await.is_empty());
    assert_eq!(rows_holding(&database, &owner.mark).await, before);
}

const KEPT: &str = "\
    SELECT p.policy_id, x.resource_id FROM resource_server_perm_ticket p, resource_policy x WHERE p.id = 'kept'";

/// Fine-grained admin permissions name a resource like the user whom it is about.
#[tokio::test]
async fn a_permission_goes_with_the_last_user_it_is_about_and_not_before() {
    let (copy, person, neighbour) = (Copy::make().await, Person::new(), Person::new());
    let database = &copy.database;
    neighbour.share(database, "resource_server", &[("id", SERVER.1)]).await;
    let attribute = [("realm_id", REALM), ("name", "adminPermissionsClientId"), ("value", SERVER.1)];
    neighbour.insert(database, "realm_attribute", &attribute).await;
    let (about, about_other) = (person.key(), neighbour.key());
    for (resource, user) in [(&about, &person.id), (&about_other, &neighbour.id)] {
        let resource = [("id", resource.as_str()), ("name", user), ("owner", SERVER.1), SERVER];
        person.insert(database, "resource_server_resource", &resource).await;
    }
    let (only, both) = (person.key(), neighbour.key());
    for (policy, resource) in [(&only, &about), (&both, &about), (&both, &about_other)] {
        let known = "SELECT FROM resource_server_policy WHERE id = $1";
        if database.query_opt(known, &[policy]).await.unwrap().is_none() {
            neighbour.insert(database, "resource_server_policy", &[("id", policy), SERVER]).await;
        }
        neighbour.insert(database, "resource_policy", &[("policy_id", policy), ("resource_id", resource)]).await;
    }
    let ticket =
        [("id", "kept"), ("owner", &neighbour.id), ("resource_id", &about_other), ("policy_id", &only), SERVER];
    neighbour.insert(database, "resource_server_perm_ticket", &ticket).await;

    let dry = store_in(&copy.settings(), PurgeMode::DryRun);
    let counted = rows(purge(&dry, &person.id, PurgeKind::Full).await);
    assert_eq!(rows(purge(&copy.store(), &person.id, PurgeKind::Full).await), counted);

    let gone = [("resource_policy", 2), ("resource_server_policy", 1), ("resource_server_resource", 1)];
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), gone);
    for left in [&person.id, &about, &only] {
        assert!(rows_holding(database, left).await.is_empty());
    }
    let kept = database.query_one(KEPT, &[]).await.unwrap();
    assert_eq!((kept.get::<_, Option<String>>(0), kept.get::<_, String>(1)), (None, about_other));
}
