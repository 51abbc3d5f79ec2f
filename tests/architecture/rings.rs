//! Four rings, each knowing only the ones before it; each technology has one home.

use super::source::{Source, assert_none, is_word_in, sources};

/// What a folder may know of the rest of the crate, and what of the world it must not touch.
struct Ring {
    folder: &'static str,
    knows: &'static [&'static str],
    never: &'static [&'static str],
}

const RINGS: [Ring; 5] = [
    Ring {
        folder: "src/domain",
        knows: &["domain"],
        // A time may be a value here (`Instant` in a verdict); what time it is comes in as an argument.
        never: &[
            "async",
            "futures",
            "tokio",
            "tracing",
            "Instant::now",
            "SystemTime",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "Mutex",
            "Uuid::new_v4",
            "println",
            "eprintln",
        ],
    },
    Ring {
        folder: "src/ports",
        knows: &["domain", "ports"],
        // A pulse measures how long it has been silent, so the clock is not among them.
        never: &["async", "SystemTime", "std::env", "std::fs", "std::net", "std::thread"],
    },
    Ring {
        folder: "src/pipeline",
        knows: &["domain", "ports", "settings", "pipeline"],
        never: &["tracing", "std::env", "std::fs", "std::net", "std::process", "std::thread"],
    },
    Ring { folder: "src/adapters", knows: &["domain", "ports", "settings", "adapters"], never: &[] },
    Ring { folder: "src/settings", knows: &["settings"], never: &["tokio", "tracing", "Instant::now", "SystemTime"] },
];

/// The loop around the engine: the only part of the pipeline where things happen.
const LOOP: &str = "src/pipeline/run.rs";
/// What adapters share on purpose.
const SHARED: [&str; 2] = ["secret", "tls"];

/// A crate, and where alone it is spoken.
const HOMES: [(&str, &[&str]); 12] = [
    ("axum", &["src/admin/"]),
    ("backoff", &["src/pipeline/retry.rs"]),
    ("clap", &["src/cli.rs", "src/cli/", "src/main.rs"]),
    ("clap_complete", &["src/cli/shell.rs", "src/commands/shell.rs"]),
    ("clap_mangen", &["src/commands/shell.rs"]),
    ("config::Config", &["src/settings/"]),
    ("csv", &["src/commands/id_file.rs", "src/commands/replay/file.rs", "src/commands/watch/lists.rs"]),
    ("indicatif", &["src/commands/submit/", "src/commands/audit/", "src/commands/watch/"]),
    ("prometheus", &["src/metrics/", "src/admin/"]),
    ("rdkafka", &["src/adapters/kafka/"]),
    ("scylla", &["src/adapters/cassandra/"]),
    ("tokio_postgres", &["src/adapters/keycloak/"]),
];

#[test]
fn a_ring_knows_only_the_ones_before_it() {
    let strangers = RINGS.iter().flat_map(|ring| {
        let is_strange = |name: &String| !ring.knows.contains(&name.as_str());
        sources(ring.folder).into_iter().flat_map(move |source| {
            let depth = depth_of(&source);
            source.hits(|code| parts_named_in(code, depth).iter().any(is_strange))
        })
    });
    assert_none("imports from a later ring", strangers);
}

#[test]
fn the_inner_rings_touch_nothing_of_the_world() {
    let touches = RINGS.iter().flat_map(|ring| {
        sources(ring.folder)
            .into_iter()
            .flat_map(|source| source.hits(|code| ring.never.iter().any(|word| is_word_in(word, code))))
    });
    assert_none("the world in a ring that is to be pure", touches);
}

#[test]
fn the_engine_acts_on_nothing() {
    let never = ["async", "Instant::now", "SystemTime", "spawn", "mpsc", "JoinSet"];
    let engine = sources("src/pipeline").into_iter().filter(|source| source.path != LOOP);
    let acts = engine.flat_map(|source| source.hits(|code| never.iter().any(|word| is_word_in(word, code))));
    assert_none(&format!("actions outside {LOOP}"), acts);
}

#[test]
fn an_adapter_knows_no_other_adapter() {
    let inside = sources("src/adapters").into_iter().filter(|source| source.path != "src/adapters/mod.rs");
    let strangers = inside.flat_map(|source| {
        let own = source.path.split('/').nth(2).unwrap_or_default().trim_end_matches(".rs").to_owned();
        let depth = depth_of(&source);
        source.hits(|code| {
            let code = code.replace(&"super::".repeat(depth - 1), "crate::adapters::");
            names_after("crate::adapters::", &code).iter().any(|name| *name != own && !SHARED.contains(&name.as_str()))
        })
    });
    assert_none("imports from another adapter", strangers);
}

#[test]
fn a_technology_has_one_home() {
    let guests = sources("src").into_iter().flat_map(|source| {
        let is_guest = |(_, homes): &&(&str, &[&str])| !homes.iter().any(|home| source.path.starts_with(home));
        let names: Vec<String> = HOMES.iter().filter(is_guest).map(|(name, _)| format!("{name}::")).collect();
        source.hits(|code| names.iter().any(|name| is_path_in(name, code)))
    });
    assert_none("crates outside their home", guests);
}

/// How many `super::` lead from a file's own module to the crate.
fn depth_of(source: &Source) -> usize {
    let module = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    module.split('/').count()
}

/// The crate's own top modules that a line names; an empty name for a `crate::{…}` that hides them.
fn parts_named_in(code: &str, depth: usize) -> Vec<String> {
    names_after("crate::", &code.replace(&"super::".repeat(depth), "crate::"))
}

fn names_after(prefix: &str, code: &str) -> Vec<String> {
    let name = |(at, _): (usize, &str)| {
        code[at + prefix.len()..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    code.match_indices(prefix).map(name).collect()
}

/// `name::` at the beginning of a path, not in the middle of one.
fn is_path_in(name: &str, code: &str) -> bool {
    let begins = |before: Option<char>| !before.is_some_and(|letter| letter.is_alphanumeric() || "_:".contains(letter));
    code.match_indices(name).any(|(at, _)| begins(code[..at].chars().next_back()))
}
