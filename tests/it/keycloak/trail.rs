//! What a person leaves in logs, in other people's policies and in invitations: off by default, gone where it is asked for.

use serde_json::json;
use tokio_postgres::Client;
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::Purged;
use user_purge_sync::settings::{EventPolicy, PurgeMode, TrailSettings};
use uuid::Uuid;

use crate::keycloak::copy::Copy;
use crate::keycloak::later::copy_of_all_versions;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{OTHER_REALM, REALM, purge, rows, rows_holding, store_in};

pub const ALL: TrailSettings =
    TrailSettings { events: EventPolicy::Delete, admin_events: EventPolicy::Delete, policies: true, invitations: true };

pub fn settings_of(copy: &Copy, trail: TrailSettings) -> user_purge_sync::settings::KeycloakSettings {
    user_purge_sync::settings::KeycloakSettings { trail, ..copy.settings() }
}

async fn purged(copy: &Copy, trail: TrailSettings, mode: PurgeMode, person: &Person) -> RowCounts {
    rows(purge(&store_in(&settings_of(copy, trail), mode), &person.id, PurgeKind::Full).await)
}

fn logs(events: EventPolicy) -> TrailSettings {
    TrailSettings { events, admin_events: events, ..TrailSettings::OFF }
}

/// Somebody whose id is as odd as it gets, but for its last part, which any search finds whatever the way it is written.
fn odd(odd: &str) -> (Person, String) {
    let tail = Uuid::new_v4().simple().to_string()[..16].to_owned();
    (Person::with_id(format!("{odd}{tail}")), tail)
}

/// A row of a log. Its key tells of nobody.
async fn log(person: &Person, database: &Client, table: &str, columns: &[(&str, &str)]) {
    let id = Uuid::new_v4().to_string();
    let mut row = vec![("id", id.as_str()), ("realm_id", REALM)];
    row.extend_from_slice(columns);
    person.insert(database, table, &row).await;
}

/// Events of the person's own, of nobody, and one of somebody else who tried to log in first in the same window.
pub async fn live_a_life(person: &Person, database: &Client, id: &str, somebody_else: &Person) -> u64 {
    let (session, name) = (person.key(), format!("{}@example.org", person.mark));
    let of_session =
        [("user_session_id", session.as_str()), ("user_id", id), ("realm_id", REALM), ("offline_flag", "0")];
    person.insert(database, "offline_user_session", &of_session).await;
    let details = json!({"auth_method": "openid-connect", "code_id": session, "username": name}).to_string();
    let naming = json!({"about": id, "username": name}).to_string();
    let login = [("type", "LOGIN"), ("ip_address", name.as_str()), ("details_json", &details)];
    let [kind, address, details] = login;
    log(person, database, "event_entity", &[kind, address, details, ("user_id", id), ("session_id", &session)]).await;
    // A session that the database no longer holds, and an error in it that names nobody.
    let older = person.key();
    log(person, database, "event_entity", &[kind, ("user_id", id), ("session_id", &older), ("details_json", "{}")])
        .await;
    log(person, database, "event_entity", &[("type", "REFRESH_TOKEN_ERROR"), address, ("session_id", &older)]).await;
    log(person, database, "event_entity", &[("type", "LOGIN_ERROR"), address, details]).await;
    let long = [("type", "LOGIN_ERROR"), address, ("details_json", &naming), ("details_json_long_value", &naming)];
    log(person, database, "event_entity", &long).await;
    let stranger = [("type", "LOGIN_ERROR"), ("ip_address", "10.0.0.1"), ("user_id", &somebody_else.id), details];
    log(person, database, "event_entity", &stranger).await;
    6
}

/// What administrators did to the person, in every place that may name one, and what the person did.
pub async fn be_administered(person: &Person, database: &Client, id: &str) -> u64 {
    let name = json!({"id": id, "email": format!("{}@example.org", person.mark)}).to_string();
    let users = json!({"name": person.mark, "users": ["somebody", id]}).to_string();
    let nested = json!({"name": person.mark, "config": {"users": json!(["somebody", id]).to_string()}}).to_string();
    let events = [
        (format!("users/{id}"), name.as_str()),
        (format!("users/{id}/role-mappings/realm"), "[]"),
        (format!("organizations/{}/members/{id}", Uuid::new_v4()), "null"),
        ("clients/c/authz/resource-server/policy/user/p".to_owned(), users.as_str()),
        ("clients/c/authz/resource-server/policy/p".to_owned(), nested.as_str()),
        ("authz/protection/resource_set/r".to_owned(), name.as_str()),
    ];
    let admin = [("auth_user_id", "an-administrator-of-the-realm"), ("operation_type", "UPDATE")];
    for (path, representation) in &events {
        let what = [("resource_path", path.as_str()), ("representation", *representation)];
        log(person, database, "admin_event_entity", &[admin[0], admin[1], what[0], what[1]]).await;
    }
    let as_admin = [("auth_user_id", id), admin[1], ("resource_path", "clients/c"), ("ip_address", &person.mark)];
    log(person, database, "admin_event_entity", &as_admin).await;
    let more = [admin[0], admin[1], ("resource_path", "workflows/w"), ("details_json", &name)];
    log(person, database, "admin_event_entity", &more).await;
    events.len() as u64 + 2
}

