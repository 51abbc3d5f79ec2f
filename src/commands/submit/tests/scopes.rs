//! Whom a submission is about: the whole table, the deleted ones, a list; and the old jobs' words for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::settings::BatchJob;

fn all(action: SubmitAction) -> SubmitArgs {
    SubmitArgs { all: true, ..args(action, &[]) }
}

fn alive(count: u32) -> Table {
    Table::of(count, |_| 1)
}

/// The ranges that were asked for.
fn ranges(shelf: &Shelf) -> Vec<(i64, i64)> {
    let token = |edata: &serde_json::Value, end: &str| edata["tokenRange"][end].as_str().unwrap().parse().unwrap();
    shelf.edata(OutputTopic::Request).iter().map(|edata| (token(edata, "start"), token(edata, "end"))).collect()
}

#[tokio::test]
async fn the_whole_table_travels_as_token_ranges_of_about_a_thousand() {
    let execute = SubmitArgs { execute: true, ..all(SubmitAction::ResyncUser) };
    let said = said_of(alive(20_000), execute, "", Shelf::default()).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.text);
    let ranges = ranges(&said.shelf);
    assert!((18..=24).contains(&ranges.len()), "{} ranges", ranges.len());
    let (first, last) = (ranges[0], ranges[ranges.len() - 1]);
    assert!(first.0 == i64::MIN && last.1 > i64::MAX - (1 << 32), "{first:?} to {last:?}: all around the ring");
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "no gap and no overlap");
    let told = said.shelf.edata(OutputTopic::Status);
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&told["rows"], &told["users"]), (&20_000.into(), &serde_json::Value::Null));
    assert_eq!(told["events"], ranges.len());
    assert!(said.text.contains("published 20000 users in "), "{}", said.text);
}

#[tokio::test]
async fn the_plan_of_a_whole_table_is_an_estimate_and_publishes_nothing() {
    let said = said_of(alive(300_000), all(SubmitAction::RetireLocalUser), "", Shelf::default()).await;
    assert_eq!((said.exit, said.shelf.sends.lock().unwrap().len()), (Exit::Done, 0));
    let line = said.text.lines().find(|line| line.starts_with("users ")).unwrap();
    let about: u64 = line.split_whitespace().nth(2).unwrap().trim_end_matches(',').parse().unwrap();
    assert!(about.abs_diff(300_000) < 15_000, "{line}");
    assert!(line.contains("token ranges (an estimate, from "), "{line}");
    assert!(said.text.contains("work        no rate measured in the last hour"), "{}", said.text);
}

