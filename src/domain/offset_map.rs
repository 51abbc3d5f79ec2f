//! What is settled above a committed offset, as text for the commit's metadata: after a crash the next owner skips it.
//!
//! The text is base64 of: a version byte, a checksum of what follows, the frontier, the time of the newest record
//! delivered, and one bit per offset from the frontier on. Whatever does not read so, another version's text or another
//! tool's, says nothing, and the work is done again. So does a map whose frontier is not the committed offset: an
//! operator who resets a group wants the work done again.
//!
//! A log that lost its end (an unclean election, a restored disk) is written anew from there, and other records come at
//! the offsets that the map knows. They are newer than the newest record of the map, and so it does not settle them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::metadata::MARK_ROOM;

/// What a broker keeps of metadata by default (`offset.metadata.max.bytes`, `facts/kafka.md` 8.1).
pub const MAX_METADATA: usize = 4096;

const VERSION: u8 = 1;
const HEADER: usize = 1 + CHECKSUM + 8 + 8;
const CHECKSUM: usize = 4;
/// Of the bits: what a replay's mark leaves of `MAX_METADATA`, when base64 has made four of every three bytes.
const MAX_BYTES: usize = (MAX_METADATA - MARK_ROOM) / 4 * 3 - HEADER;

/// Offsets from the frontier on that a map can speak of. The intake reads no further ahead of its frontier.
#[expect(clippy::cast_possible_wrap, reason = "a few thousand")]
pub const SPAN: i64 = MAX_BYTES as i64 * 8;

/// Read from the metadata of a commit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OffsetMap {
    frontier: i64,
    /// Milliseconds since 1970.
    newest: i64,
    /// Bit `i` is the offset `frontier + i`. The frontier itself is settled only when it was so by an owner before and
    /// is not delivered yet.
    bits: Vec<u8>,
}

impl OffsetMap {
    /// `newest`: of the records delivered so far, milliseconds since 1970. `settled`: ascending, not below the
    /// frontier; what is beyond `SPAN` is left out. `None` when nothing is settled there.
    pub fn of(frontier: i64, newest: i64, settled: impl IntoIterator<Item = i64>) -> Option<Self> {
        let mut bits = Vec::new();
        for offset in settled {
            let Some((byte, bit)) = place(frontier, offset) else { continue };
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            bits[byte] |= bit;
        }
        (!bits.is_empty()).then_some(Self { frontier, newest, bits })
    }

    /// At most `MAX_METADATA` characters.
    pub fn encode(&self) -> String {
        let content = [&self.frontier.to_be_bytes()[..], &self.newest.to_be_bytes(), &self.bits].concat();
        STANDARD_NO_PAD.encode([&[VERSION][..], &checksum(&content), &content].concat())
    }

    /// The map of a commit of `committed`, if `metadata` is one.
    pub fn decode(metadata: &str, committed: i64) -> Option<Self> {
        if metadata.len() > MAX_METADATA {
            return None;
        }
        let bytes = STANDARD_NO_PAD.decode(metadata).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (sum, content) = rest.split_first_chunk::<CHECKSUM>()?;
        let (frontier, rest) = content.split_first_chunk()?;
        let (newest, bits) = rest.split_first_chunk()?;
        let map =
            Self { frontier: i64::from_be_bytes(*frontier), newest: i64::from_be_bytes(*newest), bits: bits.to_vec() };
        let is_whole = *version == VERSION && *sum == checksum(content);
        (is_whole && map.frontier == committed).then_some(map)
    }

    /// The time of the newest record that whoever wrote it had seen, milliseconds since 1970.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// The offset after the last that it settles.
    pub fn end(&self) -> i64 {
        self.settled_above(i64::MIN).last().map_or(self.frontier, |last| last.saturating_add(1))
    }

    /// Ascending: what it settles above `offset`.
    pub fn settled_above(&self, offset: i64) -> impl Iterator<Item = i64> {
        let of_byte = move |(byte, bits): (i64, &u8)| {
            let (first, bits) = (self.frontier.saturating_add(byte * 8), *bits);
            (0..8).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| first.saturating_add(bit))
        };
        let bits = (0..).zip(&self.bits).flat_map(of_byte);
        bits.filter(move |settled| *settled > offset)
    }

    /// Whether the record of this offset and time (milliseconds since 1970) is settled. One without a time never is: it
    /// cannot be told from one that took its place.
    pub fn settles(&self, offset: i64, timestamp: Option<i64>) -> bool {
        let is_old = timestamp.is_some_and(|timestamp| timestamp <= self.newest);
        let is_set = |(byte, bit): (usize, u8)| self.bits.get(byte).is_some_and(|bits| bits & bit != 0);
        is_old && place(self.frontier, offset).is_some_and(is_set)
    }
}

