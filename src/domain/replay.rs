//! A replay, as far as the records that it tells again know of it: whose they are, and up to where.

use std::fmt;
use std::sync::Arc;

/// Names a replay in statuses and commits: short, and of letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReplayId(Arc<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {} letters, digits, - or _", ReplayId::MAX)]
pub struct InvalidReplayId;

impl ReplayId {
    /// It travels in every commit until the replay is over, beside the offset map.
    pub const MAX: usize = 40;

    pub fn parse(text: &str) -> Result<Self, InvalidReplayId> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let is_sound = (1..=Self::MAX).contains(&text.len()) && text.chars().all(is_plain);
        if is_sound { Ok(Self(text.into())) } else { Err(InvalidReplayId) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which records of a partition are told again on purpose.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReplayMark {
    pub id: ReplayId,
    /// The position that had been reached before: records below it are the replay's, the others are not.
    pub until: i64,
}

impl ReplayMark {
    /// Of a partition that is set to `new`: none where nothing is read again.
    pub fn of(id: ReplayId, new: i64, until: i64) -> Option<Self> {
        (new < until).then_some(Self { id, until })
    }

    pub fn covers(&self, offset: i64) -> bool {
        offset < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_stand_in_a_commit_and_in_a_status() {
        assert_eq!(ReplayId::parse("r-2026_11").map(|id| id.to_string()), Ok("r-2026_11".to_owned()));
        for odd in ["", "a b", "a@1", "ä", &"x".repeat(41)] {
            assert_eq!(ReplayId::parse(odd), Err(InvalidReplayId), "{odd}");
        }
    }

    #[test]
    fn only_what_was_reached_before_is_marked() {
        let id = ReplayId::parse("r").unwrap();
        assert_eq!(ReplayMark::of(id.clone(), 7, 7), None);
        let mark = ReplayMark::of(id, 6, 7).unwrap();
        assert!(mark.covers(6) && !mark.covers(7));
    }
}
