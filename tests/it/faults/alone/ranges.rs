//! Token ranges that are read, and worked page by page, while Cassandra does not answer.

use std::collections::BTreeSet;

use local_stack::events::request_range;
use local_stack::topics::REQUEST;
use local_stack::users::new_ids;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::door::Door;
use crate::faults::case::{Case, sized};
use crate::faults::storm::{Setting, Storm};
use crate::scene::PATIENCE;

/// Rows that one range may have here: whoever ran before has left users in the table, too.
const MOST: usize = 2_000;

const RANGE: Case = Case {
    name: "a_token_range_that_cannot_be_read_is_read_again",
    promise: "an_outage_dead_letters_nothing",
    fault: "a bad network to Cassandra while token ranges full of tombstones are read, and worked in pages of twenty users",
    oracle: "each range is summed up with as many rows as it has, and each of its users is told exactly once",
    rows: &[24],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_range_that_cannot_be_read_is_read_again() {
    let (users, waves) = sized((400, 1), (3_000, 8));
    let setting = Setting::of(users).with("INTAKE__PAGE", "20").with("CASSANDRA__TIMEOUT", "3s");
    let mut storm = Storm::brew(RANGE, setting).await;
    let removed = new_ids(users);
    storm.scene.users.put_all(&removed, 2).await.unwrap();
    storm.scene.users.remove(&removed).await.unwrap();
    let mut door = Door::shut(&storm.scene.stack.cassandra);
    door.open();
    storm.set("CASSANDRA__HOSTS", &format!("127.0.0.1:{}", door.port()));
    storm.join().await;
    let session = SessionBuilder::new().known_node(&storm.scene.stack.cassandra).build().await.unwrap();
    for wave in 0..waves {
        let start = i64::MIN + (i64::try_from(wave).unwrap() << 59);
        let (end, ids) = range(&session, start).await;
        storm.scene.topics.publish(REQUEST, &[request_range("resync-user", start, end)]).await.unwrap();
        storm.wave_at(&mut door, wave).await;
        storm.assert_summed_up(&format!("{start}:{end}"), &ids).await;
    }
    storm.scene.assert_nobody_failed();
    storm.publish().await;
    storm.calm().await;
}

/// From there on, a range that is not too full, and who is in it.
async fn range(session: &Session, start: i64) -> (i64, BTreeSet<String>) {
    let mut width = 1_i64 << 58;
    loop {
        let end = start + width;
        let statement = format!("SELECT id FROM sunbird.user WHERE token(id) > {start} AND token(id) <= {end}");
        let rows = session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
        let ids: BTreeSet<String> = rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect();
        if ids.len() <= MOST {
            return (end, ids);
        }
        width /= 2;
    }
}

impl Storm {
    async fn assert_summed_up(&self, range: &str, ids: &BTreeSet<String>) {
        let is_summary = |user: &str| user == range;
        let summed_up = self.scene.statuses.until("the range is summed up", 2 * PATIENCE, |all| {
            all.iter().any(|status| is_summary(&status.user) && status.is_final)
        });
        let all = summed_up.await.unwrap_or_else(|error| panic!("{error:?}"));
        let summary = all.iter().find(|status| is_summary(&status.user)).unwrap();
        assert_eq!(summary.record["edata"]["rows"], ids.len(), "{}", summary.record);
        let of_range = summary.mid.trim_end_matches(range);
        let told: Vec<_> = all.iter().filter(|it| it.mid.starts_with(of_range) && !is_summary(&it.user)).collect();
        let users: BTreeSet<_> = told.iter().map(|status| status.user.clone()).collect();
        assert_eq!((told.len(), users), (ids.len(), ids.clone()), "each is told once");
    }
}
