//! What the topics know of one user: what was asked for, told, put off, and what failed.
//!
//! Every partition is read from a time on. A key's partition could be computed, but only while nobody has added
//! partitions or changed the partitioner; reading all of them is right in any case.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::adapters::kafka::reading::{Found, Start, TopicReader};
use crate::adapters::kafka::topic_admin::TopicError;
use crate::adapters::kafka::{Topic, Topics};
use crate::domain::decode::decode;
use crate::domain::event::{Decoded, Event, Subjects};
use crate::domain::failed::{self, Decision, Entry, Failed};
use crate::domain::ids::{InputTopic, UserId};

#[derive(Default)]
pub(super) struct Trail {
    pub asked: Vec<Asked>,
    /// In the order in which they were told: a user's statuses are in one partition.
    pub told: Vec<Told>,
    pub failures: Vec<FailedHere>,
}

/// An event that names the user.
pub(super) struct Asked {
    pub topic: InputTopic,
    /// `{topic}-{partition}-{offset}`: how the ids of its statuses begin.
    pub place: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub event: Event,
}

/// A failed record that names the user.
pub(super) struct FailedHere {
    pub at: i64,
    pub failed: Failed,
    pub decision: Option<Decision>,
}

/// One status, in the words it was told in.
#[derive(Deserialize)]
pub(super) struct Told {
    pub mid: String,
    pub ets: i64,
    pub edata: Edata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edata {
    pub action: String,
    #[serde(rename = "final")]
    pub is_final: bool,
    pub status: String,
    pub reason: String,
    pub access: String,
    pub dry_run: bool,
    pub request_id: Option<String>,
    /// By name.
    pub stages: BTreeMap<String, Stage>,
}

#[derive(Deserialize)]
pub(super) struct Stage {
    pub status: String,
    pub error: Option<String>,
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
}

impl Trail {
    /// # Errors
    /// When Kafka does not answer, or has no such topic.
    pub(super) async fn read(
        reader: &TopicReader,
        topics: &Topics,
        user: &UserId,
        since: i64,
    ) -> Result<Self, TopicError> {
        let mut trail = Self::default();
        for topic in InputTopic::ALL {
            trail.read_asked(reader, (topic, topics.name(topic)), user, since).await?;
        }
        let mut reading = reader.read(topics.name(Topic::Status), Start::Time(since)).await?;
        while let Some(found) = reading.next().await? {
            if found.key.as_deref() == Some(user.as_str().as_bytes()) {
                trail.told.extend(found.payload.as_deref().and_then(|told| serde_json::from_slice(told).ok()));
            }
        }
        trail.read_failed(reader, topics.name(Topic::Failed), user, since).await?;
        Ok(trail)
    }

    async fn read_asked(
        &mut self,
        reader: &TopicReader,
        (topic, name): (InputTopic, &str),
        user: &UserId,
        since: i64,
    ) -> Result<(), TopicError> {
        let mut reading = reader.read(name, Start::Time(since)).await?;
        while let Some(found) = reading.next().await? {
            let Decoded::Event(event) = decode(topic, found.payload.as_deref()) else { continue };
            if matches!(&event.subjects, Subjects::Users(users) if users.contains(user)) {
                let Found { partition, offset, at, .. } = found;
                self.asked.push(Asked { topic, place: format!("{name}-{partition}-{offset}"), at, event });
            }
        }
        Ok(())
    }

    async fn read_failed(
        &mut self,
        reader: &TopicReader,
        name: &str,
        user: &UserId,
        since: i64,
    ) -> Result<(), TopicError> {
        let mut reading = reader.read(name, Start::Time(since)).await?;
        // Where in the list: a decision comes after what it is about, in the same partition.
        let mut places = HashMap::new();
        while let Some(found) = reading.next().await? {
            match failed::read(found.payload.as_deref()) {
                Entry::Failed(failed) if failed.users().contains(user) => {
                    places.insert((found.partition, found.offset), self.failures.len());
                    self.failures.push(FailedHere { at: found.at, failed: *failed, decision: None });
                }
                Entry::Decided { of, decision } => {
                    if let Some(place) = places.get(&(found.partition, of)) {
                        self.failures[*place].decision = Some(decision);
                    }
                }
                Entry::Failed(_) | Entry::Foreign => {}
            }
        }
        Ok(())
    }

    /// Those that were told for good or put off, dry runs apart.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| !told.edata.dry_run)
    }

    /// The oldest event that no worker has told anything of. A follow-up is the worker's own: what it follows was told.
    pub(super) fn unanswered(&self, user: &UserId) -> Option<&Asked> {
        let answered = |asked: &Asked| {
            let id = format!("{}-{user}", asked.place);
            self.counted().any(|told| told.mid.starts_with(&id))
        };
        self.asked.iter().filter(|asked| asked.topic != InputTopic::Delay).find(|asked| !answered(asked))
    }
}
