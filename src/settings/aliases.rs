//! Sunbird's own environment names (`facts/sunbird.md` 7.2), so that a ConfigMap of the house works as it is.
//!
//! `sunbird_pg_*` is left out on purpose: there it names the quartz database, and a purge must not go there.

use super::layer::Layer;
use super::load::Problem;

/// Our key and the names it goes by, both spellings of the batch jobs included.
const ALIASES: &[(&str, &[&str])] = &[
    ("env", &["ENV_NAME", "sunbird_environment"]),
    ("kafka.brokers", &["kafka_urls", "SUNBIRD_KAFKA_URL"]),
    ("cassandra.hosts", &["sunbird_cassandra_host", "sunbird_cassandra_server"]),
    ("cassandra.port", &["sunbird_cassandra_port"]),
    ("cassandra.username", &["sunbird_cassandra_username"]),
    ("cassandra.password", &["sunbird_cassandra_password"]),
    ("cassandra.keyspace", &["sunbird_cassandra_keyspace", "sunbird_userorg_keyspace"]),
    ("cassandra.consistency_level", &["sunbird_cassandra_consistency_level"]),
    ("sync.endpoint", &["sunbird_sync_api_endpoint", "sunbird_user_sync_api_endpoint"]),
    ("sync.api_key", &["sunbird_sync_api_key", "sunbird_user_sync_api_key"]),
    ("sync.block_size", &["sunbird_sync_block_size", "sunbird_user_sync_block_size"]),
    ("keycloak.realm", &["sunbird_sso_realm"]),
    ("keycloak.provider_id", &["sunbird_keycloak_user_federation_provider_id"]),
    ("keycloak.admin_api.url", &["sunbird_sso_url"]),
    // The client that Sunbird's services use for the Admin API themselves; `check` says which role it lacks.
    ("keycloak.admin_api.client_id", &["sunbird_sso_client_id"]),
    ("keycloak.admin_api.client_secret", &["sunbird_sso_client_secret"]),
];

/// Where an empty value says something: there is no authentication. Elsewhere it is a placeholder of a chart.
const EMPTY_COUNTS: [&str; 3] = ["cassandra.username", "cassandra.password", "sync.api_key"];

/// The aliases that are set. Two names that disagree are a problem, unless `decided` has the key from elsewhere.
pub(super) fn layer(env: &[(String, String)], decided: &Layer, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for &(key, names) in ALIASES {
        let set: Vec<(&str, &str)> = names.iter().filter_map(|&name| Some((name, value_of(env, key, name)?))).collect();
        let Some(&(name, value)) = set.first() else { continue };
        if let Some((other, _)) = set.iter().find(|(_, other)| *other != value)
            && !decided.has(key)
        {
            problems.push(Problem::new(key, format!("{name} and {other} disagree; keep one of them")));
        }
        layer.set(key, value, name);
    }
    layer
}

/// Of the key that goes by this name: all its names.
pub(super) fn names_like(name: &str) -> Option<&'static [&'static str]> {
    ALIASES.iter().map(|(_, names)| *names).find(|names| names.contains(&name))
}

fn value_of<'a>(env: &'a [(String, String)], key: &str, name: &str) -> Option<&'a str> {
    let (_, value) = env.iter().find(|(candidate, _)| candidate == name)?;
    (!value.trim().is_empty() || EMPTY_COUNTS.contains(&key)).then_some(value.as_str())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use crate::settings::Settings;

    fn load(env: &[(&str, &str)]) -> Result<Settings, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(None, env).map_err(|error| error.to_string())
    }

    #[test]
    fn a_sunbird_config_map_works_as_it_is() {
        let settings = load(&[
            ("ENV_NAME", "prod"),
            ("kafka_urls", "k1:9092,k2:9092"),
            ("sunbird_cassandra_host", "c1, c2"),
            ("sunbird_cassandra_port", "9043"),
            ("sunbird_cassandra_username", ""),
            ("sunbird_userorg_keyspace", "other"),
            ("sunbird_user_sync_api_endpoint", "https://sunbird.example/api/data/v1/index/sync"),
            ("sunbird_sync_api_key", "key"),
            ("sunbird_sync_block_size", "-1"),
            ("sunbird_sso_realm", "people"),
            ("sunbird_keycloak_user_federation_provider_id", "8a0f"),
            ("sunbird_sso_url", "https://sunbird.example/auth/"),
            ("sunbird_pg_db", "quartz"),
            ("sunbird_pg_host", "quartz-host"),
        ])
        .unwrap();
        assert_eq!(settings.topics.delete, "prod.delete.user");
        assert_eq!(settings.kafka.brokers, "k1:9092,k2:9092");
        assert_eq!(settings.cassandra.hosts, ["c1", "c2"]);
        assert_eq!(settings.cassandra.port, 9043);
        assert_eq!(settings.cassandra.keyspace, "other");
        assert_eq!(settings.sync.endpoint, "https://sunbird.example/api/data/v1/index/sync");
        assert_eq!(settings.sync.api_key.expose_secret(), "key");
        assert_eq!(settings.sync.block_size, 100);
        assert_eq!(settings.keycloak.realm, "people");
        assert_eq!(settings.keycloak.provider_id, "8a0f");
        assert_eq!(settings.keycloak.admin_api.url, "https://sunbird.example/auth");
        assert_eq!((settings.keycloak.database.as_str(), settings.keycloak.host.as_str()), ("keycloak", "postgresql"));
    }

    #[test]
    fn an_empty_alias_is_a_placeholder() {
        assert_eq!(load(&[("sunbird_sso_realm", " ")]).unwrap().keycloak.realm, "sunbird");
    }

    #[test]
    fn names_that_disagree_are_not_chosen_between() {
        let both = [("sunbird_cassandra_keyspace", "a"), ("sunbird_userorg_keyspace", "b")];
        let error = load(&both).unwrap_err();
        assert!(error.contains("cassandra.keyspace"), "{error}");
        assert!(error.contains("sunbird_cassandra_keyspace and sunbird_userorg_keyspace disagree"), "{error}");
        let decided = [both[0], both[1], ("USER_PURGE_SYNC__CASSANDRA__KEYSPACE", "c")];
        assert_eq!(load(&decided).unwrap().cassandra.keyspace, "c");
    }
}
