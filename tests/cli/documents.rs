//! What programs get: one document on standard output, whatever happens; and what is said when nobody answers.

use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::{Value, json};

use super::{OnDisk, program, run};

/// Port 1 of this machine is nobody's.
fn nowhere(command: &mut Command) -> &mut Command {
    command
        .env("kafka_urls", "127.0.0.1:1")
        .env("sunbird_cassandra_host", "127.0.0.1:1")
        .env("sunbird_sync_api_endpoint", "http://127.0.0.1:1/v1/data/sync")
        .env("USER_PURGE_SYNC__KEYCLOAK__HOST", "127.0.0.1")
        .env("USER_PURGE_SYNC__KEYCLOAK__PORT", "1")
        .env("USER_PURGE_SYNC__PURGE__MODE", "off")
}

/// The code, and the only thing on standard output.
fn document(arguments: &[&str]) -> (i32, Value) {
    let ended = run(nowhere(program(arguments).args(["--format", "json"])));
    (
        ended.code,
        serde_json::from_str(&ended.output).unwrap_or_else(|error| panic!("{error}: {}{}", ended.output, ended.errors)),
    )
}

#[test]
fn a_program_gets_json_where_a_person_gets_a_table() {
    let (code, told) = document(&["check"]);
    assert_eq!((code, &told["probes"][0]["ok"]), (69, &false.into()), "{told}");
    let (code, told) = document(&["check", "keycloak"]);
    assert!(code == 69 && told["problem"].as_str().unwrap().starts_with("connection: keycloak.host"), "{told}");
    let (code, told) = document(&["config"]);
    assert_eq!((code, &told["settings"]["purge"]["mode"]), (0, &"off".into()), "{told}");
}

#[test]
fn a_plan_of_a_submission_is_a_document_and_what_it_refuses_too() {
    let file = OnDisk::new("ids.csv", b"userId\nu-1\nu-2\nu-1\n");
    let (code, told) =
        document(&["submit", "resync-user", "--file", file.as_str(), "--request-id", "r", "--rate", "1/s"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told["end"], "planned", "{told}");
    assert_eq!(
        told["file"],
        json!({
            "path": file.as_str(), "lines": 4, "users": 2, "repeats": 1, "blank": 0, "invalid": 0, "header": true,
        })
    );
    let plan = &told["plan"];
    assert_eq!(
        (&plan["users"], &plan["secondsAtRate"], &plan["requestId"]),
        (&json!(2), &json!(2), &json!("r")),
        "{told}"
    );
    assert!(plan["workProblem"].as_str().unwrap().contains("127.0.0.1:1"), "{told}");
    let (code, told) = document(&["submit", "resync-user", "a b"]);
    assert_eq!((code, &told["end"], &told["plan"]), (64, &json!("refused"), &Value::Null), "{told}");
    assert!(told["problem"].as_str().unwrap().contains("id 1 holds a space"), "{told}");
}

#[test]
fn a_kafka_that_is_away_is_a_document_too() {
    let asking: [&[&str]; 8] = [
        &["watch", "r"],
        &["replay", "plan", "--earliest"],
        &["replay", "live", "--earliest"],
        &["redrive", "list"],
        &["redrive", "show"],
        &["redrive", "run"],
        &["redrive", "park", "--all", "--why", "x"],
        &["submit", "resync-user", "u-1", "--execute"],
    ];
    // Each waits ten seconds for Kafka.
    std::thread::scope(|scope| {
        for arguments in asking {
            scope.spawn(move || {
                let (code, told) = document(arguments);
                assert_eq!(code, 69, "{arguments:?}: {told}");
                assert!(told["problem"].is_string(), "{arguments:?}: {told}");
            });
        }
    });
}

/// Whoever asks for a plan waits for it.
#[test]
fn who_is_away_is_told_at_once_with_the_keys_that_say_where_it_is() {
    for arguments in
        [&["submit", "resync-user", "--all"][..], &["submit", "delete-user", "--deleted", "--execute", "--yes"]]
    {
        let begun = Instant::now();
        let ended = run(nowhere(&mut program(arguments)));
        assert_eq!(ended.code, 69, "{}{}", ended.output, ended.errors);
        let told = "nothing is published: cassandra: unreachable: 127.0.0.1:1: ";
        assert!(ended.output.contains(told), "{}", ended.output);
        assert!(ended.output.contains("see cassandra.hosts, cassandra.port"), "{}", ended.output);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    let ended = run(nowhere(&mut program(&["submit", "resync-user", "u-1", "--execute"])));
    assert_eq!(ended.code, 69, "{}{}", ended.output, ended.errors);
    let told = "nothing is published: kafka: unreachable: 127.0.0.1:1: ";
    assert!(ended.output.contains(told) && ended.output.contains("see kafka.brokers"), "{}", ended.output);
}
