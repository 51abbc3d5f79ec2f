//! Keycloak's database says no: locks, time, space, rights to write, sessions ended, a row that another one needs.

use std::time::Duration;

use local_stack::events::{deletion, request_all};
use local_stack::topics::{DELETE, REQUEST};
use local_stack::users::new_ids;
use local_stack::{KeycloakRows, eventually};

use crate::faults::case::{Case, sized};
use crate::faults::portions::Portions;
use crate::faults::storm::{Setting, Storm};
use crate::scene::{PATIENCE, breaker_of};

const SECOND: Duration = Duration::from_secs(1);

/// What a case that failed has left in the database.
const HEAL: &str = "
    DROP TRIGGER IF EXISTS faults_refuse ON federated_user;
    DROP TRIGGER IF EXISTS faults_delay ON federated_user;
    DROP TABLE IF EXISTS faults_notes;";

/// No honest way fills a disk here, or makes a primary a standby: a trigger raises what PostgreSQL raises then.
const REFUSE: &str = "
    CREATE OR REPLACE FUNCTION faults_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'SAID'; END $$;
    DROP TRIGGER IF EXISTS faults_refuse ON federated_user;
    CREATE TRIGGER faults_refuse BEFORE DELETE ON federated_user FOR EACH STATEMENT EXECUTE PROCEDURE faults_refuse()";
const DISK_FULL: &str = "53100";
const READ_ONLY: &str = "25006";

/// A block takes longer than `keycloak.statement_timeout`, a user does not.
const SLOW: &str = "
    CREATE OR REPLACE FUNCTION faults_delay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.2); RETURN OLD; END $$;
    CREATE TRIGGER faults_delay BEFORE DELETE ON federated_user FOR EACH ROW EXECUTE PROCEDURE faults_delay()";

async fn brew(case: Case, setting: Setting) -> Storm {
    let mut storm = Storm::brew(case, setting).await;
    storm.run(HEAL).await;
    storm.join().await;
    storm
}

impl Storm {
    async fn run(&self, statements: &str) {
        self.scene.rows.sql().batch_execute(statements).await.unwrap();
    }

    /// `pg_terminate_backend` for every session of the workers; how many there were.
    async fn end_sessions(&mut self) -> usize {
        let user = &self.scene.stack.postgres.user;
        let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
        let ended = self.scene.rows.sql().query(statement, &[user]).await.unwrap().len();
        self.strikes(ended);
        ended
    }

    async fn until_purges_wait(&self) {
        self.scene.until("the breaker is open", async || breaker_of(self.worker(), "purge").await > 0.0).await;
    }

    /// Users with local rows, whose rows another transaction may want, too.
    async fn put_wanted(&self, count: usize) -> Vec<String> {
        let mut ids = new_ids(count);
        ids.sort();
        self.scene.users.put_all(&ids, 2).await.unwrap();
        self.scene.rows.put_local(&ids).await.unwrap();
        ids
    }

    /// Waits until a session of the workers waits for a lock.
    async fn until_worker_waits(&self) {
        let statement = "SELECT FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'";
        let user = &self.scene.stack.postgres.user;
        let waits = async || !self.scene.rows.sql().query(statement, &[user]).await.unwrap().is_empty();
        self.scene.until("the purge waits for a lock", waits).await;
    }
}

