//! One Kafka record, decoded: an action on one or more users.

use super::ids::{ObjectType, UserId};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    DeleteUser,
    ResyncUser,
    RetireLocalUser,
}

impl Action {
    pub const ALL: [Self; 3] = [Self::DeleteUser, Self::ResyncUser, Self::RetireLocalUser];

    pub fn name(self) -> &'static str {
        match self {
            Self::DeleteUser => "delete-user",
            Self::ResyncUser => "resync-user",
            Self::RetireLocalUser => "retire-local-user",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Why a follow-up was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// The row was not deleted yet, or not there: look again.
    Look,
    /// After a purge: what a login in flight may have written since.
    Sweep,
    /// The index only.
    Sync,
    /// Keycloak only.
    Purge,
}

impl Why {
    pub const ALL: [Self; 4] = [Self::Look, Self::Sweep, Self::Sync, Self::Purge];

    pub fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Sweep => "sweep",
            Self::Sync => "sync",
            Self::Purge => "purge",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.name() == name)
    }
}

/// `edata.followUp`: set by the worker alone, on the delay topic alone; elsewhere it is ignored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowUp {
    pub why: Why,
    /// How many looks came before this one.
    pub look: u32,
    /// The status id of the item that this follows.
    pub of: String,
}

/// Where a page's users come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subjects {
    /// Without repeats, in the event's order.
    Users(Vec<UserId>),
    Range(TokenRange),
}

/// Cassandra tokens, `start < token(id) <= end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenRange {
    pub start: i64,
    pub end: i64,
}

/// The fields of the envelope that may travel on: no name, address or payload among them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    pub mid: Option<String>,
    /// Milliseconds since 1970.
    pub ets: Option<i64>,
    /// Ids of `context.cdata`, an object or an array of them.
    pub cdata: Vec<(String, String)>,
    pub organisation_id: Option<String>,
    /// Who submitted it, when a command of ours did.
    pub request_id: Option<String>,
    /// How often `redrive` has sent it again: a quarantine needs to know, and only the event itself can tell.
    pub redriven: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub action: Action,
    pub object_type: ObjectType,
    pub subjects: Subjects,
    pub follow_up: Option<FollowUp>,
    pub origin: Origin,
}

/// What a record turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decoded {
    Event(Event),
    /// An action of other consumers on `{env}.delete.user`: counted, settled, nothing told.
    OtherAction,
    Rejected(Rejection),
}

/// Why a record is not an event. Says which field and what is wrong with it, never what stands in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Rejection {
    /// A path such as `edata.userId`, or `record` for the whole.
    pub field: &'static str,
    pub problem: &'static str,
    /// Bytes of the payload.
    pub size: usize,
    /// SHA-256 of the payload, in hexadecimal: recognises a record without holding it.
    pub hash: String,
}
