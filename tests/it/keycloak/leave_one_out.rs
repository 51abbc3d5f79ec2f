//! The proof that the purge proves itself: each single step that does nothing is noticed.
//!
//! A step is left out without touching the product: a trigger lets the delete of the person's rows in one table do nothing.

use futures::future::join_all;
use tokio_postgres::Client;
use user_purge_sync::adapters::keycloak::tables::{Family, Handled, OTHERS, TABLES, Table};
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Blame, Disposition, IdentityStore, Purged};
use user_purge_sync::settings::PurgeMode;

use crate::keycloak::copy::Copy;
use crate::keycloak::later::copy_of_all_versions;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{REALM, order, rows_holding_any, store_in};
use crate::keycloak::trail::{ALL, be_administered, invite, live_a_life, policy_of, settings_of};

/// A table, what is left out there, and how that comes to light.
struct Step {
    table: &'static str,
    action: &'static str,
    caught: Caught,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caught {
    /// A foreign key, or the count of what is left in its family, fails the transaction and names the table.
    Failed,
    /// The rows are told as left, and a search for the ids finds them.
    Told,
}

/// Tables without a foreign key to users that others of them point to.
const HELD_BY_A_CHILD: [&str; 2] = ["fed_credential_attribute", "fed_issued_ver_credential"];
/// Rows of the web to which nothing points once all else of it is gone.
const LOOSE: [&str; 2] = ["resource_server_policy", "resource_server_resource"];

fn steps() -> Vec<Step> {
    const ALL: &str = "DELETE OR UPDATE";
    let of_map = |table: &Table| {
        let caught = if table.family == Family::Foreign || HELD_BY_A_CHILD.contains(&table.name) {
            Caught::Failed
        } else {
            Caught::Told
        };
        Step { table: table.name, action: ALL, caught }
    };
    let beyond = OTHERS.iter().filter_map(|other| match other.handled {
        Handled::Web if LOOSE.contains(&other.name) => {
            Some(Step { table: other.name, action: ALL, caught: Caught::Told })
        }
        Handled::Web => Some(Step { table: other.name, action: ALL, caught: Caught::Failed }),
        // Its lists are rewritten, not deleted.
        Handled::Option(_) if other.name == "policy_config" => {
            Some(Step { table: other.name, action: "UPDATE", caught: Caught::Told })
        }
        Handled::Option(_) => Some(Step { table: other.name, action: ALL, caught: Caught::Told }),
        Handled::Told | Handled::Left => None,
    });
    TABLES.iter().map(of_map).chain(beyond).collect()
}

/// With rows everywhere.
struct Somebody {
    person: Person,
    /// What to search for afterwards: the id, keys of sessions, consents and credentials, the address of an invitation.
    texts: Vec<String>,
}

const KEYS: &str = "\
    SELECT user_session_id FROM offline_user_session WHERE user_id IN ($1, $2) \
    UNION SELECT id FROM user_consent WHERE user_id = $1 UNION SELECT id FROM fed_user_consent WHERE user_id = $2 \
    UNION SELECT id FROM credential WHERE user_id = $1 UNION SELECT id FROM fed_user_credential WHERE user_id = $2";

async fn somebody(database: &Client, neighbour: &Person) -> Somebody {
    let person = Person::new();
    person.move_in(database).await;
    live_a_life(&person, database, &person.id, neighbour).await;
    be_administered(&person, database, &person.federated()).await;
    policy_of(neighbour, database, &format!("[\"{}\",\"{}\"]", neighbour.id, person.id)).await;
    let invited = invite(&person, database).await.to_uppercase();
    let keys = database.query(KEYS, &[&person.id, &person.federated()]).await.unwrap();
    let mut texts: Vec<String> = keys.iter().map(|row| row.get(0)).collect();
    assert!(texts.len() > 6, "{}", texts.len());
    texts.extend([person.id.clone(), invited]);
    Somebody { person, texts }
}

/// The delete of this person's rows in one table does nothing from now on.
async fn leave_out(copy: &Copy, Step { table, action, .. }: &Step, Somebody { person, .. }: &Somebody) {
    let trigger = format!(
        "CREATE TRIGGER leave_out_{mark} BEFORE {action} ON {table} FOR EACH ROW \
         WHEN (strpos(lower(OLD::text), '{mark}') > 0 OR strpos(OLD::text, '{id}') > 0) EXECUTE PROCEDURE leave_out()",
        mark = person.mark,
        id = person.id
    );
    copy.change(&trigger).await;
}

#[tokio::test]
async fn each_step_that_is_left_out_comes_to_light() {
    let copy = copy_of_all_versions().await;
    let (database, neighbour) = (&copy.database, Person::new());
    neighbour.add_local(database, REALM).await;
    copy.change("CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'").await;
    let steps = steps();
    let (whole, everybody) =
        tokio::join!(somebody(database, &neighbour), join_all(steps.iter().map(|_| somebody(database, &neighbour))));
    for (step, somebody) in steps.iter().zip(&everybody) {
        leave_out(&copy, step, somebody).await;
    }
    let store = store_in(&settings_of(&copy, ALL), PurgeMode::Delete);
    let purge = async |somebody: &Somebody| store.purge(&[order(&somebody.person.id, PurgeKind::Full)]).await;

    let clean = purge(&whole).await.unwrap().remove(0).unwrap();
    assert!(matches!(clean, Purged::Clean { residue: 0, .. }), "{clean:?}");
    let mut results = Vec::new();
    for somebody in &everybody {
        results.push(purge(somebody).await);
    }

    assert!(found(database, &whole.texts).await.is_empty());
    let mut unseen = Vec::new();
    for ((Step { table, caught, .. }, somebody), result) in steps.iter().zip(&everybody).zip(results) {
        let as_expected = match (&result, caught) {
            (Err(failure), Caught::Failed) => {
                failure.disposition == Disposition::Retry(Blame::Call) && failure.story().contains(table)
            }
            (Ok(results), Caught::Told) => {
                let told = matches!(results[0], Ok(Purged::Clean { residue, .. }) if residue > 0);
                told && found(database, &somebody.texts).await == [*table]
            }
            (Ok(_), Caught::Failed) | (Err(_), Caught::Told) => false,
        };
        if !as_expected {
            unseen.push((table, caught, result));
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// The tables in which any of the texts is left.
async fn found(database: &Client, texts: &[String]) -> Vec<String> {
    rows_holding_any(database, texts).await.into_keys().collect()
}
