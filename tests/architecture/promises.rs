//! Each promise has tests of its name wherever it can break: in the pure code, in the model, and under faults.

use super::source::{Source, all_sources, assert_none, is_word_in};

const PROMISES: [&str; 11] = [
    "settled_before_committed",
    "budget_returns_to_zero",
    "one_at_a_time_per_user",
    "never_purge_a_live_user",
    "purge_is_all_or_nothing",
    "access_ends",
    "an_outage_dead_letters_nothing",
    "a_stale_owner_is_harmless",
    "one_bad_user_hurts_nobody",
    "no_personal_data_leaves",
    "a_crash_redoes_little",
];

/// Folders in which a promise cannot be tested, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("purge_is_all_or_nothing", "tests/model", "the model has no database, so no transaction")];

/// As a test, a promise of a case, or what a failed check says; a comment is no test.
fn is_tested(promise: &str, sources: &[Source]) -> bool {
    let code = |line: &String| line.split("//").next().is_some_and(|code| is_word_in(promise, code));
    sources.iter().any(|source| source.lines.iter().any(code))
}

#[test]
fn every_promise_has_tests_of_its_name() {
    for folder in ["src", "tests/model", "tests/it/faults"] {
        let mut sources = all_sources(folder);
        if folder == "tests/model" {
            sources.extend(all_sources("tests").into_iter().filter(|source| source.path == "tests/model.rs"));
        }
        let is_excepted =
            |promise: &str| EXCEPTIONS.iter().any(|(name, place, _)| (*name, *place) == (promise, folder));
        let wrong = PROMISES.iter().filter(|promise| is_tested(promise, &sources) == is_excepted(promise));
        let what = format!("promises without a test of their name in {folder}, or with one in spite of an exception");
        assert_none(&what, wrong.map(|promise| (*promise).to_owned()));
    }
}
