//! `audit` as a program: what it counts, what it writes, and its exit code.

use std::collections::BTreeSet;
use std::path::Path;

use local_stack::users::new_ids;
use local_stack::{KeycloakRows, Stack};
use user_purge_sync::domain::verdict::PurgeKind;

use crate::cassandra::support::{Keyspace, USER_TABLE};
use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, database, order, purge_all, rows_holding, settings, store_with};
use crate::program::{Ended, run, variables};

const FORMER: &str = "former-provider-id";

/// Users in a table of the test's own: in the shared one are those of all tests.
struct Table {
    keyspace: Keyspace,
    variables: Vec<(String, String)>,
}

impl Table {
    async fn of(deleted: &[String], live: &[String]) -> Self {
        let keyspace = Keyspace::with_table("user", USER_TABLE).await;
        for (ids, status) in [(deleted, 2), (live, 1)] {
            let insert = format!("INSERT INTO {}.user (id, status) VALUES (?, {status})", keyspace.name);
            let insert = keyspace.session.prepare(insert).await.unwrap();
            for id in ids {
                keyspace.session.execute_unpaged(&insert, (id,)).await.unwrap();
            }
        }
        let mut variables = variables("audit");
        let own = [("CASSANDRA__KEYSPACE", keyspace.name.as_str()), ("KEYCLOAK__FORMER_PROVIDERS", FORMER)];
        variables.extend(own.map(|(key, value)| (format!("USER_PURGE_SYNC__{key}"), value.to_owned())));
        Self { keyspace, variables }
    }

    fn set(&mut self, key: &str, value: &str) {
        self.variables.push((format!("USER_PURGE_SYNC__{key}"), value.to_owned()));
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        run(&self.variables, arguments).await
    }
}

fn listed(path: &Path) -> BTreeSet<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn has_row(ended: &Ended, cells: &[&str]) -> bool {
    ended.output.lines().any(|line| line.split_whitespace().eq(cells.iter().copied()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_finds_nothing_where_nothing_is_left() {
    // More than two pages, so that the ring is divided.
    let (deleted, live) = (new_ids(3), new_ids(2500));
    let rows = KeycloakRows::connect(Stack::shared()).await.unwrap();
    rows.put_federated(&live[..5]).await.unwrap();
    let table = Table::of(&deleted, &live).await;

    let ended = table.run(&["audit"]).await;

    assert_eq!(ended.code, 0, "{}{}", ended.output, ended.errors);
    assert!(ended.output.contains("looked at    2503 users: 3 deleted, 2500 not, 0 without a row"), "{}", ended.output);
    assert!(ended.output.contains("still known  0 deleted users"), "{}", ended.output);
    table.keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_counts_what_is_left_under_each_id_and_lists_who_can_be_purged() {
    let database = database().await;
    let people: Vec<Person> = (0..7).map(|_| Person::new()).collect();
    let [local, federated, former, session, denied, service, clean] = &people[..] else { unreachable!() };
    local.add_local(&database, REALM).await;
    federated.add_federated(&database, &federated.federated(), REALM).await;
    former.add_federated(&database, &format!("f:{FORMER}:{}", former.id), REALM).await;
    session.add_session(&database, &session.id, REALM).await;
    for protected in [denied, service] {
        protected.add_local(&database, REALM).await;
    }
    let link = format!("UPDATE user_entity SET service_account_client_link = 'c' WHERE id = '{}'", service.id);
    database.batch_execute(&link).await.unwrap();
    let mut before = Vec::new();
    for person in &people {
        before.push(rows_holding(&database, &person.mark).await);
    }
    let ids: Vec<String> = people.iter().map(|person| person.id.clone()).collect();
    let mut table = Table::of(&ids, &[]).await;
    table.set("KEYCLOAK__DENY_LIST", &denied.federated());
    let folder = tempfile::tempdir().unwrap();
    let [left, kept] = ["left.csv", "kept.csv"].map(|name| folder.path().join(name));
    let [left_name, kept_name] = [&left, &kept].map(|path| path.to_str().unwrap());

    let ended = table.run(&["audit", "--output", left_name, "--protected", kept_name]).await;

    assert_eq!(ended.code, 1, "{}{}", ended.output, ended.errors);
    assert!(ended.output.contains("still known  4 deleted users"), "{}", ended.output);
    for cells in [["user_entity", "1", "1"], ["federated_user", "2", "2"], ["offline_user_session", "4", "4"]] {
        assert!(has_row(&ended, &cells), "{cells:?}\n{}", ended.output);
    }
    for protection in ["deny_list", "service_account"] {
        let line = format!("protected    1 deleted users: {protection}, kept until a person decides");
        assert!(ended.output.contains(&line), "{}", ended.output);
    }
    let expected = [local, federated, former, session].map(|person| person.id.clone());
    assert_eq!(listed(&left), expected.iter().cloned().chain(["userId".to_owned()]).collect());
    let expected_kept = [format!("{},deny_list", denied.id), format!("{},service_account", service.id)];
    assert_eq!(listed(&kept), expected_kept.into_iter().chain(["userId,protection".to_owned()]).collect());
    for person in &people {
        for told in [&ended.output, &ended.errors] {
            assert!(!told.contains(&person.id) && !told.contains(&person.mark), "{told}");
        }
    }
    for (person, before) in people.iter().zip(&before) {
        assert_eq!(&rows_holding(&database, &person.mark).await, before, "an audit only reads");
    }

    let plan = table.run(&["submit", "delete-user", "--file", left_name]).await;
    assert!(plan.code == 0 && plan.output.contains("4 users, 0 repeats, 0 blank, 0 invalid"), "{}", plan.output);
    let mut settings = settings();
    settings.former_providers = vec![FORMER.to_owned()];
    purge_all(&store_with(&settings), &expected.map(|id| order(&id, PurgeKind::Full))).await;
    let again = table.run(&["audit", "--file", left_name]).await;
    assert_eq!(again.code, 0, "{}", again.output);
    assert_eq!(table.run(&["audit", &clean.id, "nobody-at-all"]).await.code, 0);
    assert_eq!(table.run(&["audit", &denied.id]).await.code, 1);
    table.keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_that_cannot_look_says_so_and_what_to_mend() {
    let mut table = Table::of(&new_ids(1), &[]).await;
    table.set("KEYCLOAK__REALM", "nowhere");
    let ended = table.run(&["audit"]).await;
    assert_eq!(ended.code, 70, "{}{}", ended.output, ended.errors);
    assert!(ended.output.starts_with("stopped after 0 users: no_realm: keycloak.realm"), "{}", ended.output);
    let ended = table.run(&["audit", "two ids"]).await;
    assert_eq!(ended.code, 64, "{}{}", ended.output, ended.errors);
    table.keyspace.drop().await;
}
