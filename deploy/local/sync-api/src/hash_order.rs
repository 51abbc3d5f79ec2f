//! The order in which Java's `HashMap<String, …>` shows its keys: the real service answers in this order.

/// `keys`, each once, as a `HashMap` with default capacity shows them after they were put in the given order.
///
/// A bucket with eight or more keys becomes a tree in Java, whose root moves to the front; this is not reproduced
/// (UUIDs do not collide like that).
pub fn in_hash_order<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    let mut keys: Vec<&str> = keys.into_iter().filter(|key| seen.insert(*key)).collect();
    let mask = table_size(keys.len()) - 1;
    // A stable sort keeps the order of insertion inside a bucket, which Java's resizing keeps too.
    keys.sort_by_key(|key| spread(hash_code(key)) as usize & mask);
    keys
}

/// Doubles from 16 whenever it is more than three quarters full.
fn table_size(entries: usize) -> usize {
    let mut size = 16;
    while entries * 4 > size * 3 {
        size *= 2;
    }
    size
}

/// `String.hashCode`, over UTF-16 units.
fn hash_code(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_codes_are_javas() {
        // "Aa" and "BB" are the well-known collision; the last one wraps around.
        assert_eq!(hash_code("Aa"), 2112);
        assert_eq!(hash_code("BB"), 2112);
        assert_eq!(hash_code("polygenelubricants"), 0x8000_0000);
    }

    #[test]
    fn a_table_grows_when_it_is_more_than_three_quarters_full() {
        assert_eq!([0, 12, 13, 24, 25].map(table_size), [16, 16, 32, 32, 64]);
    }

    #[test]
    fn keys_of_one_bucket_keep_their_order_and_duplicates_count_once() {
        assert_eq!(in_hash_order(["BB", "Aa", "BB"]), ["BB", "Aa"]);
        assert_eq!(in_hash_order(["Aa", "BB"]), ["Aa", "BB"]);
    }
}
