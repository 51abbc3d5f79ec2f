use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

const DEFAULTS: &str = include_str!("../../config/default.toml");

fn load_with(file: Option<&str>, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let Some(text) = file else { return Settings::load(None, env) };
    let mut on_disk = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    on_disk.write_all(text.as_bytes()).unwrap();
    Settings::load(Some(on_disk.path()), env)
}

fn problems_of(file: Option<&str>, env: &[(&str, &str)]) -> String {
    load_with(file, env).unwrap_err().to_string()
}

/// Every key that the reference mentions; `#key = …` is a key without a default.
fn reference() -> toml::Table {
    let uncommented: Vec<&str> = DEFAULTS
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .collect();
    uncommented.join("\n").parse().unwrap()
}

fn leaves(path: &str, value: serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) if path != "kafka.properties" => {
            for (name, field) in fields {
                leaves(&if path.is_empty() { name } else { format!("{path}.{name}") }, field, into);
            }
        }
        _ => drop(into.insert(path.to_owned())),
    }
}

#[test]
fn the_reference_and_the_struct_have_the_same_keys() {
    let (mut told, mut known) = (BTreeSet::new(), BTreeSet::new());
    leaves("", serde_json::to_value(reference()).unwrap(), &mut told);
    leaves("", serde_json::to_value(load_with(None, &[]).unwrap()).unwrap(), &mut known);
    assert_eq!(told, known);
}

#[test]
fn every_key_of_the_reference_is_explained() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        let is_key = line.starts_with(|letter: char| letter.is_ascii_lowercase())
            || line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()));
        assert!(!is_key || explained, "no comment above {line}");
        explained = line.starts_with('#') || (!line.is_empty() && explained);
    }
}

#[test]
fn defaults_are_those_of_the_design() {
    let settings = load_with(None, &[]).unwrap();
    assert_eq!((settings.intake.budget, settings.intake.page, settings.intake.parked), (20_000, 250, 1000));
    assert_eq!(settings.intake.reject_limit, 50);
    assert_eq!((settings.guard.max_age, settings.guard.missing_user), (Duration::from_mins(1), MissingUser::Skip));
    assert_eq!((settings.sync.mode, settings.sync.block_size, settings.sync.concurrency), (SyncMode::Verify, 100, 4));
    assert_eq!(settings.sync.max_calls, None);
    assert_eq!(
        (settings.sync.settle_delay, settings.sync.ambiguity),
        (Duration::from_secs(30), Duration::from_secs(30))
    );
    assert_eq!((settings.purge.mode, settings.purge.block_size), (None, 500));
    assert_eq!((settings.retry.attempts, settings.retry.time), (8, Duration::from_mins(2)));
    assert_eq!((settings.delay.after, settings.delay.looks), (Duration::from_mins(10), 6));
    assert_eq!(settings.drain_timeout, Duration::from_secs(2));
    assert_eq!(settings.kafka.group, "dev-user-purge-sync-group");
    assert_eq!(settings.topics.failed, "dev.user.purge.failed");
}

#[test]
fn later_layers_win() {
    let file = "env = 'file'\n[intake]\npage = 100\n[sync]\nmax_calls = '5000/h'";
    let settings = load_with(
        Some(file),
        &[("ENV_NAME", "alias"), ("USER_PURGE_SYNC__INTAKE__PAGE", "200"), ("USER_PURGE_SYNC__SYNC__MAX_CALLS", "")],
    )
    .unwrap();
    assert_eq!((settings.env.as_str(), settings.intake.page, settings.sync.max_calls), ("alias", 200, None));
    let settings = load_with(Some(file), &[("ENV_NAME", "alias"), ("USER_PURGE_SYNC__ENV", "own")]).unwrap();
    assert_eq!((settings.env.as_str(), settings.intake.page), ("own", 100));
    assert_eq!(settings.sync.max_calls.as_deref(), Some("5000/h"));
}

