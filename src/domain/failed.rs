//! What a record of the failed topic says, read back for those who work it off. The reverse of `report::failed` and
//! `report::redrive`.
//!
//! A failed record is open until a decision, a later record of the same partition, names its offset. So what was decided
//! is never lost with a consumer group's offset, and is gone no sooner than what it is about.

use serde::Deserialize;

use super::decode::decode;
use super::event::{Action, Decoded, Event, Subjects};
use super::ids::{InputTopic, UserId};

/// A record of the failed topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    Failed(Box<Failed>),
    Decided {
        /// The offset of the failed record, in this partition.
        of: i64,
        decision: Decision,
    },
    /// What later versions write, or others.
    Foreign,
}

/// What became of a failed record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Decision {
    /// It is on the request topic again.
    Redriven,
    /// A person has decided that nothing more is done.
    Parked,
}

impl Decision {
    pub const ALL: [Self; 2] = [Self::Redriven, Self::Parked];

    pub fn name(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::Parked => "parked",
        }
    }
}

/// Who or what failed, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    pub what: What,
    /// `failInfo.error`: a reason, and perhaps a dependency's word after a colon.
    pub error: String,
    pub stage: String,
    pub attempts: u32,
    pub retriable: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Event(Event),
    Undecodable(Undecodable),
}

/// A record that was no event when the worker met it: where it stands, and how to recognise it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecodable {
    /// The topic's name in Kafka.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub size: usize,
    /// SHA-256 of the payload, in hexadecimal.
    pub sha256: String,
}

impl Failed {
    /// `sync_failed`; of what could not be decoded there is one reason.
    pub fn reason(&self) -> &str {
        match &self.what {
            What::Event(_) => self.error.split(':').next().unwrap_or_default(),
            What::Undecodable(_) => "undecodable",
        }
    }

    /// None of a token range, nor of what could not be decoded.
    pub fn users(&self) -> &[UserId] {
        match &self.what {
            What::Event(Event { subjects: Subjects::Users(users), .. }) => users,
            What::Event(Event { subjects: Subjects::Range(_), .. }) | What::Undecodable(_) => &[],
        }
    }

    /// How often it was sent again already.
    pub fn redriven(&self) -> u32 {
        match &self.what {
            What::Event(event) => event.origin.redriven,
            What::Undecodable(_) => 0,
        }
    }

    fn action(&self) -> Option<Action> {
        match &self.what {
            What::Event(event) => Some(event.action),
            What::Undecodable(_) => None,
        }
    }
}

/// Which failed records are meant; an empty list means all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// A reason, or the whole error: `sync_failed`, `sync_failed: http_500`.
    pub reasons: Vec<String>,
    pub stages: Vec<String>,
    pub actions: Vec<Action>,
    pub users: Vec<UserId>,
    /// Milliseconds since 1970, the first one that counts.
    pub since: Option<i64>,
    /// The first one that does not count any more.
    pub until: Option<i64>,
}

impl Filter {
    /// `at`: when it failed, in milliseconds since 1970.
    pub fn wants(&self, failed: &Failed, at: i64) -> bool {
        (self.reasons.is_empty() || self.names(failed))
            && (self.stages.is_empty() || failed.stage.split(',').any(|one| self.stages.iter().any(|it| it == one)))
            && (self.actions.is_empty() || failed.action().is_some_and(|action| self.actions.contains(&action)))
            && (self.users.is_empty() || failed.users().iter().any(|user| self.users.contains(user)))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }

    fn names(&self, failed: &Failed) -> bool {
        self.reasons.iter().any(|reason| *reason == failed.reason() || *reason == failed.error)
    }

    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// What a redrive does with a failed record that is open and wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Course {
    /// Back to the request topic.
    Send,
    /// To be read again where it stood.
    Reread,
    /// It was sent as often as the limit allows: a person must look.
    Quarantined,
    /// As it is it can only fail again; it is sent when its reason is asked for by name.
    NotRetriable,
}

/// `limit`: how often one failure may be sent again.
pub fn course(failed: &Failed, filter: &Filter, limit: u32) -> Course {
    match failed.what {
        What::Undecodable(_) => Course::Reread,
        What::Event(_) if failed.redriven() >= limit => Course::Quarantined,
        What::Event(_) if !failed.retriable && !filter.names(failed) => Course::NotRetriable,
        What::Event(_) => Course::Send,
    }
}

pub fn read(payload: Option<&[u8]>) -> Entry {
    let Some(record) = payload.and_then(|payload| serde_json::from_slice::<Record>(payload).ok()) else {
        return Entry::Foreign;
    };
    let Record { decision, of, source, size, sha256, fail_info } = record;
    let decided = decision.and_then(|name| Decision::ALL.into_iter().find(|decision| decision.name() == name));
    if let (Some(decision), Some(of)) = (decided, of) {
        return Entry::Decided { of, decision };
    }
    let Some(FailInfo { error, stage, attempts, retriable }) = fail_info else { return Entry::Foreign };
    let what = match (source, size, sha256) {
        (Some(Position { topic, partition, offset }), Some(size), Some(sha256)) => {
            What::Undecodable(Undecodable { topic, partition, offset, size, sha256 })
        }
        // The worker writes what it could read as a request: read with the same strictness.
        _ => match decode(InputTopic::Request, payload) {
            Decoded::Event(event) => What::Event(event),
            Decoded::OtherAction | Decoded::Rejected(_) => return Entry::Foreign,
        },
    };
    Entry::Failed(Box::new(Failed { what, error, stage, attempts, retriable }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    decision: Option<String>,
    of: Option<i64>,
    source: Option<Position>,
    size: Option<usize>,
    sha256: Option<String>,
    fail_info: Option<FailInfo>,
}

#[derive(Deserialize)]
struct Position {
    topic: String,
    partition: i32,
    offset: i64,
}

#[derive(Deserialize)]
struct FailInfo {
    error: String,
    stage: String,
    attempts: u32,
    retriable: bool,
}

#[cfg(test)]
mod tests;
