mod scopes;
mod table;

use std::sync::Mutex;

use super::*;
use crate::cli::SubmitAction;
use crate::commands::Exit;
use crate::domain::record::{OutputRecord, OutputTopic};
use crate::ports::{Blame, Disposition, Unpublished};
use crate::settings::CallRate;
use table::Table;

/// Keeps what it is given; fails from the `fails_at`th send on.
#[derive(Default)]
struct Shelf {
    sends: Mutex<Vec<Vec<OutputRecord>>>,
    times: Mutex<Vec<tokio::time::Instant>>,
    fails_at: Option<usize>,
}

impl Publisher for Shelf {
    fn publish<'a>(&'a self, records: &'a [OutputRecord]) -> BoxFuture<'a, Result<(), Unpublished>> {
        Box::pin(async move {
            let mut sends = self.sends.lock().unwrap();
            if self.fails_at == Some(sends.len()) {
                let failure = Failure::new(Disposition::Retry(Blame::Server), "timeout");
                return Err(Unpublished { places: (0..records.len()).collect(), failure });
            }
            sends.push(records.to_vec());
            self.times.lock().unwrap().push(tokio::time::Instant::now());
            Ok(())
        })
    }
}

impl Shelf {
    /// `edata` of what went to a topic.
    fn edata(&self, topic: OutputTopic) -> Vec<serde_json::Value> {
        let sends = self.sends.lock().unwrap();
        let records = sends.iter().flatten().filter(|record| record.topic == topic);
        records
            .map(|record| serde_json::from_slice::<serde_json::Value>(&record.payload).unwrap()["edata"].take())
            .collect()
    }

    fn users(&self) -> Vec<String> {
        let requests = self.edata(OutputTopic::Request);
        requests.iter().flat_map(|edata| serde_json::from_value::<Vec<_>>(edata["userIds"].clone()).unwrap()).collect()
    }
}

fn args(action: SubmitAction, ids: &[&str]) -> SubmitArgs {
    SubmitArgs {
        action,
        ids: ids.iter().map(|&id| id.to_owned()).collect(),
        file: None,
        all: false,
        deleted: false,
        object_type: None,
        table: None,
        request_id: Some("ticket-7".to_owned()),
        rate: None,
        execute: false,
        yes: false,
        watch: false,
        success: None,
        failure: None,
        context_params: Vec::new(),
    }
}

struct Said {
    exit: Exit,
    text: String,
    document: serde_json::Value,
    shelf: Arc<Shelf>,
}

async fn said(args: SubmitArgs, typed: &str, shelf: Shelf) -> Said {
    said_of(Table::default(), args, typed, shelf).await
}

async fn said_of(table: Table, args: SubmitArgs, typed: &str, shelf: Shelf) -> Said {
    let settings = Settings::load(None, std::iter::empty()).unwrap();
    let (shelf, table, mut output) = (Arc::new(shelf), Arc::new(table), Vec::new());
    let mut input = typed.as_bytes();
    let mut console = Console { input: &mut input, output: &mut output, interactive: !typed.is_empty() };
    let world = World {
        publisher: Box::pin(async { Ok(Arc::clone(&shelf) as Arc<dyn Publisher>) }),
        table: Box::pin(async { Ok(table as Arc<dyn UserScan>) }),
        pace: Box::pin(async { Err("no rate measured in the last hour".to_owned()) }),
    };
    let submitted = submit(&settings, &args, &mut console, world).await.unwrap();
    let (exit, document) = (submitted.exit(), serde_json::to_value(&submitted).unwrap());
    let text = String::from_utf8(output).unwrap() + &submitted.to_string();
    Said { exit, text, document, shelf }
}

