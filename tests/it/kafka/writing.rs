//! What is written, and the topics it is written to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, OwnedMessage};
use user_purge_sync::adapters::kafka::topic_admin::{CreateOptions, TopicError};
use user_purge_sync::adapters::kafka::{KafkaPublisher, Topic};
use user_purge_sync::domain::record::{OutputRecord, OutputTopic};
use user_purge_sync::ports::{Blame, Disposition, Publisher, Unpublished};

use crate::kafka::harness::Place;
use crate::scene::PATIENCE;

fn record(topic: OutputTopic, key: Option<&str>, payload: &str) -> OutputRecord {
    let headers = vec![("source", "here-0-7".to_owned()), ("empty", String::new())];
    OutputRecord { topic, key: key.map(|key| key.as_bytes().to_vec()), payload: payload.as_bytes().to_vec(), headers }
}

/// All records of a topic.
async fn read(place: &Place, topic: OutputTopic, count: usize) -> Vec<OwnedMessage> {
    let mut config = place.client();
    config.set("group.id", "reader").set("auto.offset.reset", "earliest").set("enable.partition.eof", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let name = place.topics.name(topic).to_owned();
    let partitions = if topic == OutputTopic::Failed { 1 } else { 4 };
    for number in 0..partitions {
        list.add_partition_offset(&name, number, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let all = move || {
        let next = || consumer.poll(PATIENCE).expect("another record").unwrap().detach();
        let mut records: Vec<_> = (0..count).map(|_| next()).collect();
        let more = consumer.poll(Duration::from_millis(300)).map(|record| record.unwrap().detach());
        records.extend(more);
        records
    };
    tokio::task::spawn_blocking(all).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_can_be_read_when_it_is_acknowledged() {
    let place = Place::new(4).await;
    let publisher = KafkaPublisher::try_new(&place.settings, Arc::clone(&place.topics)).unwrap();
    let statuses = (0..500).map(|number| record(OutputTopic::Status, Some(&format!("user-{}", number % 50)), "status"));
    publisher.publish(&statuses.collect::<Vec<_>>()).await.unwrap();
    publisher.publish(&[record(OutputTopic::Failed, None, "failed")]).await.unwrap();

    let statuses = read(&place, OutputTopic::Status, 500).await;
    assert_eq!(statuses.len(), 500);
    assert!(statuses.iter().all(|status| status.payload() == Some(b"status")));
    for user in 0..50 {
        let key = format!("user-{user}");
        let of_user: Vec<_> = statuses.iter().filter(|status| status.key() == Some(key.as_bytes())).collect();
        assert_eq!(of_user.len(), 10);
        assert!(of_user.iter().all(|status| status.partition() == of_user[0].partition()), "one user, one partition");
    }
    let failed = read(&place, OutputTopic::Failed, 1).await;
    assert_eq!((failed.len(), failed[0].key(), failed[0].payload()), (1, None, Some(&b"failed"[..])));
    let headers = failed[0].headers().unwrap();
    let headers: Vec<_> = headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect();
    assert_eq!(headers, vec![("source", &b"here-0-7"[..]), ("empty", &b""[..])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_rejected_and_the_others_are_written() {
    let place = Place::new(4).await;
    let publisher = KafkaPublisher::try_new(&place.settings, Arc::clone(&place.topics)).unwrap();
    let large = "x".repeat(2_000_000);
    let records = vec![
        record(OutputTopic::Status, Some("a"), "before"),
        record(OutputTopic::Status, Some("b"), &large),
        record(OutputTopic::Status, Some("a"), "after"),
    ];
    let Unpublished { failure, places } = publisher.publish(&records).await.unwrap_err();
    assert_eq!((failure.disposition, failure.reason.0.as_ref()), (Disposition::Reject, "kafka_too_large"));
    assert_eq!(places, [1]);
    let payloads = read(&place, OutputTopic::Status, 2).await;
    let payloads: Vec<_> = payloads.iter().map(|record| record.payload().unwrap()).collect();
    assert_eq!(payloads, vec![&b"before"[..], &b"after"[..]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_broker_answers_a_record_may_be_tried_again() {
    let mut place = Place::bare();
    place.settings.brokers = "127.0.0.1:1".to_owned();
    place.settings.properties.insert("delivery.timeout.ms".to_owned(), "1000".to_owned());
    let publisher = KafkaPublisher::try_new(&place.settings, Arc::clone(&place.topics)).unwrap();
    let Unpublished { failure, places } =
        publisher.publish(&[record(OutputTopic::Status, None, "x")]).await.unwrap_err();
    assert_eq!((failure.disposition, failure.reason.0.as_ref()), (Disposition::Retry(Blame::Server), "kafka_timeout"));
    assert_eq!(places, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_are_named_with_the_command_that_makes_them() {
    let place = Place::bare();
    let error = place.admin().require(&[Topic::Delete, Topic::Status]).await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, TopicError::Missing { .. }), "{error:?}");
    for part in [place.topics.name(Topic::Delete), place.topics.name(Topic::Status), "check --create-topics --with-"] {
        assert!(told.contains(part), "{told}");
    }
    let ours = place.admin().require(&[Topic::Status]).await.unwrap_err().to_string();
    assert!(ours.ends_with("check --create-topics`"), "{ours}");
    let publisher = KafkaPublisher::try_new(&place.settings, Arc::clone(&place.topics)).unwrap();
    let Unpublished { failure, places } =
        publisher.publish(&[record(OutputTopic::Status, None, "x")]).await.unwrap_err();
    assert_eq!((failure.disposition, failure.reason.0.as_ref()), (Disposition::Hold, "kafka_unknown_topic"));
    assert_eq!(places, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_as_they_should_be_and_sunbirds_only_when_asked_for() {
    let place = Place::bare();
    let admin = place.admin();
    let ours = [Topic::Request, Topic::Delay, Topic::Status, Topic::Failed, Topic::Control];
    assert_eq!(admin.create(CreateOptions::default()).await.unwrap(), ours);
    assert_eq!(admin.create(CreateOptions::default()).await.unwrap(), vec![]);
    assert_eq!(admin.missing(&Topic::ALL).await.unwrap(), vec![Topic::Delete]);
    assert_eq!(admin.warnings().await.unwrap(), vec![]);
    let all = CreateOptions { include_delete_topic: true, ..CreateOptions::default() };
    assert_eq!(admin.create(all).await.unwrap(), vec![Topic::Delete]);
    admin.require(&Topic::ALL).await.unwrap();

    let operator: AdminClient<DefaultClientContext> = place.client().create().unwrap();
    let careless = AlterConfig::new(ResourceSpecifier::Topic(place.topics.name(Topic::Delay)))
        .set("retention.ms", "60000")
        .set("cleanup.policy", "compact")
        .set("message.timestamp.type", "CreateTime");
    operator.alter_configs(&[careless], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    // The change is accepted by the controller, and the broker hears of it a moment later.
    let mut properties = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while properties.is_empty() && Instant::now() < deadline {
        properties = admin.warnings().await.unwrap().iter().map(|warning| warning.property).collect();
    }
    assert_eq!(properties, vec!["retention.ms", "cleanup.policy", "message.timestamp.type"]);
}
