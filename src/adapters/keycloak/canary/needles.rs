//! What is looked for, as one regular expression: a text is read once, however many ids there are.

/// So long, it is no part of anything else: a UUID.
const UNMISTAKABLE: usize = 32;
/// Anything shorter is a word that other texts hold too: then only a value that is nothing else counts.
const SHORTEST: usize = 8;
/// Somebody with thousands of sessions: some of them prove as much.
const MOST: usize = 200;

pub(super) struct Needles {
    pub pattern: String,
}

impl Needles {
    /// `ids` in every form that was purged.
    pub(super) fn new(ids: &[String], keys: &[String]) -> Self {
        let ids = ids.iter().map(|id| match federated(id) {
            Some((provider, user)) => word(&format!("f:{}:", escaped(provider)), user),
            // The same id under another provider is somebody else, whose rows are kept.
            None => word("(?<!f:[^:]*:)", id),
        });
        let keys = keys.iter().take(MOST).map(|key| word("", key));
        Self { pattern: ids.chain(keys).collect::<Vec<_>>().join("|") }
    }
}

fn federated(id: &str) -> Option<(&str, &str)> {
    id.strip_prefix("f:")?.split_once(':')
}

/// The text after what must stand before it.
fn word(before: &str, text: &str) -> String {
    let escaped = escaped(text);
    match text.chars().count() {
        UNMISTAKABLE.. => format!("{before}{escaped}"),
        SHORTEST.. => format!("(?<![[:alnum:]_-]){before}{escaped}(?![[:alnum:]_-])"),
        _ => format!("^{before}{escaped}$"),
    }
}

/// A backslash before anything but a letter or digit takes it as it is.
fn escaped(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    text.chars().flat_map(|letter| (!plain(letter)).then_some('\\').into_iter().chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(ids: &[&str], keys: &[&str]) -> String {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Needles::new(&owned(ids), &owned(keys)).pattern
    }

    #[test]
    fn every_id_and_key_is_one_alternative() {
        let id = "02c4e0dc-3e25-4f7d-b811-242c73e24a01";
        assert_eq!(
            pattern(&[id, &format!("f:p:{id}")], &["a-session-id-of-32-characters-xx"]),
            format!("(?<!f:[^:]*:){id}|f:p:{id}|a-session-id-of-32-characters-xx")
        );
    }

    #[test]
    fn short_ids_are_not_parts_of_others_and_nothing_is_a_pattern() {
        assert_eq!(pattern(&["ab.c"], &[]), r"^(?<!f:[^:]*:)ab\.c$");
        assert_eq!(pattern(&[], &["a(b)|c*+d"]), r"(?<![[:alnum:]_-])a\(b\)\|c\*\+d(?![[:alnum:]_-])");
        assert_eq!(pattern(&["f:a.b:o'brien:x"], &[]), r"(?<![[:alnum:]_-])f:a\.b:o\'brien\:x(?![[:alnum:]_-])");
    }
}
