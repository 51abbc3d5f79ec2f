use futures::stream;
use serde_json::json;

use super::*;

fn status(user: &str, is_final: bool, status: &str, reason: &str) -> Heard {
    let stage = |status: &str, attempts: u32| json!({ "status": status, "attempts": attempts, "durationMs": 40 });
    let failed = status == "FAILED";
    record(&json!({
        "ets": 1_716_199_736_812_i64,
        "object": { "id": user, "type": "User" },
        "edata": {
            "final": is_final, "status": status, "reason": reason, "requestId": "ticket-7",
            "stages": {
                "lookup": stage("OK", 0),
                "sync": stage(if failed { "FAILED" } else { "OK" }, if failed { 8 } else { 0 }),
                "purge": { "status": "SKIPPED", "attempts": 0 },
            },
        },
    }))
}

fn submission(users: u64) -> Heard {
    record(&json!({
        "ets": 1, "object": { "id": "ticket-7", "type": "Submission" },
        "edata": { "requestId": "ticket-7", "events": 1, "users": users },
    }))
}

fn record(value: &serde_json::Value) -> Heard {
    Heard::Record(value.to_string().into_bytes())
}

fn args(no_wait: bool) -> WatchArgs {
    WatchArgs { request_id: Some("ticket-7".to_owned()), no_wait, ..WatchArgs::default() }
}

/// What is said, when more never comes.
async fn said(args: &WatchArgs, heard: Vec<Heard>) -> (Exit, String) {
    let (heard, mut output) = (stream::iter(heard).chain(stream::pending()), Vec::new());
    let mut console = Console { output: &mut output, interactive: false, format: Format::Text };
    let patience = tokio::time::sleep(Duration::from_mins(1));
    let exit = watch(args, heard, patience, &mut console).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_everybody_has_and_the_exit_code_tells_of_failures() {
    let good = status("a", true, "SUCCESS", "purged");
    let bad = status("b", true, "FAILED", "sync_failed");
    let (exit, text) = said(&args(false), vec![good.clone(), Heard::CaughtUp, bad, submission(2)]).await;
    assert_eq!(exit, Exit::Left, "{text}");
    assert!(text.contains("2 of 2 users, 1 FAILED"), "{text}");
    assert!(text.contains("  FAILED    sync_failed             1"), "{text}");
    assert!(text.contains("time of a user in each stage, on average: lookup 40 ms, sync 40 ms\n"), "{text}");

    let (exit, text) = said(&args(false), vec![good.clone(), good, Heard::CaughtUp, submission(1)]).await;
    assert_eq!(exit, Exit::Done, "{text}");
    assert!(text.contains("1 of 1 users"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_waited_for_unless_nobody_is_to_be() {
    let heard = || vec![status("a", false, "DEFERRED", "not_deleted"), submission(1), Heard::CaughtUp];
    let (exit, text) = said(&args(true), heard()).await;
    assert_eq!(exit, Exit::Done);
    assert!(text.contains("0 of 1 users, 1 waiting") && text.contains("so far"), "{text}");
    let (exit, text) = said(&args(false), heard()).await;
    assert_eq!(exit, Exit::Left);
    assert!(text.contains("interrupted"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_heard_to_its_end_decides_nothing() {
    let (exit, _) = said(&args(true), vec![status("a", true, "SUCCESS", "purged"), submission(1)]).await;
    assert_eq!(exit, Exit::Left, "there may be more");
}

#[tokio::test(start_paused = true)]
async fn each_user_has_one_line_in_one_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let (success, failure) = (folder.path().join("ok.csv"), folder.path().join("failed.csv"));
    let args = WatchArgs { success: Some(success.clone()), failure: Some(failure.clone()), ..args(true) };
    let heard = vec![
        status("b,\"x\"", true, "SKIPPED", "not_deleted"),
        status("a", true, "SUCCESS", "purged"),
        status("c", true, "FAILED", "sync_failed"),
        status("a", true, "SUCCESS", "purged"),
        Heard::CaughtUp,
    ];
    let (_, text) = said(&args, heard).await;
    assert!(text.contains("ok.csv holds 2 users") && text.contains("failed.csv holds 1 users"), "{text}");
    let header = "userId,outcome,reason,stage,attempts,time\n";
    let time = "2024-05-20T10:08:56.812Z";
    let wanted = format!("{header}a,SUCCESS,purged,,0,{time}\n\"b,\"\"x\"\"\",SKIPPED,not_deleted,,0,{time}\n");
    assert_eq!(std::fs::read_to_string(success).unwrap(), wanted);
    let wanted = format!("{header}c,FAILED,sync_failed,sync,8,{time}\n");
    assert_eq!(std::fs::read_to_string(failure).unwrap(), wanted);
}

#[tokio::test(start_paused = true)]
async fn programs_get_one_document_at_the_end() {
    let heard = stream::iter([submission(1), status("a", true, "FAILED", "sync_failed"), Heard::CaughtUp]);
    let mut output = Vec::new();
    let mut console = Console { output: &mut output, interactive: false, format: Format::Json };
    let exit = watch(&args(false), heard.chain(stream::pending()), std::future::pending(), &mut console).await.unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let counts = json!([{ "status": "FAILED", "reason": "sync_failed", "users": 1 }]);
    assert_eq!((exit, &told["end"], &told["counts"]), (Exit::Left, &json!("done"), &counts), "{told}");
    assert_eq!((&told["expected"], &told["retried"]["sync"]), (&json!(1), &json!(1)), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_pipe_gets_a_line_now_and_then() {
    let heard = stream::iter([submission(1), Heard::CaughtUp]).chain(stream::pending());
    let mut output = Vec::new();
    let mut console = Console { output: &mut output, interactive: false, format: Format::Text };
    watch(&args(false), heard, tokio::time::sleep(Duration::from_secs(35)), &mut console).await.unwrap();
    let text = String::from_utf8(output).unwrap();
    assert_eq!(text.matches("0 of 1 users, 0/s\n").count(), 3, "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_stage_that_is_slow_of_late_is_named() {
    let slow = json!({
        "ets": 1, "object": { "id": "a", "type": "User" },
        "edata": { "final": true, "status": "SUCCESS", "reason": "purged", "requestId": "ticket-7", "stages": {
            "lookup": { "status": "OK", "attempts": 0, "durationMs": 4 },
            "sync": { "status": "OK", "attempts": 0, "durationMs": 2500 },
            "purge": { "status": "OK", "attempts": 0, "durationMs": 60 },
        } },
    });
    let later = stream::once(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        record(&slow)
    });
    let heard = stream::iter([submission(2), Heard::CaughtUp]).chain(later).chain(stream::pending());
    let mut output = Vec::new();
    let mut console = Console { output: &mut output, interactive: false, format: Format::Text };
    watch(&args(false), heard, tokio::time::sleep(Duration::from_secs(12)), &mut console).await.unwrap();
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("1 of 2 users, 0/s, 10s left, slowest sync (2.5 s a user)\n"), "{text}");
}
