//! The canary finds a purged user wherever they are still named, and only there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use local_stack::{Stack, eventually};
use user_purge_sync::adapters::keycloak::{Canary, Patience, PgIdentityStore};
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::canary::{CanaryReport, CanaryWatch};
use user_purge_sync::settings::{KeycloakSettings, PurgeMode, Verify};

use crate::keycloak::copy::Copy;
use crate::keycloak::person::{Person, twin_elsewhere};
use crate::keycloak::stack::{REALM, purge, purge_settings, rows_holding};
use crate::scene::PATIENCE;

/// Remembers what it is told.
#[derive(Default)]
struct Notes {
    reports: Mutex<Vec<CanaryReport>>,
    found: Mutex<Vec<(String, String)>>,
}

impl CanaryWatch for Notes {
    fn searched(&self, report: &CanaryReport) {
        self.reports.lock().unwrap().push(report.clone());
    }

    fn found(&self, table: &str, column: &str) {
        self.found.lock().unwrap().push((table.to_owned(), column.to_owned()));
    }
}

impl Notes {
    async fn report(&self, number: usize) -> CanaryReport {
        let told = eventually("a search", PATIENCE, async || self.reports.lock().unwrap().get(number - 1).cloned());
        told.await.unwrap()
    }

    async fn alarms(&self, count: usize) -> Vec<(String, String)> {
        let enough = || Some(self.found.lock().unwrap().clone()).filter(|found| found.len() >= count);
        let mut found = eventually("alarms", PATIENCE, async || enough()).await.unwrap();
        found.sort();
        found
    }
}

/// Nothing is waited for but what a test waits for itself.
const PROMPT: Patience = Patience { soon: Duration::from_millis(100), sweep: Duration::from_secs(2) };

/// Searches after each purge, as `reader`.
fn watched(copy: &Copy, reader: &KeycloakSettings, notes: &Arc<Notes>) -> PgIdentityStore {
    let mut purge = purge_settings(PurgeMode::Delete);
    (purge.verify, purge.canary_every) = (Verify::Canary, Duration::from_millis(1));
    let canary = Canary::of(reader, &purge, PROMPT, Arc::clone(notes) as Arc<dyn CanaryWatch>);
    PgIdentityStore::new(&copy.settings(), &purge, None).watched_by(canary)
}

/// Who may read everything.
fn superuser(copy: &Copy) -> KeycloakSettings {
    let username = Stack::shared_database().postgres.admin_user.clone();
    KeycloakSettings { username, password: "".into(), ..copy.settings() }
}

/// Somebody with rows in every table.
async fn resident(copy: &Copy) -> Person {
    let person = Person::new();
    person.move_in(&copy.database).await;
    person
}

#[tokio::test]
async fn the_canary_finds_nothing_of_a_user_who_is_gone_and_leaves_alone_whom_it_does_not_seek() {
    let copy = Copy::make().await;
    let (person, neighbour) = (resident(&copy).await, resident(&copy).await);
    // The same id under another component is somebody else.
    twin_elsewhere(&copy.database, &person).await;
    // What the purge keeps, and is documented to.
    let event = [("user_id", person.id.as_str()), ("details_json", &format!("{{\"username\":\"{}\"}}", person.id))];
    person.insert(&copy.database, "event_entity", &event).await;
    let path = format!("users/{}", person.federated());
    person.insert(&copy.database, "admin_event_entity", &[("resource_path", &path)]).await;
    let notes = Arc::new(Notes::default());
    let store = watched(&copy, &superuser(&copy), &notes);

    purge(&store, &person.id, PurgeKind::Full).await;

    let report = notes.report(1).await;
    assert_eq!((report.found, &report.unreadable, &report.unfinished), (0, &vec![], &vec![]));
    assert!(report.columns > 200, "{} columns", report.columns);
    assert!(!rows_holding(&copy.database, &neighbour.mark).await.is_empty());
}

