//! Source files as lines of code: without comments, and without their tests.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Source {
    /// Below the repository, with slashes.
    pub path: String,
    pub lines: Vec<String>,
}

impl Source {
    /// Numbered lines of code, up to the file's own tests.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = |line: &String| line.trim_start().starts_with("mod ") && line.ends_with('{');
        let end = self.lines.iter().position(tests).unwrap_or(self.lines.len());
        (1..).zip(&self.lines[..end]).filter_map(|(number, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((number, code))
        })
    }

    /// `file:line: code` of every line of code that is meant.
    pub fn hits(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let meant = self.code().filter(|(_, code)| is_meant(code));
        meant.map(|(number, code)| format!("{}:{number}: {}", self.path, code.trim())).collect()
    }

    /// Whether the whole file is a test of its neighbours.
    fn is_test(&self) -> bool {
        self.path.starts_with("src/")
            && self.path.split(['/', '.']).any(|part| matches!(part, "tests" | "testing") || part.starts_with("tests_"))
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a folder.
pub fn all_sources(folder: &str) -> Vec<Source> {
    let mut folders = vec![root().join(folder)];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no Rust file");
    found.sort();
    let source = |path: PathBuf| {
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let lines = read(&path).lines().map(str::to_owned).collect();
        Source { path, lines }
    };
    found.into_iter().map(source).collect()
}

/// The same without files that are tests.
pub fn sources(folder: &str) -> Vec<Source> {
    all_sources(folder).into_iter().filter(|source| !source.is_test()).collect()
}

/// `word` as a whole: `std::env` is not in `std::environment`.
pub fn is_word_in(word: &str, code: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    code.match_indices(word)
        .any(|(at, _)| !is_part(code[..at].chars().next_back()) && !is_part(code[at + word.len()..].chars().next()))
}

pub fn assert_none(what: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}
