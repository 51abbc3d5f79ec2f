//! What `check keycloak` prints, and how it ends.

use std::process::Command;

use secrecy::ExposeSecret;
use user_purge_sync::settings::KeycloakSettings;

use crate::keycloak::copy::Copy;

/// Exit code and output.
fn check_keycloak(settings: &KeycloakSettings) -> (i32, String) {
    let port = settings.port.to_string();
    let keys = [
        ("HOST", settings.host.as_str()),
        ("PORT", &port),
        ("DATABASE", &settings.database),
        ("USERNAME", &settings.username),
        ("PASSWORD", settings.password.expose_secret()),
        ("SCHEMA", &settings.schema),
        ("REALM", &settings.realm),
        ("PROVIDER_ID", &settings.provider_id),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-purge-sync"));
    command.env_clear().args(["check", "keycloak"]);
    command.envs(keys.map(|(key, value)| (format!("USER_PURGE_SYNC__KEYCLOAK__{key}"), value)));
    let ended = command.output().unwrap();
    (ended.status.code().unwrap(), String::from_utf8(ended.stdout).unwrap())
}

fn line<'a>(output: &'a str, table: &str) -> &'a str {
    let is_of = |line: &&str| line.split_whitespace().nth(1) == Some(table);
    output.lines().find(is_of).unwrap_or_else(|| panic!("no {table} in {output}"))
}

#[tokio::test]
async fn the_map_is_printed_against_the_live_database_and_the_exit_code_says_whether_it_may_be_purged() {
    let copy = Copy::make().await;
    let (code, output) = check_keycloak(&copy.settings());
    assert_eq!(code, 0, "{output}");
    assert!(output.starts_with("Keycloak ") && output.contains("realm sunbird (id sunbird-realm-id)"), "{output}");
    assert!(!output.contains("WARNING") && !output.contains("WRONG"), "{output}");
    for (table, words) in [
        ("credential", ["all", "user_id, plain", "ok"]),
        ("offline_client_session", ["all", "user_session_id, a key of offline_user_session", "ok"]),
        ("credential_attribute", ["to 7", "a key of credential", "not in this Keycloak"]),
        ("resource_server_perm_ticket", ["all", "owner, requester, resource_id", "ok"]),
        ("event_entity", ["all", "user_id, session_id", "keycloak.trail.events"]),
    ] {
        let line = line(&output, table);
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }

    copy.change("REVOKE DELETE ON credential FROM user_purge_sync").await;
    let (code, output) = check_keycloak(&copy.settings());
    assert_eq!(code, 70, "{output}");
    assert!(output.contains(&format!("GRANT DELETE ON {}.credential TO user_purge_sync;", copy.schema)), "{output}");
    assert!(line(&output, "credential").contains("MISSING") && !output.contains("WRONG"), "{output}");

    copy.change("CREATE TABLE tenant (user_id varchar(36) REFERENCES user_entity)").await;
    copy.change("GRANT DELETE ON credential TO user_purge_sync").await;
    let (code, output) = check_keycloak(&copy.settings());
    assert_eq!(code, 70, "{output}");
    assert!(output.contains("WRONG keycloak.tables: table tenant is not known"), "{output}");
    let lines = "\n  [keycloak.tables.tenant]\n  action = \"delete\"  # or \"ignore\"\n  column = \"user_id\"\n";
    assert!(output.contains(lines), "{output}");
}
