//! Cassandra killed, frozen, behind a bad network, and with a table that changes: for the worker, and for the Sync API that
//! reads it too.

use std::time::{Duration, Instant};

use local_stack::Service;
use local_stack::users::new_ids;
use scylla::client::session_builder::SessionBuilder;

use crate::door::Door;
use crate::faults::case::{Case, sized};
use crate::faults::storm::{Setting, Storm};
use crate::scene::breaker_of;

const SECOND: Duration = Duration::from_secs(1);

const KILLED: Case = Case {
    name: "a_time_without_cassandra_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "kill -9 of Cassandra in the middle, away for half a minute; then SIGSTOP for some seconds",
    oracle: "nothing is decided without a row: nobody of the time is told, nobody is failed",
    rows: &[22, 24],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_without_cassandra_fails_nobody() {
    let (users, outages) = (sized(500, 3_000), 1);
    let setting = Setting::of(users).with("RETRY__TIME", "3s").with("RETRY__ATTEMPTS", "3");
    let mut storm = Storm::brew(KILLED, setting.with("CASSANDRA__TIMEOUT", "2s")).await;
    storm.join().await;
    let mut portions = storm.portions(2 * outages + 1);
    for outage in 0..outages {
        storm.publish_next(&mut portions).await;
        storm.until_told(users * outage / outages + 100).await;
        storm.faults.kill(Service::Cassandra).unwrap();
        let since = Instant::now();
        storm.strike();
        storm.publish_next(&mut portions).await;
        storm.scene.until("the breaker is open", async || breaker_of(storm.worker(), "lookup").await > 0.0).await;
        storm.scene.until_lasted(since, 30 * SECOND).await;
        storm.faults.start(Service::Cassandra).unwrap();
        storm.scene.until("it is asked again", async || breaker_of(storm.worker(), "lookup").await == 0.0).await;
    }
    storm.faults.signal(Service::Cassandra, "STOP").unwrap();
    storm.strike();
    storm.publish_next(&mut portions).await;
    storm.scene.until("the breaker is open", async || breaker_of(storm.worker(), "lookup").await > 0.0).await;
    storm.blow(sized(2, 15) * SECOND).await;
    storm.faults.signal(Service::Cassandra, "CONT").unwrap();
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

const NETWORK: Case = Case {
    name: "a_bad_network_to_cassandra_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "the way is late, narrow, deaf in one direction, a black hole or shut, and connections are reset: reads time out \
            and nodes are unavailable",
    oracle: "nobody is failed",
    rows: &[19, 24],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_cassandra_fails_nobody() {
    let (users, waves) = sized((500, 2), (3_000, 10));
    let setting = Setting::of(users).with("CASSANDRA__TIMEOUT", "1s").with("CASSANDRA__BLOCK_SIZE", "20");
    let mut storm = Storm::brew(NETWORK, setting).await;
    let mut door = Door::shut(&storm.scene.stack.cassandra);
    door.open();
    storm.set("CASSANDRA__HOSTS", &format!("127.0.0.1:{}", door.port()));
    storm.join().await;
    storm.weather(&mut door, waves).await;
    storm.calm().await;
}

const TABLE: Case = Case {
    name: "a_table_that_changes_harms_nobody",
    promise: "never_purge_a_live_user",
    fault: "the user table gains and loses columns while it is read; rows are removed (and leave tombstones), some for \
            good, some come back",
    oracle: "who has no row in the end is told not_found and keeps every row in Keycloak; who came back is purged",
    rows: &[24],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_harms_nobody() {
    let (users, changes) = sized((400, 2), (4_000, 15));
    let mut storm = Storm::brew(TABLE, Setting::of(users)).await;
    let session = SessionBuilder::new().known_node(&storm.scene.stack.cassandra).build().await.unwrap();
    storm.join().await;
    let mut portions = storm.portions(changes);
    let (mut missing, mut back) = (Vec::new(), Vec::new());
    for change in 0..changes {
        let (mine, theirs) = (new_ids(10), new_ids(10));
        let all = [&mine[..], &theirs].concat();
        storm.scene.users.put_all(&all, 2).await.unwrap();
        storm.scene.rows.put_federated(&all).await.unwrap();
        storm.scene.users.remove(&all).await.unwrap();
        storm.scene.publish_deletions(&all).await;
        storm.publish_next(&mut portions).await;
        let column = format!("faults_{change}_{}", &mine[0][..8]);
        session.query_unpaged(format!("ALTER TABLE sunbird.user ADD {column} text"), ()).await.unwrap();
        storm.scene.users.put_all(&theirs, 2).await.unwrap();
        let moment = storm.dice.moment(SECOND);
        storm.blow(moment).await;
        session.query_unpaged(format!("ALTER TABLE sunbird.user DROP {column}"), ()).await.unwrap();
        storm.strikes(2 + all.len());
        missing.extend(mine);
        back.extend(theirs);
    }
    let rows = 11 * missing.len();
    let endings = storm.until_final(&[&missing[..], &back].concat()).await;
    let wrong = missing.iter().filter(|id| endings[*id] != "FAILED not_found").count();
    assert_eq!(wrong, 0, "of {} ended otherwise: {:?}", missing.len(), storm.scene.statuses.endings());
    let known: i64 = storm.scene.rows.of(&missing).await.unwrap().values().sum();
    assert_eq!(usize::try_from(known).unwrap(), rows, "rows of users without a row in Cassandra");
    storm.scene.assert_gone(&back).await;
    storm.calm().await;
}
