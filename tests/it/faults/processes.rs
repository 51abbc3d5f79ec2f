//! Workers that are killed, at any moment and at the worst ones.

use std::time::Duration;

use local_stack::topics::DELETE;
use local_stack::{Clock, eventually};

use super::case::{Case, sized};
use super::storm::{Setting, Storm};
use crate::scene::PATIENCE;

/// Users of one event may end at different times, and the event is done again as a whole.
const USERS_OF_AN_EVENT: usize = 10;
/// Users of a wave: told together.
const WAVE: usize = 18;

const KILLED: Case = Case {
    name: "killed_at_any_moment_a_worker_loses_nothing",
    promise: "a_crash_redoes_little",
    fault: "kill -9 of the only worker at random moments, a new one each time",
    oracle: "repeats: at most what was told in the two seconds before each kill, and one event's users",
    rows: &[1, 14],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_a_worker_loses_nothing() {
    let (users, kills) = sized((2_000, 5), (20_000, 100));
    let mut storm = Storm::brew(KILLED, Setting::of(users).soon_missed()).await;
    storm.repeats_a_fault = USERS_OF_AN_EVENT;
    storm.publish().await;
    for kill in 1..=kills {
        let place = storm.join().await;
        storm.until_told(users * kill / (kills + 1)).await;
        if kill > 1 {
            storm.until_recovered().await;
        }
        let moment = storm.dice.moment(Duration::from_millis(1_500));
        storm.blow(moment).await;
        storm.kill(place);
    }
    storm.calm().await;
}

const EFFECT: Case = Case {
    name: "killed_between_effect_and_status_a_worker_tells_it_later",
    promise: "settled_before_committed",
    fault: "statuses linger for four seconds; kill -9 as soon as the users' rows are gone from Keycloak",
    oracle: "nothing of the wave was told at the kill; every status comes from a worker that came after",
    rows: &[2],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_effect_and_status_a_worker_tells_it_later() {
    let waves = sized(2, 20);
    let setting = Setting::of(waves * 20).soon_missed().with("KAFKA__PROPERTIES__LINGER_MS", "4000");
    let mut storm = Storm::brew(EFFECT, setting).await;
    storm.repeats_a_fault = 2 * WAVE;
    // Four seconds longer than elsewhere until they are acknowledged, and a start between.
    storm.uncommitted_ms = 7_000;
    storm.publish_living().await;
    let mut before = Vec::new();
    for wave in storm.people.waves(waves) {
        let place = storm.join().await;
        storm.until_final(&before).await;
        storm.scene.publish_deletions(&wave).await;
        storm.scene.until("the rows are gone", async || storm.scene.rows.of(&wave).await.unwrap().is_empty()).await;
        let told = wave.iter().filter(|id| !storm.scene.statuses.of(id).is_empty()).count();
        storm.kill(place);
        assert_eq!(told, 0, "told before the kill: the blow was not aimed");
        before = wave;
    }
    storm.calm().await;
}

const STATUS: Case = Case {
    name: "killed_between_status_and_commit_a_worker_tells_it_again",
    promise: "settled_before_committed",
    fault: "offsets are committed every four seconds; kill -9 as soon as the last status of a wave is read, before the commit",
    oracle: "nothing is committed that is not told; repeats: at most the wave, each under the same id",
    rows: &[2],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_status_and_commit_a_worker_tells_it_again() {
    let waves = sized(3, 20);
    let setting = Setting::of(waves * 20).soon_missed().with("KAFKA__COMMIT_INTERVAL", "4s");
    let mut storm = Storm::brew(STATUS, setting).await;
    storm.repeats_a_fault = WAVE;
    storm.uncommitted_ms = 5_000;
    storm.publish_living().await;
    let mut missed = 0;
    for wave in storm.people.waves(waves) {
        let place = storm.join().await;
        storm.scene.inputs_committed().await;
        storm.scene.publish_deletions(&wave).await;
        storm.until_final(&wave).await;
        storm.kill(place);
        let progress = storm.scene.topics.progress(&[DELETE]).await.unwrap();
        missed += usize::from(progress.values().all(|place| place.committed == place.end));
    }
    assert!(missed * 2 < waves, "{missed} of {waves} kills came after the commit: the blow was not aimed");
    storm.calm().await;
}

const CLOCK: Case = Case {
    name: "a_clock_that_is_set_harms_nobody",
    promise: "whatever is waited for is measured by a clock that nobody sets",
    fault: "the worker's calendar jumps by up to an hour, forwards and backwards, again and again",
    oracle: "no repeats at all; follow-ups on the delay topic are done in time too",
    rows: &[31],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_harms_nobody() {
    let (users, jumps) = sized((1_000, 6), (6_000, 40));
    let mut storm = Storm::brew(CLOCK, Setting::of(users)).await;
    let clock = Clock::build().unwrap();
    storm.publish().await;
    let mut worker = storm.start_within(&clock.variables().unwrap());
    worker.wait_ready(PATIENCE).await.unwrap();
    storm.workers.push(worker);
    for jump in 0..jumps {
        let moment = storm.dice.moment(Duration::from_millis(700));
        storm.blow(moment).await;
        let far = i64::try_from(storm.dice.below(3_600)).unwrap();
        clock.shift(if jump % 2 == 0 { far } else { -far }).unwrap();
        storm.strike();
    }
    storm.calm().await;
}

const STANDSTILL: Case = Case {
    name: "a_process_that_stands_still_for_a_moment_goes_on",
    promise: "a process that gets no processor for less than its session neither loses nor repeats anything",
    fault: "SIGSTOP for up to half a second, SIGCONT, again and again",
    oracle: "no repeats at all",
    rows: &[5],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_for_a_moment_goes_on() {
    let (users, stops) = sized((1_000, 10), (10_000, 400));
    let mut storm = Storm::brew(STANDSTILL, Setting::of(users)).await;
    storm.publish().await;
    let place = storm.join().await;
    for _ in 0..stops {
        let (moment, pause) =
            (storm.dice.moment(Duration::from_millis(500)), storm.dice.moment(Duration::from_millis(200)));
        storm.workers[place].signal("STOP").unwrap();
        storm.strike();
        storm.blow(moment).await;
        storm.workers[place].signal("CONT").unwrap();
        let pulse = async || storm.workers[place].metrics().await.ok();
        eventually("it answers", PATIENCE, pulse).await.unwrap_or_else(|error| panic!("{error:?}"));
        storm.blow(pause).await;
    }
    storm.calm().await;
}
