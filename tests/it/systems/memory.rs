//! Memory is flat: what waits, waits in Kafka.

use std::time::{Duration, Instant};

use local_stack::Worker;
use local_stack::events::{Record, deletion};
use local_stack::topics::DELETE;
use uuid::Uuid;

use crate::scene::{PATIENCE, Scene};

const MIB: u64 = 1024;
const BUDGET: f64 = 20_000.0;
/// At rest, when it has not grown for so long.
const REST: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_as_many_events_waiting_take_no_more_memory() {
    let few = resident_with(20_000).await;
    let many = resident_with(200_000).await;
    assert!(many < few + 64 * MIB, "{} MiB with 200,000 waiting, {} MiB with 20,000", many / MIB, few / MIB);
}

/// Kilobytes of a worker at rest whose dependencies are away, with so many events waiting.
async fn resident_with(events: usize) -> u64 {
    let scene = Scene::with(4, &[]).await;
    let place = &Uuid::new_v4().to_string()[..24];
    let shape = String::from_utf8(deletion("{user}").payload.unwrap()).unwrap();
    let record = |number: usize| Record::raw(shape.replace("{user}", &format!("{place}{number:012}")));
    for first in (0..events).step_by(20_000) {
        let records: Vec<Record> = (first..first + 20_000).map(record).collect();
        scene.topics.publish(DELETE, &records).await.unwrap();
    }
    // Nobody listens there: every user waits for lookup, the budget fills, and nothing makes room.
    let worker = scene.worker(&[("CASSANDRA__HOSTS", "127.0.0.1:1"), ("KEYCLOAK__PORT", "1")]).await;
    let full = local_stack::eventually("the budget is full", PATIENCE, async || {
        let held = worker.metric("user_purge_sync_budget_units", &[]).await.ok()?;
        (held > BUDGET - 2.0).then_some(())
    });
    full.await.unwrap_or_else(|error| panic!("{error:?}\n{}", worker.log()));
    assert_eq!((scene.statuses.count(), scene.failed.count()), (0, 0));
    at_rest(&worker).await
}

async fn at_rest(worker: &Worker) -> u64 {
    let (mut highest, mut since) = (0, Instant::now());
    let settled = local_stack::eventually("its memory does not grow", PATIENCE, async || {
        let now = resident(worker.pid());
        if now > highest + MIB {
            (highest, since) = (now, Instant::now());
        }
        (since.elapsed() > REST).then_some(highest)
    });
    settled.await.unwrap_or_else(|error| panic!("{error:?}"))
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