/// Everything in the logs that says nothing of a person.
async fn bones(copy: &Copy) -> Vec<String> {
    const SQL: &str = "\
        SELECT concat_ws('|', id, type, event_time, realm_id, client_id) FROM event_entity \
        UNION ALL SELECT concat_ws('|', id, operation_type, admin_event_time, realm_id) FROM admin_event_entity ORDER BY 1";
    copy.database.query(SQL, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

const STRANGERS: &str = "SELECT count(*) FROM event_entity WHERE user_id = $1 AND ip_address = '10.0.0.1'";

#[tokio::test]
async fn events_are_kept_unless_they_are_to_go_and_then_all_that_name_the_person_do() {
    let copy = copy_of_all_versions().await;
    let database = &copy.database;
    let neighbour = Person::new();
    neighbour.add_local(database, REALM).await;
    live_a_life(&neighbour, database, &neighbour.id, &neighbour).await;
    be_administered(&neighbour, database, &neighbour.id).await;
    let others = rows_holding(database, &neighbour.mark).await;
    for (policy, oddity) in [
        (EventPolicy::Delete, ""),
        (EventPolicy::Delete, "o'br\"en\\%_:/"),
        (EventPolicy::Anonymise, ""),
        (EventPolicy::Anonymise, "ü☃\"\\"),
    ] {
        let (person, tail) = odd(oddity);
        let mut written = [0, 0];
        for id in [person.id.clone(), person.federated()] {
            written[0] += live_a_life(&person, database, &id, &neighbour).await;
            written[1] += be_administered(&person, database, &id).await;
        }
        let before =
            (rows_holding(database, &tail).await, rows_holding(database, &person.mark).await, bones(&copy).await);

        let kept = purged(&copy, TrailSettings::OFF, PurgeMode::DryRun, &person).await;
        assert_eq!(kept.keys().collect::<Vec<_>>(), [&"offline_user_session"]);
        let counted = purged(&copy, logs(policy), PurgeMode::DryRun, &person).await;
        assert_eq!((counted["event_entity"], counted["admin_event_entity"]), (written[0], written[1]), "{oddity}");
        let unchanged =
            (rows_holding(database, &tail).await, rows_holding(database, &person.mark).await, bones(&copy).await);
        assert_eq!(unchanged, before);

        assert_eq!(purged(&copy, logs(policy), PurgeMode::Delete, &person).await, counted, "{oddity}");
        for mark in [&tail, &person.mark] {
            assert_eq!(
                rows_holding(database, mark).await.keys().collect::<Vec<_>>(),
                Vec::<&String>::new(),
                "{oddity}"
            );
        }
        if policy == EventPolicy::Anonymise {
            assert_eq!(bones(&copy).await, before.2);
        }
        assert_eq!(purged(&copy, logs(policy), PurgeMode::Delete, &person).await, RowCounts::new());
    }
    assert_eq!(rows_holding(database, &neighbour.mark).await, others);
    let strangers = database.query_one(STRANGERS, &[&neighbour.id]).await.unwrap().get::<_, i64>(0);
    assert_eq!(strangers, 9, "an event of somebody else keeps whose it is");
}

#[tokio::test]
async fn an_id_that_is_a_word_of_the_language_takes_nobody_elses_log() {
    let copy = copy_of_all_versions().await;
    let (database, word) = (&copy.database, Person::with_id("clients".to_owned()));
    be_administered(&Person::new(), database, "somebody-else-altogether").await;
    log(&word, database, "admin_event_entity", &[("resource_path", "users/clients")]).await;
    log(&word, database, "event_entity", &[("user_id", "clients")]).await;
    let gone = purged(&copy, ALL, PurgeMode::Delete, &word).await;
    assert_eq!(gone, RowCounts::from([("admin_event_entity", 1), ("event_entity", 1)]));
}

/// Of somebody else's policy, which names whom it names.
pub async fn policy_of(owner: &Person, database: &Client, list: &str) -> String {
    let (policy, server) = (owner.key(), ("resource_server_id", "it-resource-server"));
    owner.share(database, "resource_server", &[("id", server.1)]).await;
    owner.insert(database, "resource_server_policy", &[("id", &policy), ("type", "user"), server]).await;
    owner.insert(database, "policy_config", &[("policy_id", &policy), ("name", "users"), ("value", list)]).await;
    policy
}

async fn list_of(database: &Client, policy: &str) -> String {
    const LIST: &str = "SELECT value FROM policy_config WHERE policy_id = $1 AND name = 'users'";
    database.query_one(LIST, &[&policy]).await.unwrap().get(0)
}

#[tokio::test]
async fn ids_in_other_peoples_policies_go_where_that_is_switched_on_and_the_others_keep_their_order() {
    let copy = copy_of_all_versions().await;
    let (database, owner) = (&copy.database, Person::new());
    let policies = TrailSettings { policies: true, ..TrailSettings::OFF };
    for oddity in ["", "o'br\"en\\:/%_"] {
        let (person, _) = odd(oddity);
        let (plain, federated) = (person.id.clone(), person.federated());
        let shared = policy_of(&owner, database, &json!(["z", plain, "a", federated, "m"]).to_string()).await;
        let alone = policy_of(&owner, database, &json!([plain]).to_string()).await;
        let broken = policy_of(&owner, database, &json!([plain, 7]).to_string()).await;
        let untouched = policy_of(&owner, database, "[ \"z\",  \"a\" ]").await;
        let lists = async || {
            let mut lists = Vec::new();
            for policy in [&shared, &alone, &broken, &untouched] {
                lists.push(list_of(database, policy).await);
            }
            lists
        };
        let before = lists().await;

        assert_eq!(purged(&copy, TrailSettings::OFF, PurgeMode::Delete, &person).await, RowCounts::new());
        let store = store_in(&settings_of(&copy, policies), PurgeMode::DryRun);
        let counted = Purged::Clean { rows: RowCounts::from([("policy_config", 3)]), residue: 1 };
        assert_eq!(purge(&store, &person.id, PurgeKind::Full).await, counted);
        assert_eq!(lists().await, before);

        let store = store_in(&settings_of(&copy, policies), PurgeMode::Delete);
        assert_eq!(purge(&store, &person.id, PurgeKind::Full).await, counted);
        assert_eq!(lists().await, [r#"["z","a","m"]"#, "[]", before[2].as_str(), before[3].as_str()]);
    }
}

/// An address, and an invitation to it; in the other realm too, and one to somebody else.
pub async fn invite(person: &Person, database: &Client) -> String {
    let (address, other) = (format!("{}@example.org", person.mark), Person::new());
    database.execute("UPDATE user_entity SET email = $1 WHERE id = $2", &[&address, &person.id]).await.unwrap();
    for (realm, email) in
        [(REALM, address.to_uppercase()), (OTHER_REALM, address.clone()), (REALM, "else@example.org".to_owned())]
    {
        let organization = other.key();
        other.insert(database, "org", &[("id", &organization), ("realm_id", realm)]).await;
        let invitation = [("id", &other.key()), ("email", &email), ("organization_id", &organization)];
        let invitation = invitation.map(|(column, value)| (column, value.as_str()));
        other.insert(database, "org_invitation", &invitation).await;
    }
    address
}

#[tokio::test]
async fn invitations_go_by_the_address_of_a_local_user_within_the_realm() {
    let copy = copy_of_all_versions().await;
    let (database, person) = (&copy.database, Person::new());
    person.add_local(database, REALM).await;
    let address = invite(&person, database).await;
    let left = async || {
        let rows = database.query("SELECT email FROM org_invitation ORDER BY 1", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let invitations = TrailSettings { invitations: true, ..TrailSettings::OFF };

    assert!(!purged(&copy, TrailSettings::OFF, PurgeMode::DryRun, &person).await.contains_key("org_invitation"));
    let counted = purged(&copy, invitations, PurgeMode::DryRun, &person).await;
    assert_eq!((counted["org_invitation"], left().await.len()), (1, 3));
    assert_eq!(purged(&copy, invitations, PurgeMode::Delete, &person).await, counted);
    let mut kept = vec![address, "else@example.org".to_owned()];
    kept.sort();
    assert_eq!(left().await, kept);
}
