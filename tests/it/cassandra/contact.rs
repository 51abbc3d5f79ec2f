//! First contact: what is not as configured is told, with its key and what is there instead.

use user_purge_sync::domain::ids::ObjectType;
use user_purge_sync::domain::verdict::UserRow;
use user_purge_sync::ports::Disposition::{Hold, Reject};
use user_purge_sync::ports::UserDirectory;
use user_purge_sync::settings::CassandraSettings;

use crate::cassandra::support::{ALL_TOKENS, Keyspace, USER_TABLE, directory, settings, tables, told, user_id};

async fn hold(settings: &CassandraSettings) -> String {
    let directory = directory(settings);
    let failure = directory.probe().await.expect_err("a person must mend this");
    assert_eq!(failure.disposition, Hold, "{failure:?}");
    // Lookups do not get past the checks either.
    let lookup = directory.lookup(&ObjectType::user(), &[user_id("a")]).await.unwrap_err();
    assert_eq!(lookup.disposition, Hold);
    assert_eq!(lookup.reason, failure.reason);
    told(&failure)
}

#[tokio::test]
async fn a_wrong_keyspace_table_or_datacenter_is_told_with_its_key_and_what_is_there() {
    let keyspace = hold(&CassandraSettings { keyspace: "sunbrid".into(), ..settings() }).await;
    assert!(keyspace.starts_with("no_keyspace: cassandra.keyspace: no \"sunbrid\" here; found: "), "{keyspace}");
    assert!(keyspace.contains("sunbird") && !keyspace.contains("system_auth"), "{keyspace}");
    let table = hold(&CassandraSettings { tables: tables([("user", "users")]), ..settings() }).await;
    assert!(table.starts_with("no_table: cassandra.tables.user: no sunbird.users here; found: "), "{table}");
    assert!(table.contains("user"), "{table}");
    let datacenter = hold(&CassandraSettings { local_datacenter: "dc9".into(), ..settings() }).await;
    assert_eq!(datacenter, "no_datacenter: cassandra.local_datacenter: no \"dc9\" here; found: datacenter1");
    directory(&CassandraSettings { local_datacenter: "datacenter1".into(), ..settings() }).probe().await.unwrap();
}

#[tokio::test]
async fn a_table_with_other_columns_is_no_user_table() {
    let columns = "(id text, status bigint, isdeleted boolean, rootorgid text, PRIMARY KEY (rootorgid, id))";
    let keyspace = Keyspace::with_table("user", columns).await;
    let message = hold(&keyspace.settings()).await;
    let problems = "id is not its key, status is bigint, not int, no column managedby";
    assert_eq!(
        message,
        format!("no_column: cassandra.tables.user: {}.user is no user table: {problems}", keyspace.name)
    );
    keyspace.drop().await;
}

#[tokio::test]
async fn what_is_mended_while_it_runs_is_noticed() {
    let keyspace = Keyspace::create().await;
    let directory = directory(&keyspace.settings());
    assert_eq!(directory.probe().await.unwrap_err().to_string(), "no_table");
    keyspace.run(&format!("CREATE TABLE {}.user {USER_TABLE}", keyspace.name)).await;
    directory.probe().await.unwrap();
    assert_eq!(directory.lookup(&ObjectType::user(), &[user_id("a")]).await.unwrap().len(), 1);
    keyspace.drop().await;
}

#[tokio::test]
async fn a_table_that_goes_away_while_it_runs_is_for_a_person() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    let directory = directory(&keyspace.settings());
    directory.probe().await.unwrap();
    keyspace.run(&format!("DROP TABLE {}.user", keyspace.name)).await;
    assert_eq!(directory.probe().await.unwrap_err().disposition, Hold);
    let lookup = directory.lookup(&ObjectType::user(), &[user_id("a")]).await;
    assert_eq!(lookup.unwrap_err().disposition, Hold);
    keyspace.drop().await;
}

#[tokio::test]
async fn other_object_types_have_their_own_tables_and_never_stop_the_users() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    keyspace.run(&format!("CREATE TABLE {}.organisation (id text PRIMARY KEY, orgname text)", keyspace.name)).await;
    keyspace.run(&format!("INSERT INTO {}.organisation (id) VALUES ('o-1')", keyspace.name)).await;
    let configured = tables([("user", "user"), ("organisation", "organisation"), ("location", "location")]);
    let directory = directory(&CassandraSettings { tables: configured, ..keyspace.settings() });
    let organisation = ObjectType::new("organisation");
    let answers = directory.lookup(&organisation, &[user_id("o-1"), user_id("o-2")]).await.unwrap();
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [Some(UserRow::default()), None]);
    assert_eq!(directory.ids_in(&organisation, ALL_TOKENS, 10).await.unwrap(), [user_id("o-1")]);
    for unknown in ["location", "batch"] {
        let failure = directory.lookup(&ObjectType::new(unknown), &[user_id("a")]).await.unwrap_err();
        assert_eq!((failure.disposition, failure.to_string()), (Reject, "unknown_object_type".into()));
    }
    directory.probe().await.unwrap();
    keyspace.drop().await;
}
