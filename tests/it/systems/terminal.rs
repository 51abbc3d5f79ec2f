//! What a person sees in a terminal: lines that end at its edge, and colours unless they are refused.

use std::path::Path;
use std::process::Command;

use local_stack::topics::REQUEST;
use local_stack::users::new_ids;

use crate::program::{Ended, variables};
use crate::scene::Scene;

const COLUMNS: usize = 44;

/// Standard input, output and errors are one terminal.
async fn in_terminal(variables: &[(String, String)], arguments: &[&str]) -> Ended {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/systems/terminal.py");
    let mut command = Command::new("python3");
    command.env_clear().env("TERM", "xterm-256color").envs(variables.iter().cloned());
    command.arg(script).arg(COLUMNS.to_string()).arg(assert_cmd::cargo::cargo_bin("user-purge-sync")).args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Ended {
        code: ended.status.code().unwrap(),
        output: String::from_utf8_lossy(&ended.stdout).into_owned(),
        errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}

/// As a terminal draws it: every screen that was there before a line was drawn anew.
fn screens(written: &str) -> Vec<Vec<String>> {
    let (mut screens, mut rows, mut row, mut column) = (Vec::new(), vec![Vec::new()], 0_usize, 0_usize);
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                letters.next();
                let (mut number, mut what) = (String::new(), ' ');
                for letter in letters.by_ref() {
                    if letter.is_ascii_alphabetic() {
                        what = letter;
                        break;
                    }
                    number.push(letter);
                }
                match what {
                    'A' => {
                        screens.push(rows.iter().map(|row: &Vec<char>| row.iter().collect()).collect());
                        row = row.saturating_sub(number.parse().unwrap_or(1));
                    }
                    'B' => row += number.parse().unwrap_or(1),
                    'K' => rows[row].clear(),
                    _ => {}
                }
            }
            '\r' => column = 0,
            '\n' => row += 1,
            letter => {
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                }
                rows.resize(rows.len().max(row + 1), Vec::new());
                let width = rows[row].len().max(column + 1);
                rows[row].resize(width, ' ');
                rows[row][column] = letter;
                column += 1;
            }
        }
        rows.resize(rows.len().max(row + 1), Vec::new());
    }
    screens
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bar_and_its_lines_end_at_the_terminals_edge() {
    let scene = Scene::with(2, &["--per-id", "6ms"]).await;
    let ids = new_ids(600);
    scene.users.put_all(&ids, 1).await.unwrap();
    let _worker = scene.worker(&[]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ids.join("\n")).unwrap();
    let line = ["submit", "resync-user", "--file", file.path().to_str().unwrap(), "--execute", "--watch"];
    let watched = in_terminal(&variables(&scene.topics.env), &line).await;
    assert_eq!(watched.code, 0, "{}{}", watched.output, watched.errors);
    assert!(
        !watched.output.contains("\u{1b}[3") && !watched.output.contains("\u{1b}[1m"),
        "no colour where none is needed"
    );
    let screens = screens(&watched.output);
    let drawn = |what: &str| screens.iter().find(|screen| screen.iter().any(|row| row.contains(what)));
    assert!(drawn("█").is_some(), "{}", watched.output);
    let screen = drawn("/s, ").unwrap_or_else(|| panic!("{}", watched.output));
    println!("{}", screen.join("\n"));
    for screen in &screens {
        for row in screen.iter().filter(|row| row.contains(" of 600 users")) {
            assert!(row.starts_with(|letter: char| letter.is_ascii_digit() || letter == 'p'), "{screen:?}");
        }
        // What ran over the edge would go on at the beginning of the next row.
        let is_tail = |row: &&String| {
            ["left", "slowest", "lookup", "user)"].iter().any(|word| row.trim_start().starts_with(word))
        };
        assert_eq!(screen.iter().find(is_tail), None, "{screen:?}");
    }
    scene.topics.until_committed(&[REQUEST], crate::scene::PATIENCE).await.unwrap();
}

#[tokio::test]
async fn colours_are_for_terminals_and_can_be_refused() {
    let nowhere = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let warned = [("USER_PURGE_SYNC__SYNC__TIMEOUT", "5s"), ("USER_PURGE_SYNC__PURGE__MODE", "off")];
        let away = [("kafka_urls", "127.0.0.1:1"), ("sunbird_cassandra_host", "127.0.0.1:1")];
        let all = warned.into_iter().chain(away).chain(more.iter().copied());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let coloured = in_terminal(&nowhere(&[]), &["check"]).await;
    assert!(coloured.output.contains("\u{1b}[33m"), "{:?}", coloured.output);
    let refused = in_terminal(&nowhere(&[("NO_COLOR", "1")]), &["check"]).await;
    assert!(refused.output.contains("WARN") && !refused.output.contains("\u{1b}["), "{:?}", refused.output);
    let piped = crate::program::run(&nowhere(&[]), &["check"]).await;
    assert!(piped.errors.contains("WARN") && !piped.errors.contains("\u{1b}["), "{:?}", piped.errors);
}