fn file_of(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn many(count: usize) -> String {
    let lines: Vec<_> = (0..count).map(|number| format!("u-{number}\n")).collect();
    lines.concat()
}

#[tokio::test]
async fn a_plan_publishes_nothing() {
    let said = said(args(SubmitAction::DeleteUser, &["u-1", "u-2", "u-1", "u-3", "u-4"]), "", Shelf::default()).await;
    assert_eq!((said.exit, said.shelf.users().len()), (Exit::Done, 0));
    for line in [
        "users       4, in 1 events",
        "first ids   u-1, u-2, u-3, …",
        "topic       dev.user.purge.request at kafka:9092",
        "--execute publishes it",
    ] {
        assert!(said.text.contains(line), "{}", said.text);
    }
    let told = &said.document;
    assert_eq!(
        (&told["end"], &told["plan"]["users"], &told["plan"]["events"]),
        (&"planned".into(), &4.into(), &1.into())
    );
    assert_eq!(
        (&told["plan"]["requestId"], &told["plan"]["firstIds"][2]),
        (&"ticket-7".into(), &"u-3".into()),
        "{told}"
    );
}

#[tokio::test]
async fn every_user_is_published_once_in_pages() {
    let file = file_of(&many(25_010));
    let args = SubmitArgs { file: Some(file.path().to_owned()), execute: true, ..args(SubmitAction::ResyncUser, &[]) };
    let said = said(args, "", Shelf::default()).await;
    assert_eq!(said.exit, Exit::Done);
    assert_eq!(said.shelf.users(), many(25_010).lines().collect::<Vec<_>>());
    let sends = said.shelf.sends.lock().unwrap();
    assert_eq!(sends.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 21, 1]);
    let told: serde_json::Value = serde_json::from_slice(&sends[3][0].payload).unwrap();
    assert_eq!((sends[3][0].topic, &told["object"]["type"]), (OutputTopic::Status, &"Submission".into()));
    let edata = &told["edata"];
    assert_eq!(
        (&edata["requestId"], &edata["events"], &edata["users"]),
        (&"ticket-7".into(), &101.into(), &25_010.into())
    );
    assert!(said.text.contains("published 25010 users in 101 events"), "{}", said.text);
    let told = &said.document;
    assert_eq!((&told["publishedUsers"], &told["publishedEvents"]), (&25_010.into(), &101.into()), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept() {
    let file = file_of(&many(1000));
    let args = SubmitArgs {
        file: Some(file.path().to_owned()),
        execute: true,
        rate: CallRate::parse("50/s"),
        ..args(SubmitAction::ResyncUser, &[])
    };
    let begun = tokio::time::Instant::now();
    let said = said(args, "", Shelf::default()).await;
    let after: Vec<u64> = said.shelf.times.lock().unwrap().iter().map(|time| (*time - begun).as_secs()).collect();
    assert_eq!(after[..4], [0, 5, 10, 15]);
    assert!(said.text.contains("takes       20s at the rate asked for"), "{}", said.text);
}

#[tokio::test]
async fn a_file_with_an_invalid_line_is_published_not_at_all() {
    let file = file_of("userId\nu-1\n\nu 2\nu-3\n");
    let args = SubmitArgs { file: Some(file.path().to_owned()), execute: true, ..args(SubmitAction::ResyncUser, &[]) };
    let said = said(args, "", Shelf::default()).await;
    assert_eq!((said.exit, said.shelf.users().len()), (Exit::Usage, 0));
    assert!(said.text.contains("5 lines: 2 users, 0 repeats, 1 blank, 1 invalid, a header"), "{}", said.text);
    assert!(said.text.contains("nothing is published: 1 invalid\n  line 4 holds a space"), "{}", said.text);
    let told = &said.document;
    assert_eq!(
        (&told["end"], &told["file"]["invalid"], &told["plan"]),
        (&"refused".into(), &1.into(), &().into()),
        "{told}"
    );
    assert!(told["problem"].as_str().unwrap().contains("line 4 holds a space"), "{told}");
}

#[tokio::test]
async fn deleting_by_file_asks_once() {
    let file = file_of("u-1\n");
    let delete = |yes| SubmitArgs {
        file: Some(file.path().to_owned()),
        execute: true,
        yes,
        ..args(SubmitAction::DeleteUser, &[])
    };
    for (typed, yes, exit, users) in [
        ("y\n", false, Exit::Done, 1),
        ("n\n", false, Exit::Usage, 0),
        ("\n", false, Exit::Usage, 0),
        ("", false, Exit::Usage, 0),
        ("", true, Exit::Done, 1),
    ] {
        let said = said(delete(yes), typed, Shelf::default()).await;
        assert_eq!((said.exit, said.shelf.users().len()), (exit, users), "{typed:?} {}", said.text);
    }
}

#[tokio::test]
async fn a_failure_says_how_far_it_came() {
    let file = file_of(&many(20_000));
    let args = SubmitArgs { file: Some(file.path().to_owned()), execute: true, ..args(SubmitAction::ResyncUser, &[]) };
    let said = said(args, "", Shelf { fails_at: Some(1), ..Shelf::default() }).await;
    assert_eq!((said.exit, said.shelf.users().len()), (Exit::Unreachable, 10_000));
    assert!(said.text.contains("stopped after 10000 of 20000 users: timeout"), "{}", said.text);
    assert!(said.text.contains("--request-id ticket-7"), "{}", said.text);
    let told = &said.document;
    assert_eq!((&told["end"], &told["publishedUsers"]), (&"stopped".into(), &10_000.into()), "{told}");
}
