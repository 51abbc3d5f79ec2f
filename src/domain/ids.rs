//! Names of things: users, object types, places in Kafka.

use std::fmt;
use std::sync::Arc;

/// The id of a user as Sunbird writes it: opaque text, not always a UUID (`facts/sunbird.md` 5).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// Why a text cannot be a user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserId {
    #[error("is blank")]
    Blank,
    #[error("is longer than {} characters", UserId::MAX_CHARS)]
    TooLong,
    #[error("holds a control character")]
    ControlCharacter,
}

impl UserId {
    /// Keycloak keeps user references in `varchar(255)`; a longer id can have no row anywhere.
    pub const MAX_CHARS: usize = 255;

    /// Takes the text as it is: ids are case-sensitive and never trimmed.
    pub fn parse(text: &str) -> Result<Self, InvalidUserId> {
        if text.trim().is_empty() {
            return Err(InvalidUserId::Blank);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidUserId::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidUserId::ControlCharacter);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// What the Sync API calls `objectType`: `user` for people; each type has its own Cassandra table.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectType(Arc<str>);

impl ObjectType {
    pub fn user() -> Self {
        Self("user".into())
    }

    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_user(&self) -> bool {
        &*self.0 == "user"
    }
}

/// The three topics that are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum InputTopic {
    /// `{env}.delete.user`: the deletion API's; nothing of ours ever writes there.
    Delete,
    /// `{env}.user.purge.request`: whoever wants something done.
    Request,
    /// `{env}.user.purge.delay`: our own follow-ups.
    Delay,
}

impl InputTopic {
    pub const ALL: [Self; 3] = [Self::Delete, Self::Request, Self::Delay];

    pub fn class(self) -> Class {
        match self {
            Self::Delete => Class::Fresh,
            Self::Request | Self::Delay => Class::Other,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Request => "request",
            Self::Delay => "delay",
        }
    }
}

/// Who goes first: deletions that just happened, before everything else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    Fresh,
    Other,
}

impl Class {
    pub const ALL: [Self; 2] = [Self::Fresh, Self::Other];

    pub fn label(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Other => "other",
        }
    }
}

/// One partition of one input topic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Partition {
    pub topic: InputTopic,
    pub number: i32,
}

/// Counts the assignments of partitions to this process: what an older one completes moves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Epoch(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_opaque_text_but_never_blank_endless_or_unprintable() {
        for odd in ["o'brien", "a:b%c", " padded ", "ümläut", &"x".repeat(255)] {
            assert_eq!(UserId::parse(odd).map(|id| id.to_string()), Ok(odd.to_owned()));
        }
        assert_eq!(UserId::parse("  "), Err(InvalidUserId::Blank));
        assert_eq!(UserId::parse(&"x".repeat(256)), Err(InvalidUserId::TooLong));
        assert_eq!(UserId::parse("a\0b"), Err(InvalidUserId::ControlCharacter));
    }
}
