//! Workers that come, go and stand still in one group.

use std::time::{Duration, Instant};

use local_stack::Worker;

use super::case::{Case, sized};
use super::frontiers::Frontiers;
use super::storm::{Setting, Storm};
use crate::scene::PATIENCE;

/// Users in the calls of one worker, which nobody can stop when their partition has gone.
const IN_CALLS: usize = 400;

const ZOMBIE: Case = Case {
    name: "a_frozen_worker_that_comes_back_moves_no_offset",
    promise: "a_stale_owner_is_harmless",
    fault: "two workers; one is stopped by SIGSTOP in the middle of its work, past its session, and continued when the other has done and committed everything",
    oracle: "looked at all the time, no committed offset ever goes back",
    rows: &[4, 9, 10, 16],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_worker_that_comes_back_moves_no_offset() {
    let rounds = sized(2, 12);
    let setting = Setting::of(rounds * 300).soon_missed().beside(&["--per-id", "5ms"]);
    let mut storm = Storm::brew(ZOMBIE, setting).await;
    storm.owners_overlap = true;
    storm.repeats_a_fault = IN_CALLS;
    storm.publish_living().await;
    storm.join().await;
    storm.join().await;
    let frontiers = Frontiers::watch(&storm.scene);
    for (round, wave) in storm.people.waves(rounds).into_iter().enumerate() {
        let frozen = round % 2;
        storm.scene.publish_deletions(&wave).await;
        let moment = storm.dice.moment(Duration::from_millis(500));
        storm.blow(moment).await;
        storm.workers[frozen].signal("STOP").unwrap();
        storm.cut();
        storm.until_recovered().await;
        storm.until_final(&wave).await;
        storm.scene.inputs_committed().await;
        storm.workers[frozen].signal("CONT").unwrap();
        until_two_work(&storm).await;
    }
    frontiers.never_went_back().await;
    storm.calm().await;
}

/// The one that was frozen has heard of it, and has partitions again.
async fn until_two_work(storm: &Storm) {
    storm
        .scene
        .until("both have partitions", async || {
            let mut owners = 0;
            for worker in &storm.workers {
                let lag = worker.metrics().await.unwrap_or_default();
                owners += usize::from(lag.contains("user_purge_sync_partition_lag{"));
            }
            owners == storm.workers.len()
        })
        .await;
}

const CROWD: Case = Case {
    name: "three_workers_come_and_go_all_the_time",
    promise: "settled_before_committed",
    fault: "every second or so one of three workers is killed, asked to end, or frozen past its session, or another comes",
    oracle: "looked at all the time, no committed offset ever goes back",
    rows: &[1, 8, 9, 16],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_come_and_go_all_the_time() {
    let (users, time) = sized((600, Duration::from_secs(10)), (8_000, Duration::from_mins(2)));
    let mut storm = Storm::brew(CROWD, Setting::of(users).soon_missed().beside(&["--per-id", "40ms"])).await;
    storm.owners_overlap = true;
    storm.repeats_a_fault = IN_CALLS;
    storm.publish().await;
    let frontiers = Frontiers::watch(&storm.scene);
    let since = Instant::now();
    let mut leaving: Vec<Worker> = Vec::new();
    while since.elapsed() < time {
        let place = storm.dice.below(3);
        match storm.dice.below(4) {
            _ if storm.workers.len() < 3 => {
                let another = storm.start();
                storm.workers.push(another);
                storm.strike();
            }
            0 => storm.kill(place),
            1 => {
                storm.workers[place].signal("STOP").unwrap();
                storm.cut();
                storm.blow(Duration::from_secs(2)).await;
                storm.workers[place].signal("CONT").unwrap();
            }
            _ => {
                let worker = storm.workers.remove(place);
                worker.term().unwrap();
                leaving.push(worker);
                storm.cut();
            }
        }
        let moment = storm.dice.moment(Duration::from_millis(1_500));
        storm.blow(moment).await;
    }
    for mut worker in leaving {
        worker.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
    }
    for worker in &mut storm.workers {
        worker.wait_ready(PATIENCE).await.unwrap();
    }
    frontiers.never_went_back().await;
    storm.calm().await;
}

const CLASH: Case = Case {
    name: "of_two_with_one_static_name_the_first_ends",
    promise: "a worker that the group has put out ends, never alive and idle",
    fault: "static membership; a second worker with the same name; then kill -9 and a restart under that name",
    oracle: "the first exits by itself, not with 0; the other goes on",
    rows: &[11],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_one_static_name_the_first_ends() {
    let (users, rounds) = sized((400, 1), (2_000, 6));
    let setting = Setting::of(users).soon_missed().with("KAFKA__PROPERTIES__GROUP_INSTANCE_ID", "worker-0");
    let mut storm = Storm::brew(CLASH, setting).await;
    storm.owners_overlap = true;
    storm.repeats_a_fault = IN_CALLS;
    storm.publish().await;
    storm.join().await;
    for _ in 0..rounds {
        let second = storm.start();
        storm.workers.push(second);
        let mut first = storm.workers.remove(0);
        let exit = first.until_ended(PATIENCE).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert!(!exit.success(), "{}", first.log());
        storm.cut();
        storm.workers[0].wait_ready(PATIENCE).await.unwrap();
        storm.until_recovered().await;
        storm.kill(0);
        storm.join().await;
        storm.until_recovered().await;
    }
    storm.calm().await;
}