/// A map that was damaged on its way must not settle what never was.
fn checksum(content: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::digest(content);
    std::array::from_fn(|index| hash[index])
}

/// The byte and the bit of an offset, if a map of this frontier can have one.
fn place(frontier: i64, offset: i64) -> Option<(usize, u8)> {
    let above = offset.checked_sub(frontier)?;
    let index = usize::try_from(above).ok().filter(|_| above < SPAN)?;
    Some((index / 8, 1 << (index % 8)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn written(frontier: i64, newest: i64, settled: &BTreeSet<i64>) -> String {
        OffsetMap::of(frontier, newest, settled.iter().copied()).map_or_else(String::new, |map| map.encode())
    }

    proptest! {
        #[test]
        fn what_was_settled_is_read_again_and_nothing_else(
            frontier in prop_oneof![0..1_000_000_i64, Just(0), Just(i64::MAX - SPAN - 2)],
            above in proptest::collection::btree_set(0..=SPAN + 100, 0..300),
            newest in 0..i64::MAX,
        ) {
            let settled: BTreeSet<i64> = above.iter().map(|above| frontier.saturating_add(*above)).collect();
            let text = written(frontier, newest, &settled);
            prop_assert!(text.len() <= MAX_METADATA, "{}", text.len());
            let map = OffsetMap::decode(&text, frontier);
            let settles = |offset| map.as_ref().is_some_and(|map| map.settles(offset, Some(newest)));
            for offset in [frontier - 1, frontier].into_iter().chain(above.iter().flat_map(|above| [frontier.saturating_add(*above), frontier.saturating_add(above + 1)])) {
                let can_be_said = offset >= frontier && offset - frontier < SPAN;
                prop_assert_eq!(settles(offset), can_be_said && settled.contains(&offset), "{}", offset);
            }
            let all: Vec<i64> = map.iter().flat_map(|map| map.settled_above(frontier + 5)).collect();
            let expected = settled.iter().copied().filter(|offset| *offset > frontier + 5 && offset - frontier < SPAN);
            prop_assert_eq!(all, expected.collect::<Vec<_>>());
        }

        #[test]
        fn text_of_others_says_nothing_and_harms_nobody(text in prop_oneof!["\\PC*", "[A-Za-z0-9+/]{0,200}"], committed in any::<i64>()) {
            // A text that happens to be a map of this very offset is one.
            if let Some(map) = OffsetMap::decode(&text, committed) {
                prop_assert_eq!(map.frontier, committed);
                prop_assert!(!map.settles(committed, Some(i64::MIN)));
            }
        }
    }

    #[test]
    fn a_full_map_fits() {
        let settled: BTreeSet<i64> = (7..SPAN + 7).collect();
        let text = written(7, 0, &settled);
        assert!(text.len() <= MAX_METADATA - MARK_ROOM);
        let map = OffsetMap::decode(&text, 7).unwrap();
        assert_eq!(map.end(), SPAN + 7);
        assert!(map.settles(SPAN + 6, Some(0)) && !map.settles(SPAN + 7, Some(0)));
    }

    #[test]
    fn a_map_of_another_offset_says_nothing() {
        let text = written(10, 5, &BTreeSet::from([12]));
        assert!(OffsetMap::decode(&text, 10).is_some());
        assert_eq!(OffsetMap::decode(&text, 9), None, "an operator went back to redo");
        assert_eq!(OffsetMap::decode(&text, 11), None, "an operator went on");
    }

    #[test]
    fn a_record_that_took_the_place_of_another_is_not_settled() {
        let map = OffsetMap::of(10, 5_000, [12]).unwrap();
        assert!(map.settles(12, Some(5_000)));
        assert!(!map.settles(12, Some(5_001)), "written since");
        assert!(!map.settles(12, None));
    }

    #[test]
    fn a_damaged_map_says_nothing() {
        let text = written(10, 5, &BTreeSet::from([12, 900]));
        for damaged in [&text[..10], &text[1..], "", "AQ", &format!("{text}=="), &text.replace('A', "B")] {
            assert_eq!(OffsetMap::decode(damaged, 10), None, "{damaged}");
        }
        let bytes = STANDARD_NO_PAD.decode(&text).unwrap();
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1;
            assert_eq!(OffsetMap::decode(&STANDARD_NO_PAD.encode(flipped), 10), None, "byte {index}");
        }
    }
}
