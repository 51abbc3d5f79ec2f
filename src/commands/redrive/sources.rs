//! Where undecodable records stood: whether they are still kept, and what they say when they are read again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Stop;
use crate::adapters::kafka::reading::{Extent, TopicReader};
use crate::adapters::kafka::topic_admin::TopicError;
use crate::adapters::kafka::{Topic, TopicAdmin, Topics};
use crate::commands::calendar::now_millis;
use crate::commands::world;
use crate::domain::decode::{decode, hash};
use crate::domain::event::{Decoded, Event};
use crate::domain::failed::Undecodable;
use crate::settings::Settings;

/// A person needs so long to hear of it and to bring a version that decodes it.
const SOON: Duration = Duration::from_hours(48);

/// How long a source record is still there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kept {
    Long,
    /// Kafka may remove it within [`SOON`].
    Soon,
    Gone,
}

/// What a source record says now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reread {
    Event(Event),
    /// Still none, and why.
    Still(String),
    /// An event, but of other consumers.
    OtherAction,
    Gone,
    /// Another record stands there: the topic was made anew.
    Another,
}

pub(super) struct Sources {
    reader: TopicReader,
    admin: TopicAdmin,
    topics: Arc<Topics>,
    extents: HashMap<String, Extent>,
    /// Per topic and partition, the first offset that is kept for longer than [`SOON`].
    lasting: HashMap<(String, i32), i64>,
}

impl Sources {
    pub(super) fn new(settings: &Settings, reader: TopicReader) -> anyhow::Result<Self> {
        let (admin, topics) = (world::topic_admin(settings)?, world::topics(settings)?);
        Ok(Self { reader, admin, topics, extents: HashMap::new(), lasting: HashMap::new() })
    }

    pub(super) async fn kept(&mut self, place: &Undecodable) -> Result<Kept, Stop> {
        let Undecodable { topic, partition, offset, .. } = place;
        let Some((low, high)) = self.extent(topic).await?.get(partition).copied() else { return Ok(Kept::Gone) };
        if !(low..high).contains(offset) {
            return Ok(Kept::Gone);
        }
        let lasting = self.lasting(topic, *partition).await?;
        Ok(if *offset < lasting { Kept::Soon } else { Kept::Long })
    }

    async fn extent(&mut self, topic: &str) -> Result<&Extent, Stop> {
        if !self.extents.contains_key(topic) {
            let extent = match self.reader.extent(topic).await {
                Err(TopicError::Missing { .. }) => Extent::new(),
                answer => answer?,
            };
            self.extents.insert(topic.to_owned(), extent);
        }
        Ok(&self.extents[topic])
    }

    async fn lasting(&mut self, topic: &str, partition: i32) -> Result<i64, Stop> {
        let key = (topic.to_owned(), partition);
        if let Some(lasting) = self.lasting.get(&key) {
            return Ok(*lasting);
        }
        let input = self.topics.input_named(topic);
        let kept = match input {
            Some(input) => self.admin.retention(input.into()).await?,
            None => None,
        };
        let lasting = match kept {
            None => 0,
            Some(kept) => {
                let since = leaving_before(kept);
                self.reader.first_since(topic, partition, since).await?.unwrap_or(i64::MAX)
            }
        };
        self.lasting.insert(key, lasting);
        Ok(lasting)
    }

    /// What is older than that, in milliseconds since 1970, may be removed within [`SOON`]; `None` where all is kept.
    pub(super) async fn leaving_before(&self, topic: Topic) -> Result<Option<i64>, Stop> {
        Ok(self.admin.retention(topic).await?.map(leaving_before))
    }

    /// Reads it where it stood, with what this version understands.
    pub(super) async fn reread(&mut self, place: &Undecodable) -> Result<Reread, Stop> {
        let Undecodable { topic, partition, offset, size, sha256 } = place;
        // Nothing but our input topics can have been its source; whatever names another one is not followed.
        let Some(input) = self.topics.input_named(topic) else { return Ok(Reread::Gone) };
        let found = match self.reader.at(topic, *partition, *offset).await {
            Err(TopicError::Missing { .. }) => None,
            answer => answer?,
        };
        let Some(found) = found else { return Ok(Reread::Gone) };
        let payload = found.payload.as_deref();
        if payload.map_or(0, <[u8]>::len) != *size || hash(payload) != *sha256 {
            return Ok(Reread::Another);
        }
        Ok(match decode(input, payload) {
            Decoded::Event(event) => Reread::Event(Event { follow_up: None, ..event }),
            Decoded::OtherAction => Reread::OtherAction,
            Decoded::Rejected(rejection) => Reread::Still(rejection.to_string()),
        })
    }
}

fn leaving_before(kept: Duration) -> i64 {
    let age = i64::try_from(kept.saturating_sub(SOON).as_millis()).unwrap_or(i64::MAX);
    now_millis().saturating_sub(age)
}
