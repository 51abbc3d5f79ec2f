//! One member reads: completeness, order, gates, restarts, lag.

use std::sync::Arc;
use std::time::{Duration, Instant};

use user_purge_sync::adapters::kafka::Trouble;
use user_purge_sync::ports::log::OffsetSink;

use crate::kafka::harness::{Place, decode, eventually, partition};

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_once_and_in_order_while_gates_open_and_close() {
    let place = Place::new(4).await;
    place.fill(4, 25_000).await;
    let mut member = place.member();
    member.until_owns(4).await;
    let mut turn = 0_usize;
    member
        .until("all 100,000 records are read", |member| {
            turn += 1;
            for (number, owned) in member.owned.values().enumerate() {
                owned.gate.set_closed((turn / 16 + number).is_multiple_of(3));
            }
            (0..4).all(|number| member.read.get(&partition(number)) == Some(&25_000))
        })
        .await;
    assert!((0..4).all(|number| member.first[&partition(number)] == 0));
    member.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_gate_holds_its_partition_and_slows_no_other() {
    // Two more without records: a fetch that waits for them must not hold up the one that drains.
    let place = Place::new(4).await;
    place.fill(2, 50_000).await;
    let mut member = place.member();
    member.until_owns(4).await;
    member.owned[&partition(0)].gate.set_closed(true);
    let started = Instant::now();
    member.until("the open partition is read", |member| member.read.get(&partition(1)) == Some(&50_000)).await;
    let took = started.elapsed();
    let held = member.read.get(&partition(0)).copied().unwrap_or(0);
    assert!(held <= 1000, "{held} records of a closed partition");
    // Half a second; more would mean that its fetches wait for the others' (`facts/kafka.md` 8.8).
    assert!(took < Duration::from_secs(4), "{took:?}");
    member.owned[&partition(0)].gate.set_closed(false);
    member.until("the other one too", |member| member.read.get(&partition(0)) == Some(&50_000)).await;
    member.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_delivered_than_the_gate_has_room_for() {
    let place = Place::new(1).await;
    place.fill(1, 3000).await;
    let mut member = place.member();
    member.withhold = true;
    member.until("the room is used", |member| member.read.get(&partition(0)) == Some(&1000)).await;
    member
        .stays(Duration::from_millis(300), "the room is used", |member| member.read.get(&partition(0)) == Some(&1000))
        .await;
    member.owned[&partition(0)].gate.give(700);
    member.until("the room given is used", |member| member.read.get(&partition(0)) == Some(&1700)).await;
    member.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_takes_nothing_stops_reading_but_not_polling() {
    let place = Place::new(4).await;
    place.fill(4, 25_000).await;
    let mut member = place.member();
    member.until_owns(4).await;
    // Much room, so that only the channel bounds.
    member.owned.values().for_each(|owned| owned.gate.give(1_000_000));
    let pulse = Arc::clone(&member.pulse);
    let started = Instant::now();
    // Longer than the session: whoever blocks here is thrown out.
    eventually("more than a session has passed", || {
        assert!(pulse.silence().unwrap() < Duration::from_secs(1), "the thread has stopped polling");
        started.elapsed() > Duration::from_secs(7)
    })
    .await;
    let all = |member: &crate::kafka::member::Member| {
        (0..4).all(|number| member.read.get(&partition(number)) == Some(&25_000))
    };
    member.until("all is read in the end", all).await;
    assert_eq!(member.lost, vec![]);
    member.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_last_commit_was() {
    let place = Place::new(2).await;
    place.fill(2, 100).await;
    let mut member = place.member();
    member.until_owns(2).await;
    let committer = member.intake.committer();
    committer.commit(vec![member.point(0, 12)]);
    eventually("the commit is made", || committer.commits() == 1).await;
    let (final_points, started) = (vec![member.point(0, 37), member.point(1, 64)], Instant::now());
    member.intake.close(final_points).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(place.committed(2).await, vec![Some(37), Some(64)]);

    let mut next = place.member();
    next.until("the rest is read", |next| (0..2).all(|number| next.read.get(&partition(number)) == Some(&100))).await;
    assert_eq!((next.first[&partition(0)], next.first[&partition(1)]), (37, 64));
    next.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_here_soon_and_readiness_and_lag_are_told() {
    let place = Arc::new(Place::new(2).await);
    let mut member = place.member();
    let pulse = Arc::clone(&member.pulse);
    member.until_owns(2).await;
    assert!(pulse.is_joined());
    place.say("0").await;
    member.until("the first record is read", |member| member.read.get(&partition(0)) == Some(&1)).await;
    for next in 1..4 {
        // Long enough for the thread to wait as long as it ever does.
        member.stays(Duration::from_millis(1500), "idle", |member| member.read[&partition(0)] == next).await;
        let saying = tokio::spawn({
            let place = Arc::clone(&place);
            async move { place.say(&next.to_string()).await }
        });
        member.until("the next record is read", |member| member.read[&partition(0)] == next + 1).await;
        let read = Instant::now();
        let took = read.saturating_duration_since(saying.await.unwrap());
        assert!(took < Duration::from_millis(150), "{took:?} after it was acknowledged");
    }
    let watermarks = member.intake.watermarks();
    member
        .until("statistics tell how far the topic reaches", |_| {
            watermarks.reach(partition(0)).is_some_and(|reach| reach.high == 4)
        })
        .await;
    member.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_travels_with_the_offset() {
    let place = Place::new(1).await;
    place.fill(1, 10).await;
    let mut member = place.member_with(&[], decode);
    member.until_owns(1).await;
    let mut point = member.point(0, 5);
    point.metadata = "map".repeat(1365);
    member.intake.close(vec![point]).await.unwrap();
    assert_eq!(place.metadata().await, "map".repeat(1365));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_does_not_answer_is_waited_for_and_can_be_left() {
    let mut place = Place::bare();
    place.settings.brokers = "127.0.0.1:1".to_owned();
    let mut member = place.member();
    member.until("it is noticed", |member| member.intake.troubles().now() == Some(Trouble::Unreachable)).await;
    let pulse = Arc::clone(&member.pulse);
    assert!(!pulse.is_joined() && pulse.silence().unwrap() < Duration::from_secs(1));
    let started = Instant::now();
    member.intake.close(Vec::new()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}