#[tokio::test]
async fn the_canary_finds_ids_where_nobody_knows_to_look() {
    let copy = Copy::make().await;
    copy.change("CREATE TABLE diary (note text, page jsonb, tags varchar(255)[], reference uuid, nobody text)").await;
    let person = resident(&copy).await;
    let key = async |table: &str, column: &str| -> String {
        let sql = format!("SELECT {column} FROM {table} WHERE user_id = $1::text");
        copy.database.query_one(&sql, &[&person.id]).await.unwrap().get(0)
    };
    let (session, consent) = (key("offline_user_session", "user_session_id").await, key("user_consent", "id").await);
    let (id, federated) = (&person.id, person.federated());
    let longer = Person::new();
    copy.change(&format!(
        "INSERT INTO diary (note) VALUES ('saw {federated} today');
         INSERT INTO diary (page) VALUES ('{{\"session\": \"{session}\"}}');
         INSERT INTO diary (tags) VALUES (ARRAY['{consent}', 'x']);
         INSERT INTO diary (reference) VALUES ('{id}');
         INSERT INTO diary (nobody) VALUES ('{}'), ('{session}0'), ('f:elsewhere:{id}')",
        longer.id
    ))
    .await;
    let credential = key("credential", "id").await;
    let value = [("realm_id", REALM), ("name", "told"), ("value", &format!("of {credential}."))];
    person.insert(&copy.database, "realm_attribute", &value).await;
    let notes = Arc::new(Notes::default());

    let store = watched(&copy, &superuser(&copy), &notes);
    purge(&store, id, PurgeKind::Full).await;

    let expected =
        [("diary", "note"), ("diary", "page"), ("diary", "reference"), ("diary", "tags"), ("realm_attribute", "value")];
    let expected = expected.map(|(table, column)| (table.to_owned(), column.to_owned()));
    assert_eq!(notes.alarms(expected.len()).await, expected);
}

/// `facts/keycloak.md` 8.3: such rows are the sweep's.
#[tokio::test]
async fn what_a_login_in_flight_writes_is_an_alarm_only_when_the_sweep_has_left_it() {
    let copy = Copy::make().await;
    copy.change(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
           INSERT INTO fed_user_attribute (id, name, user_id, realm_id)
           VALUES (left(old.id, 35), 'late', old.id, old.realm_id); RETURN old; END $$;
         CREATE TRIGGER late AFTER DELETE ON user_entity FOR EACH ROW EXECUTE PROCEDURE late()",
    )
    .await;
    let notes = Arc::new(Notes::default());
    let store = watched(&copy, &superuser(&copy), &notes);
    let swept = resident(&copy).await;

    purge(&store, &swept.id, PurgeKind::Full).await;
    assert_eq!(notes.report(1).await.found, 1);
    let since = Instant::now();
    let again = async || (since.elapsed() > PROMPT.soon * 4).then_some(());
    eventually("it has looked again", PATIENCE, again).await.unwrap();
    purge(&store, &swept.id, PurgeKind::Sweep).await;
    // The next search begins when this one has come to its end.
    copy.change("DROP TRIGGER late ON user_entity").await;
    let next = async || {
        let person = resident(&copy).await;
        purge(&store, &person.id, PurgeKind::Full).await;
        (notes.reports.lock().unwrap().len() > 1).then_some(())
    };
    eventually("the next search", PATIENCE, next).await.unwrap();
    assert_eq!(notes.alarms(0).await, []);

    copy.change("CREATE TRIGGER late AFTER DELETE ON user_entity FOR EACH ROW EXECUTE PROCEDURE late()").await;
    let unswept = async || {
        let person = resident(&copy).await;
        purge(&store, &person.id, PurgeKind::Full).await;
        (!notes.found.lock().unwrap().is_empty()).then_some(())
    };
    eventually("an alarm", PATIENCE, unswept).await.unwrap();
    let user = ("fed_user_attribute".to_owned(), "user_id".to_owned());
    assert_eq!(notes.alarms(1).await, [user]);
}

#[tokio::test]
async fn the_canary_says_what_it_may_not_read_and_searches_the_rest() {
    let copy = Copy::make().await;
    let person = resident(&copy).await;
    let told = [("realm_id", REALM), ("name", "told"), ("value", person.id.as_str())];
    person.insert(&copy.database, "realm_attribute", &told).await;
    let notes = Arc::new(Notes::default());

    let store = watched(&copy, &copy.settings(), &notes);
    purge(&store, &person.id, PurgeKind::Full).await;

    assert_eq!(notes.alarms(1).await, [("realm_attribute".to_owned(), "value".to_owned())]);
    let report = notes.report(1).await;
    for column in ["user_attribute.value", "credential.secret_data"] {
        assert!(report.unreadable.iter().any(|unreadable| unreadable == column), "{:?}", report.unreadable);
    }
    assert!(report.unfinished.is_empty() && report.columns > 50, "{report:?}");
}