const SERVER: Case = Case {
    name: "a_database_that_cannot_write_or_ends_sessions_fails_nobody",
    promise: "an_outage_dead_letters_nothing",
    fault: "disk full (53100) and read only (25006), raised by a trigger at every delete; pg_terminate_backend of every \
            session, again and again",
    oracle: "the purges wait behind their breaker, nobody is failed, and every user has all rows or none",
    rows: &[25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_write_or_ends_sessions_fails_nobody() {
    let (users, rounds) = sized((600, 1), (5_000, 4));
    let setting = Setting::of(users).with("RETRY__TIME", "3s").with("RETRY__ATTEMPTS", "3");
    let mut storm = brew(SERVER, setting.with("PURGE__BLOCK_SIZE", "20")).await;
    let mut portions = storm.portions(3 * rounds);
    for _ in 0..rounds {
        for code in [DISK_FULL, READ_ONLY] {
            storm.run(&REFUSE.replace("SAID", code)).await;
            storm.strike();
            storm.publish_next(&mut portions).await;
            storm.until_purges_wait().await;
            storm.blow(sized(1, 4) * SECOND).await;
        }
        storm.run(HEAL).await;
        storm.publish_next(&mut portions).await;
        for _ in 0..sized(8, 30) {
            let moment = storm.dice.moment(SECOND / 4);
            storm.blow(moment).await;
            storm.end_sessions().await;
            storm.assert_all_or_nothing().await;
        }
    }
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

const LOCKS: Case = Case {
    name: "a_transaction_in_the_way_delays_only_the_users_it_wants",
    promise: "one_bad_user_hurts_nobody",
    fault: "a real deadlock with another transaction, in which the purge is the victim; a row locked for longer than \
            keycloak.lock_timeout; rows so slow that a block exceeds keycloak.statement_timeout",
    oracle: "everybody else is purged meanwhile, and in the end they are, too; PostgreSQL counts the deadlocks",
    rows: &[25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_in_the_way_delays_only_the_users_it_wants() {
    let (users, rounds) = sized((400, 1), (3_000, 5));
    let setting = Setting::of(users).with("PURGE__BLOCK_SIZE", "50").with("KEYCLOAK__STATEMENT_TIMEOUT", "3s");
    let mut storm = brew(LOCKS, setting).await;
    let other = KeycloakRows::connect(&storm.scene.stack).await.unwrap();
    // It finds no deadlock itself before the purge has.
    other.sql().batch_execute("SET deadlock_timeout = '1min'").await.unwrap();
    let deadlocks = deadlocks(&storm).await;
    let mut portions = storm.portions(3 * rounds);
    for _ in 0..rounds {
        deadlock(&mut storm, &other).await;
        storm.publish_next(&mut portions).await;
        stand_in_the_way(&mut storm, &other, &mut portions).await;
        storm.run(SLOW).await;
        storm.strike();
        storm.publish_next(&mut portions).await;
        storm.blow(sized(3, 5) * SECOND).await;
        storm.run("DROP TRIGGER faults_delay ON federated_user").await;
    }
    let counted = async || self::deadlocks(&storm).await >= deadlocks + i64::try_from(rounds).unwrap();
    storm.scene.until("each deadlock is counted", counted).await;
    storm.scene.assert_nobody_failed();
    storm.calm().await;
}

async fn deadlocks(storm: &Storm) -> i64 {
    let statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'keycloak'";
    storm.scene.rows.sql().query_one(statement, &[]).await.unwrap().get(0)
}

const LOCK: &str = "SELECT FROM user_entity WHERE id = $1 FOR UPDATE";

/// The purge locks in the order of ids; the other transaction has the last one and then wants the first.
async fn deadlock(storm: &mut Storm, other: &KeycloakRows) {
    let wanted = storm.put_wanted(2).await;
    other.sql().batch_execute("BEGIN").await.unwrap();
    other.sql().query(LOCK, &[&wanted[1]]).await.unwrap();
    storm.scene.topics.publish(REQUEST, &[request_all("delete-user", &wanted)]).await.unwrap();
    storm.until_worker_waits().await;
    other.sql().query(LOCK, &[&wanted[0]]).await.unwrap();
    storm.strike();
    other.sql().batch_execute("COMMIT").await.unwrap();
    storm.until_gone(&wanted).await;
}

/// One row is locked for longer than the purge waits; those who are not in the way go on.
async fn stand_in_the_way(storm: &mut Storm, other: &KeycloakRows, portions: &mut Portions) {
    let wanted = storm.put_wanted(1).await;
    other.sql().batch_execute("BEGIN").await.unwrap();
    other.sql().query(LOCK, &[&wanted[0]]).await.unwrap();
    storm.scene.topics.publish(DELETE, &[deletion(&wanted[0])]).await.unwrap();
    storm.until_worker_waits().await;
    storm.strike();
    let told = storm.scene.statuses.count();
    storm.publish_next(portions).await;
    storm.scene.until("others go on", async || storm.scene.statuses.count() > told + 20).await;
    storm.blow(3 * SECOND).await;
    assert!(storm.scene.statuses.of(&wanted[0]).is_empty(), "nobody is told before the purge");
    other.sql().batch_execute("COMMIT").await.unwrap();
    storm.until_gone(&wanted).await;
}

impl Storm {
    async fn until_gone(&self, ids: &[String]) {
        let gone = async || self.scene.rows.of(ids).await.unwrap().is_empty().then_some(());
        eventually("they are purged", PATIENCE, gone).await.unwrap_or_else(|error| panic!("{error:?}"));
    }
}

const CONSTRAINT: Case = Case {
    name: "a_row_that_another_table_needs_fails_only_its_user",
    promise: "one_bad_user_hurts_nobody",
    fault: "a table that is to be ignored refers to some users by a foreign key, so every block with one of them fails",
    oracle: "exactly these are told as not purged, with all of their rows; the breaker is closed",
    rows: &[25],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_another_table_needs_fails_only_its_user() {
    let (users, count) = sized((500, 4), (5_000, 100));
    let setting = Setting::of(users).with("RETRY__ATTEMPTS", "3").with("RETRY__MAX_PAUSE", "500ms");
    // An unknown table would hold every purge until somebody decides: here they decided wrongly.
    let setting = setting.with("KEYCLOAK__TABLES__FAULTS_NOTES__ACTION", "ignore");
    let mut storm = brew(CONSTRAINT, setting).await;
    let needed = storm.put_wanted(count).await;
    let rows = storm.scene.rows.of(&needed).await.unwrap();
    storm.run("CREATE TABLE faults_notes (user_id varchar(36) REFERENCES user_entity (id))").await;
    let note = "INSERT INTO faults_notes SELECT unnest($1::text[])";
    storm.scene.rows.sql().execute(note, &[&needed]).await.unwrap();
    let mut portions = storm.portions(count / 2);
    for pair in needed.chunks(2) {
        storm.scene.publish_deletions(pair).await;
        storm.publish_next(&mut portions).await;
        storm.strikes(pair.len());
    }
    let endings = storm.until_final(&needed).await;
    let otherwise = needed.iter().filter(|id| endings[*id] != "PARTIAL purge_failed").count();
    assert_eq!(otherwise, 0, "of {count} ended otherwise: {:?}", storm.scene.statuses.endings());
    assert_eq!(storm.scene.rows.of(&needed).await.unwrap(), rows);
    storm.scene.failed_records(count).await;
    assert!(breaker_of(storm.worker(), "purge").await == 0.0, "the breaker is closed");
    storm.run(HEAL).await;
    storm.calm().await;
}
