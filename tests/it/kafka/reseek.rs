//! A partition is set back under a running member.

use user_purge_sync::adapters::kafka::reseek::{ReseekRequest, Reseeked};
use user_purge_sync::domain::control::Skips;
use user_purge_sync::domain::replay::ReplayId;

use super::harness::{Place, partition};
use super::member::{Member, Revoking};

fn request(number: i32, to: i64) -> ReseekRequest {
    let id = ReplayId::parse("r1").unwrap();
    ReseekRequest { id, partition: partition(number), to, skips: Skips::Refused }
}

/// Asks, and takes arrivals until the pipeline is to let go of the partition.
async fn asked(member: &mut Member, request: ReseekRequest) -> (tokio::task::JoinHandle<Reseeked>, Revoking) {
    let reseeks = member.intake.reseeks();
    let answer = tokio::spawn(async move { reseeks.ask(request).await });
    member.until("it is to let go", |member| member.revoking.is_some()).await;
    (answer, member.revoking.take().unwrap())
}

/// Records are prefetched, handed over and unread when it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_read_again_from_there_and_the_other_goes_on() {
    let place = Place::new(2).await;
    place.fill(2, 5_000).await;
    let mut member = place.member();
    member.until_owns(2).await;
    member.until("some of it is read", |member| member.read.get(&partition(1)).is_some_and(|at| *at > 2_000)).await;
    let point = member.point(1, 1_500);
    let (answer, (partitions, points)) = asked(&mut member, request(1, 700)).await;
    assert_eq!(partitions, [(partition(1), point.epoch)]);
    member.until("the other goes on", |member| member.read[&partition(0)] == 5_000).await;
    points.send(vec![point.clone()]).unwrap();
    member.until("it is back", |member| member.owned.len() == 2).await;
    member.until("all of it is read", |member| member.read.get(&partition(1)) == Some(&5_000)).await;
    assert_eq!(answer.await.unwrap(), Reseeked::Done { old: 1_500, new: 700, moved: false });
    assert_eq!(member.first[&partition(1)], 700);
    assert!(member.epoch(1) > point.epoch);
    let mark = member.owned[&partition(1)].replay.clone().unwrap();
    assert!(mark.covers(2_000) && !mark.covers(5_000), "{mark:?}");
    assert_eq!(place.committed(2).await, [None, Some(700)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_skip_is_refused_and_it_is_read_on_from_where_it_stood() {
    let place = Place::new(1).await;
    place.fill(1, 100).await;
    let mut member = place.member();
    member.until("it is read", |member| member.read.get(&partition(0)) == Some(&100)).await;
    let point = member.point(0, 40);
    let (answer, (_, points)) = asked(&mut member, request(0, 60)).await;
    points.send(vec![point]).unwrap();
    member.until("it is back", |member| member.owned.len() == 1).await;
    member.until("it is read on", |member| member.read.get(&partition(0)) == Some(&100)).await;
    assert!(matches!(answer.await.unwrap(), Reseeked::Refused(why) if why.contains("20 offsets would be skipped")));
    assert_eq!((member.first[&partition(0)], place.committed(1).await), (40, vec![None]));
    let others = member.intake.reseeks().ask(request(3, 0)).await;
    assert_eq!(others, Reseeked::NotOurs);
}

/// Which of the two partitions goes to a newcomer is the assignor's choice: it is asked for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_in_between_cancels_it_and_nothing_is_committed() {
    let mut cancelled = 0;
    for number in [0, 1] {
        let place = Place::new(2).await;
        place.fill(2, 100).await;
        let mut member = place.member();
        let is_read = |member: &Member| member.read.values().filter(|at| **at == 100).count() == 2;
        member.until("all is read", is_read).await;
        let (answer, first) = asked(&mut member, request(number, 10)).await;
        let mut newcomer = place.member();
        member.until("one goes", |member| member.revoking.is_some()).await;
        let (partitions, points) = member.revoking.take().unwrap();
        let is_asked_for = partitions.iter().any(|(gone, _)| *gone == partition(number));
        points.send(Vec::new()).unwrap();
        drop(first.1.send(Vec::new()));
        newcomer.until_owns(1).await;
        member.until("it is over", |_| answer.is_finished()).await;
        let answer = answer.await.unwrap();
        if is_asked_for {
            cancelled += 1;
            assert!(matches!(answer, Reseeked::Cancelled(why) if why.contains("another member")), "{answer:?}");
            assert_eq!(place.committed(2).await, [None, None]);
        }
    }
    assert!(cancelled > 0);
}
