//! What a commit says beside its offset: a replay's mark, in plain text for whoever looks, and the offset map.
//!
//! Both are of this one offset: after an operator's reset by other tools they say nothing.

use super::offset_map::{MAX_METADATA, OffsetMap};
use super::replay::{ReplayId, ReplayMark};

/// `replay=ID@OFFSET..UNTIL;` before the map. An older version reads neither then, and does the work again.
const PREFIX: &str = "replay=";

/// Bytes of the longest mark: an id, two offsets of 19 digits, and what stands between them.
pub(super) const MARK_ROOM: usize = PREFIX.len() + ReplayId::MAX + 2 * 19 + 4;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Metadata {
    pub settled: Option<OffsetMap>,
    pub replay: Option<ReplayMark>,
}

impl Metadata {
    /// At most `MAX_METADATA` characters. A mark that covers nothing from `offset` on is left out.
    pub fn encode(&self, offset: i64) -> String {
        let mark = self.replay.as_ref().filter(|mark| mark.covers(offset));
        let mark = mark.map(|ReplayMark { id, until }| format!("{PREFIX}{id}@{offset}..{until};"));
        mark.unwrap_or_default() + &self.settled.as_ref().map_or_else(String::new, OffsetMap::encode)
    }

    /// Of a commit of `committed`; whatever is not ours says nothing.
    pub fn decode(text: &str, committed: i64) -> Self {
        if text.len() > MAX_METADATA {
            return Self::default();
        }
        let Some((mark, map)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(';')) else {
            return Self { settled: OffsetMap::decode(text, committed), replay: None };
        };
        Self { settled: OffsetMap::decode(map, committed), replay: read_mark(mark, committed) }
    }
}

fn read_mark(text: &str, committed: i64) -> Option<ReplayMark> {
    let (id, range) = text.split_once('@')?;
    let (offset, until) = range.split_once("..")?;
    let is_of_this_commit = offset.parse() == Ok(committed);
    let mark = ReplayMark::of(ReplayId::parse(id).ok()?, committed, until.parse().ok()?);
    mark.filter(|_| is_of_this_commit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::offset_map::SPAN;
    use super::*;

    fn mark(id: &str, until: i64) -> Option<ReplayMark> {
        Some(ReplayMark { id: ReplayId::parse(id).unwrap(), until })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again_at_its_own_offset_alone(
            offset in 0..i64::MAX - SPAN,
            above in proptest::collection::btree_set(0..SPAN, 0..50),
            replay in proptest::option::of(("[A-Za-z0-9_-]{1,40}", 1..1000_i64)),
        ) {
            let settled = OffsetMap::of(offset, 7, above.iter().map(|above| offset + above));
            let replay = replay.and_then(|(id, length)| mark(&id, offset.saturating_add(length)));
            let metadata = Metadata { settled, replay };
            let text = metadata.encode(offset);
            prop_assert!(text.len() <= MAX_METADATA);
            prop_assert_eq!(Metadata::decode(&text, offset + 1), Metadata::default());
            prop_assert_eq!(Metadata::decode(&text, offset), metadata);
        }

        #[test]
        fn text_of_others_says_nothing(text in prop_oneof!["\\PC*", "replay=[a-z@.;0-9-]{0,60}"], committed in any::<i64>()) {
            let metadata = Metadata::decode(&text, committed);
            prop_assert!(metadata.replay.is_none_or(|mark| mark.covers(committed)));
        }
    }

    #[test]
    fn a_full_map_and_the_longest_mark_fit() {
        let offset = i64::MAX - SPAN - 1;
        let settled = OffsetMap::of(offset, 7, offset..offset + SPAN);
        let metadata = Metadata { settled, replay: mark(&"x".repeat(ReplayId::MAX), i64::MAX) };
        let text = metadata.encode(offset);
        assert!(text.len() <= MAX_METADATA, "{}", text.len());
        assert_eq!(Metadata::decode(&text, offset), metadata);
    }

    #[test]
    fn a_replay_that_is_over_is_told_no_more() {
        assert_eq!(Metadata { settled: None, replay: mark("r", 7) }.encode(7), "");
        assert_eq!(Metadata { settled: None, replay: mark("r", 7) }.encode(5), "replay=r@5..7;");
    }
}
