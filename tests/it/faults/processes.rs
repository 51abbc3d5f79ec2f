//! Workers that are killed, stopped and asked to end, at any moment.

use std::time::Duration;

use super::case::{Case, sized};
use super::storm::{Setting, Storm};

/// What a worker may have settled since its last commit, and one that was on its way.
const SECONDS_OF_WORK: usize = 2;

const KILLED: Case = Case {
    name: "killed_at_any_moment_a_worker_loses_nothing",
    promise: "a_crash_redoes_little",
    fault: "kill -9 of the only worker at random moments, a new one each time",
    oracle: "repeats: at most two seconds of work for each kill",
    rows: &[1, 2],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_a_worker_loses_nothing() {
    let (users, kills) = sized((2_000, 5), (20_000, 100));
    let mut storm = Storm::brew(KILLED, Setting::of(users)).await;
    storm.repeats_a_fault = SECONDS_OF_WORK * 1_000;
    storm.publish().await;
    for kill in 1..=kills {
        let place = storm.join().await;
        storm.until_told(users * kill / (kills + 1)).await;
        let moment = storm.dice.moment(Duration::from_millis(1_500));
        storm.blow(moment).await;
        storm.kill(place);
    }
    storm.calm().await;
}
