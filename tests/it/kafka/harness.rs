//! A place of its own in a real Kafka for each test, and a member of a group that a test drives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use local_stack::Stack;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use user_purge_sync::adapters::kafka::topic_admin::CreateOptions;
use user_purge_sync::adapters::kafka::{Decode, Intake, IntakeOptions, Topic, TopicAdmin, Topics};
use user_purge_sync::domain::event::{Decoded, Rejection};
use user_purge_sync::domain::ids::{InputTopic, Partition};
use user_purge_sync::ports::log::Delivery;
use user_purge_sync::ports::pulse::Pulse;
use user_purge_sync::settings::{KafkaSettings, TopicSettings};

use super::member::Member;
use crate::scene::PATIENCE;

/// The payload comes back where a test can see it.
pub fn decode(_: InputTopic, payload: Option<&[u8]>) -> Decoded {
    let text = String::from_utf8_lossy(payload.unwrap_or_default()).into_owned();
    Decoded::Rejected(Rejection { field: "record", problem: "a test", size: text.len(), hash: text })
}

pub fn text(record: &Delivery) -> &str {
    match &record.decoded {
        Decoded::Rejected(rejection) => &rejection.hash,
        other => panic!("{other:?}"),
    }
}

pub fn partition(number: i32) -> Partition {
    Partition { topic: InputTopic::Request, number }
}

/// Topics and a group that no other test has.
pub struct Place {
    pub settings: KafkaSettings,
    pub topics: Arc<Topics>,
    pub group: String,
    /// Where it was made, whatever a test then makes of its settings.
    brokers: String,
}

impl Place {
    /// Without topics.
    pub fn bare() -> Self {
        Self::bare_on(&Stack::shared().kafka)
    }

    fn bare_on(brokers: &str) -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        let env = format!("t{now}-{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let name = |topic: &str| format!("{{env}}.{topic}");
        let topics = TopicSettings {
            delete: name("delete.user"),
            request: name("user.purge.request"),
            delay: name("user.purge.delay"),
            status: name("user.purge.status"),
            failed: name("user.purge.failed"),
            control: name("user.purge.control"),
        };
        let settings = KafkaSettings {
            brokers: brokers.to_owned(),
            group: "{env}-group".to_owned(),
            session_timeout: Duration::from_secs(6),
            commit_interval: Duration::from_secs(1),
            properties: BTreeMap::new(),
            property_files: BTreeMap::new(),
        };
        let topics = Arc::new(Topics::try_new(&env, &topics).unwrap());
        Self { settings, topics, group: format!("{env}-group"), brokers: brokers.to_owned() }
    }

    pub async fn new(partitions: i32) -> Self {
        Self::on(&Stack::shared().kafka, partitions).await
    }

    pub async fn on(brokers: &str, partitions: i32) -> Self {
        let place = Self::bare_on(brokers);
        place.admin().create(CreateOptions { partitions, include_delete_topic: true }).await.unwrap();
        place
    }

    pub fn admin(&self) -> TopicAdmin {
        TopicAdmin::try_new(&self.settings, Arc::clone(&self.topics)).unwrap()
    }

    /// `count` records in each of the request topic's first partitions; each says its number.
    pub async fn fill(&self, partitions: i32, count: usize) {
        let producer: FutureProducer = self.client().set("linger.ms", "5").create().unwrap();
        let name = self.topics.name(InputTopic::Request);
        for number in 0..partitions {
            let mut deliveries = Vec::with_capacity(count);
            for text in (0..count).map(|text| text.to_string()) {
                let record = FutureRecord::<str, str>::to(name).partition(number).payload(&text).key("k");
                deliveries.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
            }
            for delivery in deliveries {
                delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
            }
        }
    }

    /// One record; answers when it was acknowledged.
    pub async fn say(&self, text: &str) -> Instant {
        let producer: FutureProducer = self.client().create().unwrap();
        let record = FutureRecord::<str, str>::to(self.topics.name(InputTopic::Request)).partition(0).payload(text);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error).unwrap();
        Instant::now()
    }

    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers).set("queue.buffering.max.messages", "1000000");
        config
    }

    /// What the broker has committed for the first partitions of the request topic.
    pub async fn committed(&self, partitions: i32) -> Vec<Option<i64>> {
        let consumer: BaseConsumer = self.client().set("group.id", &self.group).create().unwrap();
        let name = self.topics.name(InputTopic::Request).to_owned();
        let read = move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&name, 0, partitions - 1);
            let list = consumer.committed_offsets(list, PATIENCE).unwrap();
            let offset = |offset| match offset {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            list.elements().iter().map(|element| offset(element.offset())).collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// The metadata that the broker has for the first partition of the request topic.
    pub async fn metadata(&self) -> String {
        let consumer: BaseConsumer = self.client().set("group.id", &self.group).create().unwrap();
        let name = self.topics.name(InputTopic::Request).to_owned();
        let read = move || {
            let mut list = TopicPartitionList::new();
            list.add_partition(&name, 0);
            let list = consumer.committed_offsets(list, PATIENCE).unwrap();
            list.elements()[0].metadata().to_owned()
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// What an operator's tool does to a group without members, on the first partition of the request topic.
    pub async fn reset(&self, offset: i64, metadata: &str) {
        let consumer: BaseConsumer = self.client().set("group.id", &self.group).create().unwrap();
        let (name, metadata) = (self.topics.name(InputTopic::Request).to_owned(), metadata.to_owned());
        let write = move || {
            let mut list = TopicPartitionList::new();
            let mut element = list.add_partition(&name, 0);
            element.set_offset(Offset::Offset(offset)).unwrap();
            if !metadata.is_empty() {
                element.set_metadata(&metadata);
            }
            consumer.commit(&list, CommitMode::Sync).unwrap();
        };
        tokio::task::spawn_blocking(write).await.unwrap();
    }

    pub fn member(&self) -> Member {
        self.member_with(&[], decode)
    }

    pub fn member_with(&self, properties: &[(&str, &str)], decode: Decode) -> Member {
        let mut settings = self.settings.clone();
        let own = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        settings.properties.extend(own);
        let inputs = vec![InputTopic::Request];
        let drain_timeout = Duration::from_secs(10);
        let (group, pulse) = (self.group.clone(), Arc::new(Pulse::new()));
        let options = IntakeOptions { group, inputs, room: 1000, decode, drain_timeout, pulse: Arc::clone(&pulse) };
        let (intake, arrivals) = Intake::start(&settings, &self.topics, &options).unwrap();
        Member {
            intake,
            pulse,
            arrivals,
            owned: BTreeMap::new(),
            read: BTreeMap::new(),
            first: BTreeMap::new(),
            revoking: None,
            lost: Vec::new(),
            withhold: false,
        }
    }
}

impl Drop for Place {
    /// Leaves the shared broker as it was.
    fn drop(&mut self) {
        if self.settings.brokers == self.brokers {
            let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
            let names = Topic::ALL.map(|topic| self.topics.name(topic));
            // Topics that a test has not made are none to delete.
            drop(futures::executor::block_on(admin.delete_topics(&names, &AdminOptions::new())));
        }
    }
}

/// Looks again and again until it is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