#[tokio::test]
async fn the_deleted_ones_are_found_and_published_in_pages() {
    let table = Table::of(5000, |n| if n % 8 == 0 { 2 } else { 1 });
    let wanted: Vec<String> =
        table.users.iter().filter(|(_, status)| **status == 2).map(|(token, _)| token.to_string()).collect();
    let deleted = SubmitArgs { deleted: true, execute: true, yes: true, ..args(SubmitAction::DeleteUser, &[]) };
    let said = said_of(table, deleted, "", Shelf::default()).await;
    assert_eq!(said.shelf.users(), wanted, "{}", said.text);
    let sizes: Vec<usize> =
        said.shelf.edata(OutputTopic::Request).iter().map(|edata| edata["userIds"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [250, 250, 125]);
    assert!(said.text.contains("users       625 of 5000, in 3 events"), "{}", said.text);
}

#[tokio::test]
async fn what_nobody_typed_is_asked_about_before_it_is_deleted() {
    let retire = |yes| SubmitArgs { execute: true, yes, ..all(SubmitAction::RetireLocalUser) };
    for (typed, yes, exit) in [("n\n", false, Exit::Usage), ("y\n", false, Exit::Done), ("", true, Exit::Done)] {
        let said = said_of(alive(10), retire(yes), typed, Shelf::default()).await;
        assert_eq!((said.exit, ranges(&said.shelf).len()), (exit, usize::from(exit == Exit::Done)), "{}", said.text);
    }
}

#[tokio::test]
async fn a_plan_to_delete_by_file_says_how_many_are_deleted() {
    let table = || Table { users: [(1, 2), (2, 1), (3, 2)].into(), is_away: false };
    let file = file_of("1\n2\n3\n4\n");
    let delete = || SubmitArgs { file: Some(file.path().to_owned()), ..args(SubmitAction::DeleteUser, &[]) };
    let said = said_of(table(), delete(), "", Shelf::default()).await;
    assert!(said.text.contains("status 2    2 of 4, 1 have no row; nobody else is purged"), "{}", said.text);
    let told = &said.document["plan"]["status2"];
    assert_eq!(told, &serde_json::json!({ "lookedAt": 4, "deleted": 2, "withoutRow": 1 }));
    let said = said_of(Table { is_away: true, ..table() }, delete(), "", Shelf::default()).await;
    assert_eq!(said.exit, Exit::Done);
    assert!(said.text.contains("status 2    not known: cassandra: credentials"), "{}", said.text);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_told() {
    let away = Table { is_away: true, ..Table::default() };
    let said = said_of(away, all(SubmitAction::ResyncUser), "", Shelf::default()).await;
    assert_eq!(said.exit, Exit::Held);
    assert!(said.text.contains("nothing is published: cassandra: credentials"), "{}", said.text);
    let told = &said.document;
    assert_eq!((&told["end"], &told["problem"]), (&"unreachable".into(), &"cassandra: credentials".into()), "{told}");
}

#[tokio::test]
async fn a_table_names_its_object_type_and_only_one_that_workers_read() {
    let of_table = |table: &str, object_type: Option<&str>| SubmitArgs {
        table: Some(table.to_owned()),
        object_type: object_type.map(str::to_owned),
        ..all(SubmitAction::ResyncUser)
    };
    let named = said_of(alive(3), of_table("organisation", None), "", Shelf::default()).await;
    assert!(named.text.contains("object type organisation"), "{}", named.text);
    for (args, problem) in [
        (of_table("course_batch", None), "do not read course_batch for TYPE. They read location for location"),
        (
            of_table("course_batch", Some("batch")),
            "set cassandra.tables.batch = \"course_batch\" for the workers and here",
        ),
        (of_table("user_copy", Some("user")), "do not read user_copy for user"),
    ] {
        let said = said_of(alive(3), args, "", Shelf::default()).await;
        assert_eq!((said.exit, said.text.contains(problem)), (Exit::Usage, true), "{}", said.text);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let of_type = |object_type: &str, args| SubmitArgs { object_type: Some(object_type.to_owned()), ..args };
    let deleted = |action| SubmitArgs { deleted: true, ..args(action, &[]) };
    for (args, problem) in [
        (args(SubmitAction::DeleteUser, &[]), "no ids"),
        (args(SubmitAction::DeleteUser, &["u-1", "a b"]), "id 2 holds a space"),
        (of_type("organisation", args(SubmitAction::DeleteUser, &["o"])), "go with resync-user only"),
        (of_type("batch", args(SubmitAction::ResyncUser, &["o"])), "there are location, organisation, user"),
        (all(SubmitAction::DeleteUser), "--deleted takes those with status 2"),
        (deleted(SubmitAction::RetireLocalUser), "--deleted goes with"),
        (of_type("organisation", deleted(SubmitAction::ResyncUser)), "not with --deleted"),
    ] {
        let said = said_of(alive(3), args, "", Shelf::default()).await;
        assert_eq!(said.exit, Exit::Usage);
        assert!(said.text.contains(problem), "{}", said.text);
    }
}

#[test]
fn the_old_parameters_say_what_the_arguments_do_not() {
    let rate = CallRate { calls: 100, per: Duration::from_secs(10) };
    let file =
        BatchJob { id_file: Some(PathBuf::from("ids")), rate: Some(rate), is_meant: true, ..BatchJob::default() };
    let old = |args, job: &BatchJob| asked::with_old_parameters(args, job.clone());
    let resync = || args(SubmitAction::ResyncUser, &[]);

    let merged = old(resync(), &file);
    assert_eq!((merged.file.as_deref(), merged.all, merged.rate), (Some(Path::new("ids")), false, Some(rate)));
    let merged = old(args(SubmitAction::ResyncUser, &["u-1"]), &file);
    assert_eq!((merged.file, merged.all), (None, false), "who is typed is meant");
    let merged = old(all(SubmitAction::ResyncUser), &file);
    assert_eq!((merged.file, merged.all), (None, true));

    let table = BatchJob { table: Some("organisation".to_owned()), is_meant: true, ..BatchJob::default() };
    let merged = old(resync(), &table);
    assert_eq!((merged.table.as_deref(), merged.all), (Some("organisation"), true), "they took the whole table");
    assert!(!old(resync(), &BatchJob::default()).all, "ours does not");
    let params = SubmitArgs { context_params: vec!["sunbird_cassandra_server=c".to_owned()], ..resync() };
    assert!(old(params, &BatchJob::default()).all);
    let of_type = SubmitArgs { object_type: Some("user".to_owned()), ..resync() };
    assert_eq!(old(of_type, &table).table, None);
}
