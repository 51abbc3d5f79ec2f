//! What the worker writes, read as it comes: any topic, and statuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::topics::STATUS;
use crate::{Topics, eventually};

/// One record of a topic.
#[derive(Clone, Debug)]
pub struct Written {
    pub key: Option<String>,
    pub value: Value,
    pub headers: Vec<(String, String)>,
    pub partition: i32,
    pub offset: i64,
}

/// Everything in a topic from its beginning, and what is written while this lives.
#[derive(Debug)]
pub struct Records {
    read: Arc<Mutex<Vec<Written>>>,
    reader: JoinHandle<()>,
}

impl Drop for Records {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Records {
    /// # Errors
    /// When Kafka does not answer.
    pub fn follow(topics: &Topics, topic: &str) -> anyhow::Result<Self> {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &topics.brokers)
            .set("group.id", format!("{}-reader", topics.env))
            .set("enable.auto.commit", "false")
            // A broker that was away may send it back; the end, librdkafka's choice, would leave records out.
            .set("auto.offset.reset", "earliest")
            .create()?;
        let name = topics.name(topic);
        let metadata = consumer.fetch_metadata(Some(&name), Duration::from_secs(10))?;
        let mut list = TopicPartitionList::new();
        let partitions = metadata.topics().first().context("the topic that was asked for")?.partitions();
        // Nothing would ever be read.
        ensure!(!partitions.is_empty(), "{name} has no partitions");
        for partition in partitions {
            list.add_partition_offset(&name, partition.id(), Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let read = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&read);
        let reader = tokio::spawn(async move {
            let mut next: BTreeMap<i32, i64> = BTreeMap::new();
            loop {
                // Errors of a broker that is away: the client reads on by itself.
                let Ok(message) = consumer.recv().await else { continue };
                let next = next.entry(message.partition()).or_default();
                if message.offset() >= *next {
                    *next = message.offset() + 1;
                    sink.lock().expect("no reader panics").push(written(&message));
                }
            }
        });
        Ok(Self { read, reader })
    }

    #[must_use]
    pub fn all(&self) -> Vec<Written> {
        self.read.lock().expect("no reader panics").clone()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.read.lock().expect("no reader panics").len()
    }

    /// Waits until the records read so far are as wanted.
    ///
    /// # Errors
    /// After `patience`, with how many there were.
    pub async fn until(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&[Written]) -> bool,
    ) -> anyhow::Result<Vec<Written>> {
        let look = async || {
            let all = self.all();
            wanted(&all).then_some(all)
        };
        eventually(what, patience, look).await.with_context(|| format!("{} records were read", self.count()))
    }
}

fn written(message: &rdkafka::message::BorrowedMessage) -> Written {
    let headers = message.headers().map(|headers| {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    let payload = message.payload().unwrap_or_default();
    Written {
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: serde_json::from_slice(payload).unwrap_or(Value::Null),
        headers: headers.unwrap_or_default(),
        partition: message.partition(),
        offset: message.offset(),
    }
}

/// What became of one user of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub mid: String,
    pub user: String,
    pub action: String,
    pub status: String,
    pub reason: String,
    pub is_final: bool,
    pub look: u64,
    /// The whole record.
    pub record: Value,
}

impl Status {
    fn of(record: Value) -> Self {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            mid: text("/mid"),
            user: text("/object/id"),
            action: text("/edata/action"),
            status: text("/edata/status"),
            reason: text("/edata/reason"),
            is_final: record["edata"]["final"] == true,
            look: record["edata"]["look"].as_u64().unwrap_or_default(),
            record,
        }
    }

    /// `lookup`, `sync` or `purge`: its status.
    #[must_use]
    pub fn stage(&self, stage: &str) -> &str {
        self.record["edata"]["stages"][stage]["status"].as_str().unwrap_or_default()
    }

    /// `SUCCESS purged`.
    #[must_use]
    pub fn ending(&self) -> String {
        format!("{} {}", self.status, self.reason)
    }
}

/// The status topic. A record is parsed once: waiting costs the worker under test no time.
#[derive(Debug)]
pub struct Statuses {
    records: Records,
    parsed: Mutex<Vec<Status>>,
}

impl Statuses {
    /// # Errors
    /// When Kafka does not answer.
    pub fn follow(topics: &Topics) -> anyhow::Result<Self> {
        Ok(Self { records: Records::follow(topics, STATUS)?, parsed: Mutex::default() })
    }

    fn look<T>(&self, look: impl FnOnce(&[Status]) -> T) -> T {
        let mut parsed = self.parsed.lock().expect("no look panics");
        let read = self.records.read.lock().expect("no reader panics");
        let new = read.iter().skip(parsed.len()).map(|written| Status::of(written.value.clone()));
        parsed.extend(new);
        drop(read);
        look(&parsed)
    }

    #[must_use]
    pub fn all(&self) -> Vec<Status> {
        self.look(<[Status]>::to_vec)
    }

    #[must_use]
    pub fn of(&self, user: &str) -> Vec<Status> {
        self.look(|all| all.iter().filter(|status| status.user == user).cloned().collect())
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.records.count()
    }

    /// Waits until the statuses read so far are as wanted.
    ///
    /// # Errors
    /// After `patience`, with how many there were by ending.
    pub async fn until(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&[Status]) -> bool,
    ) -> anyhow::Result<Vec<Status>> {
        let mut seen = usize::MAX;
        let found = eventually(what, patience, async || {
            let count = self.count();
            if count == seen {
                return None;
            }
            seen = count;
            self.look(|all| wanted(all).then(|| all.to_vec()))
        });
        found.await.with_context(|| format!("statuses: {:?}", self.endings()))
    }

    /// How many statuses there are, by ending.
    #[must_use]
    pub fn endings(&self) -> BTreeMap<String, usize> {
        self.look(|all| {
            let mut counts = BTreeMap::new();
            for status in all {
                *counts.entry(status.ending()).or_default() += 1;
            }
            counts
        })
    }
}