#[test]
fn the_environment_has_lists_durations_words_and_properties() {
    let settings = load_with(
        None,
        &[
            ("USER_PURGE_SYNC__KEYCLOAK__DENY_LIST", "a, b,"),
            ("USER_PURGE_SYNC__SYNC__LINGER", "5ms"),
            ("USER_PURGE_SYNC__PURGE__MODE", "off"),
            ("USER_PURGE_SYNC__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
            ("USER_PURGE_SYNC__KAFKA__PROPERTIES__SASL_MECHANISM", "PLAIN"),
            ("USER_PURGE_SYNC__KEYCLOAK__TLS__CA_FILE", "/ca.pem"),
            ("USER_PURGE_SYNC_SERVICE_HOST", "set by Kubernetes, not ours"),
        ],
    )
    .unwrap();
    assert_eq!(settings.keycloak.deny_list, ["a", "b"]);
    assert_eq!(settings.sync.linger, Duration::from_millis(5));
    assert_eq!(settings.purge.mode, Some(PurgeMode::Off));
    assert_eq!(settings.kafka.properties["sasl.password"], "hunter2");
    assert_eq!(settings.kafka.properties["sasl.mechanism"], "PLAIN");
    assert_eq!(settings.keycloak.tls.ca_file.as_deref(), Some(std::path::Path::new("/ca.pem")));
}

#[test]
fn properties_keep_their_dots_however_they_are_written() {
    let nested = "[kafka.properties]\nsecurity.protocol = 'SSL'\n'socket.timeout.ms' = 1000\n'log_level' = 6";
    let settings = load_with(Some(nested), &[]).unwrap();
    let pairs: Vec<_> = settings.kafka.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(pairs, ["log_level=6", "security.protocol=SSL", "socket.timeout.ms=1000"]);
}

#[test]
fn unknown_keys_are_named_all_at_once_with_their_place() {
    let error = problems_of(
        Some("[kafka]\nbrokerz = 'x'\n[intake.page]\nof = 3\n[nonsense]\na = 1"),
        &[("USER_PURGE_SYNC__SYNC__BLOCKSIZE", "5"), ("USER_PURGE_SYNC__KEYCLOAK", "x")],
    );
    assert!(error.contains("kafka.brokerz: there is no such key; did you mean kafka.brokers? (from /"), "{error}");
    assert!(error.contains("intake.page.of: there is no such key"), "{error}");
    assert!(error.contains("nonsense.a: there is no such key"), "{error}");
    assert!(error.contains("sync.blocksize: there is no such key; did you mean sync.block_size?"), "{error}");
    assert!(error.contains("(from USER_PURGE_SYNC__SYNC__BLOCKSIZE)"), "{error}");
    assert!(error.contains("keycloak: is a section, not a key (from USER_PURGE_SYNC__KEYCLOAK)"), "{error}");
}

#[test]
fn wrong_types_name_key_expectation_and_place() {
    for (variable, value, expected) in [
        ("USER_PURGE_SYNC__INTAKE__PAGE", "many", "intake.page: invalid type: string \"many\", expected an integer"),
        ("USER_PURGE_SYNC__SYNC__TIMEOUT", "15", "sync.timeout: invalid value: string \"15\", expected a duration"),
        ("USER_PURGE_SYNC__DRAIN_TIMEOUT", "500000000000y", "drain_timeout: must be at most 365days"),
        (
            "USER_PURGE_SYNC__PURGE__MODE",
            "del",
            "purge.mode: unknown variant `del`, expected one of `delete`, `dry-run`",
        ),
        ("USER_PURGE_SYNC__CASSANDRA__PORT", "70000", "cassandra.port: invalid type"),
        ("USER_PURGE_SYNC__KEYCLOAK__TLS__ENABLED", "perhaps", "keycloak.tls.enabled: invalid type"),
    ] {
        let error = problems_of(None, &[(variable, value)]);
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&format!("(from {variable})")), "{error}");
    }
    let error = problems_of(Some("[cassandra]\nhosts = 7"), &[]);
    assert!(error.contains("cassandra.hosts: invalid type") && error.contains(".toml)"), "{error}");
}

#[test]
fn a_file_says_numbers_words_and_flags_as_such() {
    let file = "[intake]\npage = 1.5\n[retry]\nattempts = true\ntime = 0\n[sync]\napi_key = 12345\nconcurrency = nan
        [keycloak.tls]\nenabled = 1\nca_file = 7";
    let error = problems_of(Some(file), &[]);
    for told in [
        "intake.page: must be a whole number, is a number with a point (from /",
        "retry.attempts: must be a whole number, is true or false",
        "retry.time: must be text in quotes, is a number",
        "sync.api_key: must be text in quotes, is a number",
        "sync.concurrency: must be a whole number, is a number with a point",
        "keycloak.tls.enabled: must be true or false, is a number",
        "keycloak.tls.ca_file: must be text in quotes, is a number",
    ] {
        assert!(error.contains(told), "{told} is not in {error}");
    }
    assert!(!error.contains("12345"), "{error}");
}

#[test]
fn no_number_is_too_large_to_be_complained_about() {
    let error = problems_of(Some("[intake]\npage = 9223372036854775807"), &[]);
    assert!(error.contains("intake.page: must be 1 to 1000") && error.contains("intake.budget"), "{error}");
}

