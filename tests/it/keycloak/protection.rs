//! Who is kept, whole, under both ids.

use tokio_postgres::Client;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Protection, Purged};

use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, database, dry_store, purge, rows_holding, settings, store, store_with};

/// Whatever the kind of purge, and in a dry run, the person is kept with every row.
async fn is_kept(database: &Client, person: &Person, protection: Protection) {
    let before = rows_holding(database, &person.mark).await;
    for kind in [PurgeKind::Full, PurgeKind::Retire, PurgeKind::Sweep] {
        for store in [store(), dry_store()] {
            assert_eq!(purge(&store, &person.id, kind).await, Purged::Protected(protection), "{kind:?}");
        }
    }
    assert_eq!(rows_holding(database, &person.mark).await, before);
}

async fn resident(database: &Client) -> Person {
    let person = Person::new();
    person.move_in(database).await;
    person
}

async fn admin_role(database: &Client) -> String {
    role_of(database, "realm-management", "view-users").await
}

async fn role_of(database: &Client, client: &str, name: &str) -> String {
    role_in(database, REALM, client, name).await
}

async fn role_in(database: &Client, realm: &str, client: &str, name: &str) -> String {
    const SQL: &str = "\
        SELECT r.id FROM keycloak_role r JOIN client c ON c.id = r.client \
        WHERE c.client_id = $1::text AND c.realm_id = $2::text AND r.name = $3::text";
    database.query_one(SQL, &[&client, &realm, &name]).await.unwrap().get(0)
}

/// A role that holds another.
async fn composite_of(database: &Client, person: &Person, child: &str) -> String {
    let role = person.key();
    let given = [("id", role.as_str()), ("name", &person.key()), ("realm_id", REALM), ("client_role", "false")];
    person.insert(database, "keycloak_role", &given).await;
    person.insert(database, "composite_role", &[("composite", &role), ("child_role", child)]).await;
    role
}

async fn group(database: &Client, person: &Person, parent: &str) -> String {
    let group = person.key();
    let given = [("id", group.as_str()), ("name", &person.key()), ("realm_id", REALM), ("parent_group", parent)];
    person.insert(database, "keycloak_group", &given).await;
    group
}

#[tokio::test]
async fn an_administrator_is_kept() {
    let database = database().await;
    let (local, federated) = (resident(&database).await, resident(&database).await);
    let role = admin_role(&database).await;
    local.insert(&database, "user_role_mapping", &[("user_id", &local.id), ("role_id", &role)]).await;
    let given = [("user_id", federated.federated()), ("role_id", role), ("realm_id", REALM.to_owned())];
    federated.insert(&database, "fed_user_role_mapping", &given.each_ref().map(|(k, v)| (*k, v.as_str()))).await;
    is_kept(&database, &local, Protection::Admin).await;
    is_kept(&database, &federated, Protection::Admin).await;
}

/// Such roles administer the realm from outside it.
#[tokio::test]
async fn an_administrator_by_a_role_of_the_master_realm_is_kept() {
    let database = database().await;
    let master: String = database.query_one("SELECT id FROM realm WHERE name = 'master'", &[]).await.unwrap().get(0);
    let mut roles = vec![role_in(&database, &master, "sunbird-realm", "view-users").await];
    for name in ["admin", "create-realm"] {
        let sql = "SELECT id FROM keycloak_role WHERE realm_id = $1::text AND name = $2::text AND NOT client_role";
        roles.push(database.query_one(sql, &[&master, &name]).await.unwrap().get(0));
    }
    for role in roles {
        let person = resident(&database).await;
        person.insert(&database, "user_role_mapping", &[("user_id", &person.id), ("role_id", &role)]).await;
        is_kept(&database, &person, Protection::Admin).await;
    }
}

/// Of Keycloak 26, which tells them by an attribute.
#[tokio::test]
async fn a_temporary_administrator_is_kept() {
    let database = database().await;
    let (local, federated) = (resident(&database).await, resident(&database).await);
    let mark = [("name", "is_temporary_admin"), ("value", "true")];
    local.insert(&database, "user_attribute", &[mark[0], mark[1], ("user_id", &local.id)]).await;
    let id = federated.federated();
    let given = [mark[0], mark[1], ("user_id", id.as_str()), ("realm_id", REALM)];
    federated.insert(&database, "fed_user_attribute", &given).await;
    is_kept(&database, &local, Protection::Admin).await;
    is_kept(&database, &federated, Protection::Admin).await;
}

