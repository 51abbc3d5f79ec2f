//! The Kafka adapter and a broker that is killed and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local_stack::{Faults, Service};
use user_purge_sync::adapters::kafka::{KafkaPublisher, Trouble};
use user_purge_sync::domain::record::{OutputRecord, OutputTopic};
use user_purge_sync::ports::log::OffsetSink;
use user_purge_sync::ports::{Blame, Disposition, Publisher, Unpublished};

use crate::kafka::harness::{Place, eventually, partition};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_seconds_loses_nothing_and_ends_by_itself() {
    let faults = Faults::up().unwrap();
    let place = Place::on(&faults.stack.kafka, 4).await;
    place.fill(4, 20_000).await;
    let mut member = place.member();
    member.until_owns(4).await;
    let committer = member.intake.committer();
    let publisher = Arc::new(KafkaPublisher::try_new(&place.settings, Arc::clone(&place.topics)).unwrap());
    member.until("some is read", |member| member.read.values().any(|next| *next > 100)).await;
    member.owned.values().for_each(|owned| owned.gate.set_closed(true));

    faults.kill(Service::Kafka).unwrap();
    let killed = Instant::now();
    let points: Vec<_> = (0..4).map(|number| member.point(number, 1)).collect();
    committer.commit(points);
    let status = |key: u32| OutputRecord {
        topic: OutputTopic::Status,
        key: Some(key.to_string().into_bytes()),
        payload: b"status".to_vec(),
        headers: Vec::new(),
    };
    let publishing = tokio::spawn({
        let publisher = Arc::clone(&publisher);
        async move {
            // As the pipeline does, should the broker be away for longer than a record is kept.
            while let Err(Unpublished { failure, .. }) =
                publisher.publish(&(0..100).map(status).collect::<Vec<_>>()).await
            {
                assert_eq!(failure.disposition, Disposition::Retry(Blame::Server), "{failure:?}");
            }
        }
    });
    member.until("the outage is noticed", |member| member.intake.troubles().now() == Some(Trouble::Unreachable)).await;
    member
        .stays(Duration::from_secs(5).saturating_sub(killed.elapsed()), "the thread lives", |member| {
            member.pulse.silence().unwrap() < Duration::from_secs(1)
        })
        .await;
    faults.start(Service::Kafka).unwrap();

    publishing.await.unwrap();
    member.owned.values().for_each(|owned| owned.gate.set_closed(false));
    member
        .until("all is read", |member| {
            (0..4).all(|number| member.read.get(&partition(number)) == Some(&20_000))
                && member.intake.troubles().now().is_none()
        })
        .await;
    assert_eq!(member.owned.len(), 4);
    let points: Vec<_> = (0..4).map(|number| member.point(number, 20_000)).collect();
    committer.commit(points);
    eventually("commits go on", || committer.committed().values().filter(|offset| **offset == 20_000).count() == 4)
        .await;
    member.intake.close(Vec::new()).await.unwrap();
    assert_eq!(place.committed(4).await, vec![Some(20_000); 4]);
}