#[test]
fn a_misspelt_log_level_does_not_silence_the_log() {
    for wrong in ["inof", "", "info,", "7", "info debug"] {
        let error = problems_of(None, &[("USER_PURGE_SYNC__LOG__LEVEL", wrong)]);
        assert!(error.contains("log.level: must be off, error"), "{wrong}: {error}");
    }
    for right in ["info", "WARN", "info,rdkafka=debug", "off,user_purge_sync::pipeline=trace", "info,[block]=debug"] {
        load_with(None, &[("USER_PURGE_SYNC__LOG__LEVEL", right)]).unwrap();
    }
}

#[test]
fn a_syntax_error_names_the_line_and_does_not_print_it() {
    for secret in ["hunter2", "98765432109876543210"] {
        let error = problems_of(Some(&format!("[sync]\napi_key = {secret}")), &[]);
        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
}

#[test]
fn rules_between_keys_are_told_all_at_once() {
    let file = r#"
        drain_timeout = "20s"
        [kafka.properties]
        "group.id" = "x"
        [topics]
        status = "{env}.user.purge.failed"
        [intake]
        budget = 100
        [sync]
        endpoint = "https://me:pass@sunbird"
        max_calls = "5000 an hour"
        [purge]
        mode = "delete"
        [keycloak]
        realm = ""
        [keycloak.admin_api]
        enabled = true
        [http]
        listen = "8080"
        [log]
        level = "user_purge_sync=loud"
    "#;
    let error = load_with(Some(file), &[]).unwrap_err();
    let keys: BTreeSet<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected = [
        "http.listen",
        "intake.budget",
        "kafka.properties.group.id",
        "kafka.session_timeout",
        "keycloak.admin_api.client_id",
        "keycloak.admin_api.client_secret",
        "keycloak.admin_api.url",
        "keycloak.realm",
        "log.level",
        "sync.endpoint",
        "sync.max_calls",
        "topics.failed",
    ];
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected, "{error}");
    assert!(!error.to_string().contains("pass@"), "{error}");
    assert!(load_with(Some("[purge]\nmode = 'off'\n[keycloak]\nrealm = ''"), &[]).is_ok());
}

#[test]
fn no_secret_is_shown() {
    let names = [
        "CASSANDRA__PASSWORD",
        "SYNC__API_KEY",
        "KEYCLOAK__PASSWORD",
        "KEYCLOAK__ADMIN_API__CLIENT_SECRET",
        "KAFKA__PROPERTIES__SASL_PASSWORD",
        "KAFKA__PROPERTIES__SSL_KEY_PEM",
    ]
    .map(|name| format!("USER_PURGE_SYNC__{name}"));
    let env: Vec<_> = names.iter().map(|name| (name.as_str(), "hunter2")).collect();
    let settings = load_with(None, &env).unwrap();
    assert_eq!(settings.sync.api_key.expose_secret(), "hunter2");
    let shown = format!("{settings:?}{}", toml::to_string(&settings).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("api_key = \"***\"") && shown.contains("\"sasl.password\" = \"***\""), "{shown}");
}

#[test]
fn call_rates_have_one_spelling() {
    assert_eq!(CallRate::parse("5000/h"), Some(CallRate { calls: 5000, per: Duration::from_hours(1) }));
    assert_eq!(CallRate::parse("600/min"), Some(CallRate { calls: 600, per: Duration::from_mins(1) }));
    for wrong in ["", "5000", "0/s", "5000/d", "-1/s", "x/s", "1.5/s"] {
        assert_eq!(CallRate::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_short_sync_timeout_is_warned_about() {
    let settings = load_with(None, &[("USER_PURGE_SYNC__SYNC__TIMEOUT", "10s")]).unwrap();
    assert_eq!(settings.warnings().iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["sync.timeout"]);
    assert!(load_with(None, &[]).unwrap().warnings().is_empty());
}

#[test]
fn a_dry_run_has_a_group_of_its_own() {
    let group = |group, mode| {
        let env = [("USER_PURGE_SYNC__PURGE__MODE", mode), ("USER_PURGE_SYNC__KAFKA__GROUP", group)];
        load_with(None, &env).unwrap().group()
    };
    assert_eq!(group("{env}-x-group", "dry-run"), "dev-x-dry-run-group");
    assert_eq!(group("mine", "dry-run"), "mine-dry-run");
    assert_eq!(group("{env}-x-group", "delete"), "dev-x-group");
}
