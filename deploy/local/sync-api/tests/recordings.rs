//! Every recording of the real service, replayed: the answer is the same byte for byte, apart from the time and ids it made up.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use support::{Answer, Stand};
use sync_api_stand_in::rows::{ObjectType, Row};
use tokio::time::Instant;

/// The behaviour under which a recording was made; the others were made in good health.
const OUTAGES: [(&str, &str); 7] = [
    ("50", "indexFrozen"),
    ("52", "cassandraFrozen"),
    ("55", "indexDown"),
    ("56", "indexDown"),
    ("60", "cassandraDown"),
    ("61", "cassandraDown"),
    ("63", "indexDown"),
];

/// Recordings whose answer took long by design: (number, from, below) in seconds.
const TIMES: [(&str, u64, u64); 3] = [("08", 10, 11), ("50", 5, 6), ("52", 10, 11)];

#[tokio::test(start_paused = true)]
async fn every_recording_is_answered_byte_for_byte() {
    let recordings = recordings();
    assert_eq!(recordings.len(), 53, "a recording is missing or new");
    let mut wrong = Vec::new();
    for (name, (request, response)) in &recordings {
        let number = &name[5..7];
        let stand = recorded_service().await;
        if let Some((_, mode)) = OUTAGES.iter().find(|(outage, _)| *outage == number) {
            stand.tell(json!({"mode": mode})).await;
        }
        let since = Instant::now();
        let answer = stand.send(request).await.expect("an answer");
        let took = since.elapsed();
        let gives_id = has_header(request, "x-request-id");
        if normal(&answer, gives_id) != normal(response, gives_id) {
            wrong.push(format!("{name}\nexpected {response:#?}\ngot {answer:#?}"));
        }
        let (_, from, below) = TIMES.into_iter().find(|(slow, ..)| *slow == number).unwrap_or(("", 0, 5));
        let expected = Duration::from_secs(from)..Duration::from_secs(below);
        assert!(expected.contains(&took), "{name} took {took:?}, not {expected:?}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recordings.len(), wrong.join("\n\n"));
}

/// The users that the recorded service had: 200 and a few odd ones, seven of a small organisation, and one organisation.
async fn recorded_service() -> Stand {
    let stand = support::usual().await;
    for number in (1..=200).chain([203, 204]).chain(301..=307) {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        stand.rows.put(ObjectType::User, &id, Row { status: Some(1), ..Row::default() });
    }
    stand.rows.put(ObjectType::Organisation, "0126796199493140480", Row::default());
    stand
}

/// What the service makes up stays out: the time, and its message ids unless the request gave them.
fn normal(answer: &Answer, gives_id: bool) -> (String, String) {
    let head = blank(&answer.head, "\r\nDate: ", "GMT");
    let mut body = blank(&answer.body, r#""ts":""#, r#"""#);
    if !gives_id {
        for name in ["resmsgid", "msgid"] {
            body = blank(&body, &format!(r#""{name}":""#), r#"""#);
        }
    }
    (head, body)
}

/// Blanks what stands between `start` and the next `end`, but keeps its length and its punctuation.
fn blank(text: &str, start: &str, end: &str) -> String {
    let Some(from) = text.find(start).map(|at| at + start.len()) else { return text.to_owned() };
    let to = text[from..].find(end).map_or(text.len(), |at| from + at);
    let kept = text[from..to].replace(|character: char| character.is_ascii_alphanumeric(), "x");
    format!("{}{kept}{}", &text[..from], &text[to..])
}

fn has_header(request: &[u8], name: &str) -> bool {
    String::from_utf8_lossy(request).to_lowercase().contains(&format!("\r\n{name}: "))
}

fn recordings() -> BTreeMap<String, (Vec<u8>, Answer)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/recordings");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("tests/fixtures/recordings exists") {
        let path = entry.expect("the folder can be read").path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = file.strip_suffix(".request.http").filter(|name| name.starts_with("sync-")) else { continue };
        let request = std::fs::read(&path).expect("a recording can be read");
        let response =
            std::fs::read_to_string(folder.join(format!("{name}.response.http"))).expect("each has an answer");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        found.insert(name.to_owned(), (request, Answer { head: head.to_owned(), body: body.to_owned() }));
    }
    found
}
