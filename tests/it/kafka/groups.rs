//! Several members: hand-over, former owners, lost assignments, closing.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use user_purge_sync::adapters::kafka::IntakeError;
use user_purge_sync::domain::event::Decoded;
use user_purge_sync::domain::ids::InputTopic;
use user_purge_sync::domain::offset_map::OffsetMap;
use user_purge_sync::ports::log::{CommitPoint, OffsetSink};

use crate::kafka::harness::{Place, decode, eventually, partition};
use crate::kafka::member::Member;
use crate::scene::PATIENCE;

fn points(member: &Member, offset: i64) -> Vec<CommitPoint> {
    (0..4).map(|number| member.point(number, offset)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_gets_partitions_only_after_the_answer_and_starts_where_it_says() {
    let place = Place::new(4).await;
    place.fill(4, 1000).await;
    let mut old = place.member();
    old.until_owns(4).await;
    let former = points(&old, 900);
    let mut new = place.member();
    old.until("it must give some up", |old| old.revoking.is_some()).await;
    let (revoked, answer) = old.revoking.take().unwrap();
    assert_eq!((revoked.len(), old.owned.len()), (2, 2));
    // Longer than a heartbeat of the peer: it would have them by now.
    new.stays(Duration::from_secs(2), "the peer has nothing", |new| new.owned.is_empty()).await;
    let answered = former.iter().filter(|point| revoked.contains(&(point.partition, point.epoch)));
    let answered: Vec<_> = answered.map(|point| CommitPoint { offset: 700, ..point.clone() }).collect();
    answer.send(answered).unwrap();
    new.until_owns(2).await;
    new.until("the peer has read them", |new| new.read.values().filter(|next| **next == 1000).count() == 2).await;
    assert!(new.first.values().all(|first| *first == 700), "{:?}", new.first);
    for (number, committed) in (0..4).zip(place.committed(4).await) {
        let is_revoked = revoked.iter().any(|(given, _)| *given == partition(number));
        assert_eq!(committed, is_revoked.then_some(700), "partition {number}");
    }
    // Kafka would accept it: the group knows members, not owners (`facts/kafka.md` 8.5).
    let committer = old.intake.committer();
    committer.commit(former);
    eventually("the former owner's points are dropped", || committer.dropped() == 2).await;
    eventually("the others are committed", || committer.committed().len() == 2).await;
    for (number, committed) in (0..4).zip(place.committed(4).await) {
        let is_revoked = revoked.iter().any(|(given, _)| *given == partition(number));
        assert_eq!(committed, Some(if is_revoked { 700 } else { 900 }), "partition {number}");
    }
    // Retained partitions are read on.
    old.until("all is read", |old| old.owned.keys().all(|kept| old.read.get(kept) == Some(&1000))).await;
    old.intake.close(Vec::new()).await.unwrap();
    new.until_owns(4).await;
    new.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stands_still_too_long_hears_that_it_has_lost_its_partitions() {
    static STILL: Mutex<bool> = Mutex::new(true);
    static GO_ON: Condvar = Condvar::new();
    fn standing_still(topic: InputTopic, payload: Option<&[u8]>) -> Decoded {
        drop(GO_ON.wait_while(STILL.lock().unwrap(), |still| *still).unwrap());
        decode(topic, payload)
    }
    let place = Place::new(4).await;
    let mut zombie = place.member_with(&[("max.poll.interval.ms", "6000")], standing_still);
    zombie.until_owns(4).await;
    let former = points(&zombie, 5);
    let before: Vec<_> = zombie.owned.iter().map(|(partition, owned)| (*partition, owned.epoch)).collect();
    place.fill(4, 100).await;
    let mut heir = place.member();
    heir.until_owns(4).await;
    heir.until("the heir reads all", |heir| (0..4).all(|number| heir.read.get(&partition(number)) == Some(&100))).await;
    let heirs = heir.intake.committer();
    heirs.commit(points(&heir, 50));
    eventually("the heir has committed", || heirs.commits() == 1).await;
    assert!(zombie.pulse.silence().unwrap() > Duration::from_secs(5), "liveness would not see it");

    *STILL.lock().unwrap() = false;
    GO_ON.notify_all();
    zombie.until("the zombie hears of it", |zombie| zombie.lost.len() == 4).await;
    assert_eq!(zombie.lost, before);
    zombie.intake.committer().commit(former);
    eventually("its points are dropped", || zombie.intake.committer().dropped() == 4).await;
    heir.until("it is back as a peer", |heir| heir.revoking.is_some()).await;
    assert_eq!(place.committed(4).await, vec![Some(50); 4]);
    heir.revoking.take().unwrap().1.send(Vec::new()).unwrap();
    zombie.until_owns(2).await;
    let epochs = zombie.owned.values().map(|owned| owned.epoch).collect::<Vec<_>>();
    assert!(epochs.iter().all(|epoch| before.iter().all(|(_, former)| epoch > former)));
    zombie.intake.close(Vec::new()).await.unwrap();
    heir.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_expelled_while_it_drains_hears_that_all_is_lost() {
    let place = Place::new(4).await;
    // The group waits so long for whoever does not join again (`facts/kafka.md` 8.4).
    let patience = [("max.poll.interval.ms", "6000")];
    let mut slow = place.member_with(&patience, decode);
    slow.until_owns(4).await;
    let before: Vec<_> = slow.owned.iter().map(|(partition, owned)| (*partition, owned.epoch)).collect();
    let kept = points(&slow, 0);
    let mut second = place.member_with(&patience, decode);
    slow.until("it must give some up", |slow| slow.revoking.is_some()).await;
    let (mut third, started) = (place.member_with(&patience, decode), Instant::now());
    let committer = slow.intake.committer();
    let mut offset = 0;
    slow.until("it hears that all is lost", |slow| {
        offset += 1;
        committer.commit(kept.iter().map(|point| CommitPoint { offset, ..point.clone() }).collect());
        slow.lost.len() == 4
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(14), "by its own patience only: {:?}", started.elapsed());
    slow.lost.sort_unstable();
    assert_eq!(slow.lost, before);
    assert!(slow.revoking.take().unwrap().1.is_closed(), "nobody waits for its answer any more");
    slow.intake.close(Vec::new()).await.unwrap();
    for member in [&mut second, &mut third] {
        member.until("it owns some", |member| !member.owned.is_empty() || member.revoking.is_some()).await;
    }
    second.intake.close(Vec::new()).await.unwrap();
    third.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_is_quick_with_a_hand_over_open_and_frees_the_partitions_at_once() {
    let place = Place::new(4).await;
    let mut old = place.member();
    old.until_owns(4).await;
    let last = points(&old, 0);
    let mut new = place.member();
    old.until("it must give some up", |old| old.revoking.is_some()).await;
    let started = Instant::now();
    old.intake.close(last).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    new.until_owns(4).await;
    assert!(started.elapsed() < Duration::from_secs(12), "it was thrown out, it has not left: {:?}", started.elapsed());
    assert_eq!(place.committed(4).await, vec![Some(0); 4]);
    new.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_commits_nothing_of_a_partition_that_is_gone() {
    let place = Place::new(4).await;
    let mut old = place.member();
    old.until_owns(4).await;
    let former = points(&old, 0);
    let mut new = place.member();
    old.until("it must give some up", |old| old.revoking.is_some()).await;
    drop(old.revoking.take());
    new.until_owns(2).await;
    let closed = old.intake.close(former).await;
    assert!(matches!(closed, Err(IntakeError::FinalCommit(_))), "{closed:?}");
    assert_eq!(place.committed(4).await.iter().filter(|committed| committed.is_some()).count(), 2);
    new.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_holder_of_a_static_membership_ends_the_first() {
    let place = Place::new(1).await;
    let same = [("group.instance.id", "pod-0")];
    let mut first = place.member_with(&same, decode);
    first.until_owns(1).await;
    let second = place.member_with(&same, decode);
    let failure = tokio::time::timeout(PATIENCE, first.intake.failure()).await.unwrap();
    assert!(matches!(failure, IntakeError::Fatal(_)), "{failure:?}");
    first.intake.close(Vec::new()).await.unwrap();
    second.intake.close(Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_group_protocol_hands_over_too() {
    let place = Place::new(4).await;
    place.fill(4, 100).await;
    let protocol = [("group.protocol", "consumer")];
    let mut old = place.member_with(&protocol, decode);
    old.until_owns(4).await;
    let mut new = place.member_with(&protocol, decode);
    old.until("it must give some up", |old| old.revoking.is_some()).await;
    let (revoked, answer) = old.revoking.take().unwrap();
    let point = |(partition, epoch)| CommitPoint { partition, epoch, offset: 70, metadata: String::new() };
    answer.send(revoked.into_iter().map(point).collect()).unwrap();
    new.until("the peer reads on", |new| new.read.values().filter(|next| **next == 100).count() == 2).await;
    assert!(new.first.values().all(|first| *first == 70), "{:?}", new.first);
    old.intake.close(Vec::new()).await.unwrap();
    new.intake.close(Vec::new()).await.unwrap();
}

/// What a member that comes after a commit of `offset` with `metadata` is told to be settled.
async fn told_to_be_settled(place: &Place, offset: i64, metadata: &str) -> Option<OffsetMap> {
    place.reset(offset, metadata).await;
    let mut member = place.member();
    member.until_owns(1).await;
    let settled = member.owned[&partition(0)].settled.clone();
    member.intake.close(Vec::new()).await.unwrap();
    settled
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_before_had_settled_comes_with_the_partition() {
    let place = Place::new(1).await;
    place.fill(1, 100).await;
    let map = OffsetMap::of(40, 1_000, [42, 43, 99]).unwrap();
    let mut old = place.member();
    old.until_owns(1).await;
    let point = CommitPoint { metadata: map.encode(), ..old.point(0, 40) };
    old.intake.close(vec![point]).await.unwrap();
    let mut new = place.member();
    new.until_owns(1).await;
    assert_eq!(new.owned[&partition(0)].settled, Some(map.clone()));
    new.intake.close(Vec::new()).await.unwrap();

    assert_eq!(told_to_be_settled(&place, 40, &map.encode()).await, Some(map.clone()));
    assert_eq!(told_to_be_settled(&place, 40, "").await, None, "a reset with any other tool is a wish to redo");
    assert_eq!(told_to_be_settled(&place, 30, &map.encode()).await, None, "so is one that keeps the text");
    assert_eq!(told_to_be_settled(&place, 40, "moved by hand, ünd why").await, None);
}
