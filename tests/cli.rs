//! The program as a shell sees it: what it prints where, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

#[path = "cli/documents.rs"]
mod documents;

use std::path::PathBuf;

use assert_cmd::Command;

/// The program in an empty environment, so that nothing of the machine takes part.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("user-purge-sync").unwrap();
    command.env_clear().args(arguments);
    command
}

struct Ended {
    code: i32,
    output: String,
    errors: String,
}

fn run(command: &mut Command) -> Ended {
    let ended = command.output().unwrap();
    Ended {
        code: ended.status.code().unwrap(),
        output: String::from_utf8(ended.stdout).unwrap(),
        errors: String::from_utf8(ended.stderr).unwrap(),
    }
}

struct OnDisk {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl OnDisk {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self { _directory: directory, path }
    }

    fn as_str(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

#[test]
fn every_command_can_be_learned_from_its_help() {
    for (arguments, told) in [
        (vec!["--help"], ["USER_PURGE_SYNC__SECTION__KEY", "64  wrong usage", "check --create-topics"]),
        (vec!["run", "--help"], ["purge.mode", "SIGTERM", "--config"]),
        (vec!["check", "--help"], ["--create-topics", "--partitions", "check keycloak"]),
        (vec!["config", "--help"], ["redacted", "not a default", "--config"]),
        (vec!["audit", "--help"], ["--protected", "Exit code 0", "submit delete-user --file ids.csv"]),
        (vec!["redrive", "--help"], ["park", "Exit code 0", "redrive run --reason sync_failed"]),
        (vec!["redrive", "run", "--help"], ["--limit", "--rate", "read again where it stood"]),
        (vec!["status", "--help"], ["--since", "Exit code 0", "an auditor"]),
        (vec!["replay", "--help"], ["--last", "replay apply plan.json", "edata.replayId"]),
        (vec!["submit", "--help"], ["retire-local-user", "--context_param", "userId, user_id or id"]),
    ] {
        let ended = run(&mut program(&arguments));
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{arguments:?}");
        for words in told {
            assert!(ended.output.contains(words), "{arguments:?} says nothing of {words}:\n{}", ended.output);
        }
    }
    let ended = run(&mut program(&["--version"]));
    assert_eq!((ended.code, ended.output.trim()), (0, concat!("user-purge-sync ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        vec![],
        vec!["walk"],
        vec!["run", "--fast"],
        vec!["submit", "delete-everything", "u-1"],
        vec!["submit", "resync-user", "u-1", "--rate", "fast"],
        vec!["submit", "resync-user", "u-1", "--file", "ids.csv"],
        vec!["replay"],
        vec!["replay", "plan", "--earliest", "--latest"],
        vec!["replay", "--timestamp", "yesterday"],
        vec!["replay", "apply"],
        vec!["submit", "resync-user", "u-1", "--all"],
        vec!["submit", "resync-user", "--all", "--deleted"],
        vec!["submit", "resync-user", "--all", "--failure", "failed.csv"],
        vec!["submit", "resync-user", "u-1", "--context_param", "sunbird_sync_speed=7"],
        vec!["submit", "resync-user", "u-1", "--context_param", "sunbird_sync_sleep_time=soon"],
        vec!["submit", "resync-user", "u-1", "--execute", "--context_param", "dry_run=true"],
        vec!["check", "--partitions", "3"],
        vec!["check", "kafka"],
        vec!["check", "keycloak", "--create-topics"],
        vec!["audit", "u-1", "--file", "ids.csv"],
        vec!["redrive"],
        vec!["redrive", "park", "--all"],
        vec!["redrive", "run", "--since", "yesterday"],
        vec!["status"],
        vec!["status", " "],
    ] {
        let ended = run(&mut program(&arguments));
        assert_eq!((ended.code, ended.output.as_str()), (64, ""), "{arguments:?}: {}", ended.errors);
        assert!(!ended.errors.is_empty(), "{arguments:?}");
    }
}

#[test]
fn unknown_keys_and_wrong_types_are_64_and_name_their_place() {
    let file = OnDisk::new("my.toml", b"[kafka]\nbrokerz = 'x'\n");
    let ended = run(program(&["config", "--config", file.as_str()]).env("USER_PURGE_SYNC__SYNC__PAGE", "1"));
    assert_eq!((ended.code, ended.output.as_str()), (64, ""));
    let of_file = format!("kafka.brokerz: there is no such key; did you mean kafka.brokers? (from {})", file.as_str());
    assert!(ended.errors.contains(&of_file), "{}", ended.errors);
    assert!(ended.errors.contains("sync.page: there is no such key"), "{}", ended.errors);
    assert!(ended.errors.contains("(from USER_PURGE_SYNC__SYNC__PAGE)"), "{}", ended.errors);

    let ended = run(program(&["run"]).env("USER_PURGE_SYNC__INTAKE__BUDGET", "a lot"));
    assert_eq!(ended.code, 64);
    let told =
        "intake.budget: invalid type: string \"a lot\", expected an integer (from USER_PURGE_SYNC__INTAKE__BUDGET)";
    assert!(ended.errors.contains(told), "{}", ended.errors);

    let ended = run(&mut program(&["config", "--config", "/nowhere.toml"]));
    assert_eq!(ended.code, 64);
    assert!(ended.errors.contains("cannot be read: No such file or directory"), "{}", ended.errors);
    assert!(ended.errors.contains("(from /nowhere.toml)"), "{}", ended.errors);
}

#[test]
fn run_needs_a_decision_about_the_purge() {
    let ended = run(&mut program(&["run"]));
    assert_eq!((ended.code, ended.output.as_str()), (64, ""));
    for words in ["purge.mode: is not set", "\"delete\"", "\"dry-run\"", "\"off\"", "USER_PURGE_SYNC__PURGE__MODE"] {
        assert!(ended.errors.contains(words), "{}", ended.errors);
    }
}

#[test]
fn a_full_disk_behind_standard_error_ends_nothing() {
    let undecided: &[(&str, &str)] = &[];
    // A warning is logged first; then nothing can be served at an address that is reserved for documentation.
    let warned = &[
        ("USER_PURGE_SYNC__PURGE__MODE", "off"),
        ("USER_PURGE_SYNC__SYNC__TIMEOUT", "5s"),
        ("USER_PURGE_SYNC__HTTP__LISTEN", "192.0.2.1:80"),
    ];
    for (variables, code) in [(undecided, 64), (warned.as_slice(), 70)] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("user-purge-sync"));
        let ended = command.env_clear().envs(variables.iter().copied()).arg("run").stderr(full).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{ended}");
    }
}

#[test]
fn config_prints_what_is_in_effect_without_secrets() {
    let file = OnDisk::new("my.toml", b"[sync]\napi_key = 'hunter2'\n[intake]\npage = 100\n");
    let ended = run(program(&["config", "--config", file.as_str()])
        .env("sunbird_cassandra_password", "hunter2")
        .env("USER_PURGE_SYNC__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2")
        .env("ENV_NAME", "prod"));
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
    assert!(!ended.output.contains("hunter2"), "{}", ended.output);
    assert!(ended.output.contains(&format!("page = 100  # from {}", file.as_str())), "{}", ended.output);
    assert!(ended.output.contains("password = \"***\"  # from sunbird_cassandra_password"), "{}", ended.output);
    assert!(ended.output.contains("delete = \"prod.delete.user\""), "{}", ended.output);
}

#[test]
fn check_names_what_does_not_answer_and_the_key_to_change() {
    // Port 1 of this machine is nobody's; the name is reserved never to exist.
    let ended = run(program(&["check"])
        .env("kafka_urls", "127.0.0.1:1")
        .env("sunbird_cassandra_host", "nowhere.invalid")
        .env("sunbird_sync_api_endpoint", "http://127.0.0.1:1/v1/data/sync")
        .env("USER_PURGE_SYNC__PURGE__MODE", "off"));
    assert_eq!(ended.code, 69, "{}{}", ended.output, ended.errors);
    for (address, key) in [
        ("kafka at 127.0.0.1:1", "see kafka.brokers"),
        ("cassandra at nowhere.invalid:9042", "see cassandra.hosts"),
        ("sync api at 127.0.0.1:1", "see sync.endpoint"),
    ] {
        let line = ended.output.lines().find(|line| line.contains(address)).unwrap_or_default();
        assert!(line.starts_with("WRONG") && line.contains(key), "{}", ended.output);
    }
}

#[test]
fn check_keycloak_says_that_it_cannot_be_reached_and_where_it_was_looked_for() {
    let ended = run(program(&["check", "keycloak"])
        .env("USER_PURGE_SYNC__KEYCLOAK__HOST", "127.0.0.1")
        .env("USER_PURGE_SYNC__KEYCLOAK__PORT", "1"));
    assert_eq!(ended.code, 69, "{}{}", ended.output, ended.errors);
    assert!(
        ended.output.starts_with("WRONG keycloak's schema  connection: keycloak.host, keycloak.port"),
        "{}",
        ended.output
    );
}

#[test]
fn a_plan_tells_what_was_found_in_a_file_and_needs_nobody() {
    let file = OnDisk::new("ids.csv", b"\xef\xbb\xbfuserId\r\nu-1\r\n\r\n u-2 \r\nu-1\r\n");
    let ended = run(&mut program(&["submit", "resync-user", "--file", file.as_str()]));
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{}", ended.output);
    assert!(ended.output.contains("5 lines: 2 users, 1 repeats, 1 blank, 0 invalid, a header"), "{}", ended.output);
    assert!(ended.output.contains("first ids   u-1, u-2\n"), "{}", ended.output);
    assert!(ended.output.contains("this is a plan"), "{}", ended.output);

    let ended = run(program(&["submit", "delete-user", "--file", "-"]).write_stdin("u-1\nu-2\n"));
    assert!(ended.code == 0 && ended.output.contains("users       2, in 1 events"), "{}", ended.output);
}

#[test]
fn files_that_cannot_be_meant_publish_nothing() {
    for (bytes, code, told) in [
        (b"u-1\nu 2\n\"u-3\n".as_slice(), 64, "nothing is published: 2 invalid\n  line 2 holds a space"),
        (b"u-1,Jane\n", 64, "line 1 has more than one column"),
        (b"\n \n", 64, "no ids"),
        (b"\xff\xfeu\0", 64, "is in UTF-16"),
    ] {
        let file = OnDisk::new("ids.csv", bytes);
        let ended = run(&mut program(&["submit", "delete-user", "--execute", "--yes", "--file", file.as_str()]));
        let text = format!("{}{}", ended.output, ended.errors);
        assert_eq!(ended.code, code, "{text}");
        assert!(text.contains(told), "{text}");
    }
    let ended = run(&mut program(&["submit", "delete-user", "--file", "/nowhere.csv"]));
    assert_eq!(ended.code, 64);
    assert!(ended.errors.contains("/nowhere.csv: No such file or directory"), "{}", ended.errors);
}

#[test]
fn completions_and_man_pages_come_from_the_program_and_need_no_settings() {
    for (shell, words) in [("bash", "complete -F"), ("zsh", "#compdef user-purge-sync"), ("fish", "complete -c")] {
        let ended = run(program(&["completions", shell]).env("USER_PURGE_SYNC__NO_SUCH_KEY", "1"));
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{shell}");
        assert!(ended.output.contains(words) && ended.output.contains("audit"), "{shell}");
    }
    let page = run(&mut program(&["man"]));
    assert!(page.code == 0 && page.output.starts_with(".ie"), "{}{}", page.output, page.errors);
    for words in ["69  a dependency is unreachable", "user\\-purge\\-sync\\-audit(1)", "USER_PURGE_SYNC_"] {
        assert!(page.output.contains(words), "{words} is missing in\n{}", page.output);
    }
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&mut program(&["man", folder.path().to_str().unwrap()]));
    assert_eq!(ended.code, 0, "{}", ended.errors);
    for name in ["user-purge-sync.1", "user-purge-sync-check.1", "user-purge-sync-watch.1"] {
        assert!(folder.path().join(name).exists(), "{name}: {}", ended.output);
    }
}

#[test]
fn the_old_jobs_parameters_reach_submit_and_nobody_else() {
    let file = OnDisk::new("ids", b"u-1\nu-2\n");
    let id_file = format!("sunbird_sync_id_file={}", file.as_str());
    let ended = run(program(&["submit", "retire-local-user", "--context_param", &id_file])
        .args(["--context_param", "sunbird_sync_block_size=50"])
        .env("sunbird_user_sync_sleep_time", "10000")
        .env("sunbird_sync_object_type", "user"));
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{}", ended.output);
    for told in ["users       2, in 1 events", "takes       0s at the rate asked for", "this is a plan"] {
        assert!(ended.output.contains(told), "{}", ended.output);
    }
    let ended = run(&mut program(&["submit", "resync-user", "u-1", "--context_param", "sunbird_sync_spede=7"]));
    assert!(ended.errors.contains("--context_param: sunbird_sync_spede is no parameter"), "{}", ended.errors);
    let ended = run(program(&["config"]).env("sunbird_sync_sleep_time", "soon"));
    assert_eq!(ended.code, 0, "{}", ended.errors);
}