/// Keycloak's own administrators live there.
#[tokio::test]
async fn a_user_of_the_master_realm_is_nobody_of_ours() {
    let (database, person) = (database().await, Person::new());
    let master: String = database.query_one("SELECT id FROM realm WHERE name = 'master'", &[]).await.unwrap().get(0);
    person.add_local(&database, &master).await;
    let before = rows_holding(&database, &person.mark).await;
    for kind in [PurgeKind::Full, PurgeKind::Retire, PurgeKind::Sweep] {
        purge(&store(), &person.id, kind).await;
    }
    assert_eq!(rows_holding(&database, &person.mark).await, before);
}

/// Not a former provider: whoever it is, the configuration does not name them.
#[tokio::test]
async fn the_same_external_id_under_another_component_of_the_realm_is_kept() {
    let (database, person) = (database().await, resident(&database().await).await);
    let twin = Person::with_id(person.id.clone());
    twin.add_federated(&database, &format!("f:another-component:{}", person.id), REALM).await;
    let before = rows_holding(&database, &twin.mark).await;
    for kind in [PurgeKind::Full, PurgeKind::Sweep] {
        purge(&store(), &person.id, kind).await;
    }
    assert!(rows_holding(&database, &person.mark).await.is_empty());
    assert_eq!(rows_holding(&database, &twin.mark).await, before);
}

#[tokio::test]
async fn an_administrator_by_a_composite_role_is_kept() {
    let database = database().await;
    let person = resident(&database).await;
    let inner = composite_of(&database, &person, &admin_role(&database).await).await;
    let outer = composite_of(&database, &person, &inner).await;
    person.insert(&database, "user_role_mapping", &[("user_id", &person.id), ("role_id", &outer)]).await;
    is_kept(&database, &person, Protection::Admin).await;
}

#[tokio::test]
async fn an_administrator_by_a_group_or_the_group_above_is_kept() {
    let database = database().await;
    let (member, below) = (resident(&database).await, resident(&database).await);
    let admins = group(&database, &member, " ").await;
    let role = composite_of(&database, &member, &admin_role(&database).await).await;
    member.insert(&database, "group_role_mapping", &[("group_id", &admins), ("role_id", &role)]).await;
    member.insert(&database, "user_group_membership", &[("user_id", &member.id), ("group_id", &admins)]).await;
    is_kept(&database, &member, Protection::Admin).await;

    let subgroup = group(&database, &below, &admins).await;
    let (federated, realm) = (below.federated(), ("realm_id", REALM));
    let given = [("user_id", federated.as_str()), ("group_id", subgroup.as_str()), realm];
    below.insert(&database, "fed_user_group_membership", &given).await;
    is_kept(&database, &below, Protection::Admin).await;
}

#[tokio::test]
async fn a_member_of_a_plain_group_with_a_plain_role_is_purged() {
    let database = database().await;
    let person = resident(&database).await;
    let club = group(&database, &person, " ").await;
    let role = composite_of(&database, &person, &role_of(&database, "account", "view-profile").await).await;
    person.insert(&database, "group_role_mapping", &[("group_id", &club), ("role_id", &role)]).await;
    person.insert(&database, "user_role_mapping", &[("user_id", &person.id), ("role_id", &role)]).await;
    person.insert(&database, "user_group_membership", &[("user_id", &person.id), ("group_id", &club)]).await;
    let purged = purge(&store(), &person.id, PurgeKind::Full).await;
    assert!(matches!(purged, Purged::Clean { .. }), "{purged:?}");
}

#[tokio::test]
async fn a_service_account_is_kept() {
    let database = database().await;
    let (linked, named) = (resident(&database).await, resident(&database).await);
    let link = format!("UPDATE user_entity SET service_account_client_link = 'client' WHERE id = '{}'", linked.id);
    let name = format!("UPDATE user_entity SET username = 'service-account-{0}' WHERE id = '{0}'", named.id);
    database.batch_execute(&format!("{link}; {name}")).await.unwrap();
    is_kept(&database, &linked, Protection::ServiceAccount).await;
    is_kept(&database, &named, Protection::ServiceAccount).await;
}

#[tokio::test]
async fn a_user_linked_to_a_federation_is_kept() {
    let database = database().await;
    let person = resident(&database).await;
    let link = format!("UPDATE user_entity SET federation_link = 'ldap' WHERE id = '{}'", person.id);
    database.batch_execute(&link).await.unwrap();
    is_kept(&database, &person, Protection::Linked).await;
}

#[tokio::test]
async fn a_user_on_the_deny_list_is_kept() {
    let database = database().await;
    let (plain, federated) = (resident(&database).await, resident(&database).await);
    let mut settings = settings();
    settings.deny_list = vec![plain.id.clone(), federated.federated()];
    let store = store_with(&settings);
    for person in [&plain, &federated] {
        let before = rows_holding(&database, &person.mark).await;
        assert_eq!(purge(&store, &person.id, PurgeKind::Full).await, Purged::Protected(Protection::DenyList));
        assert_eq!(rows_holding(&database, &person.mark).await, before);
    }
}
