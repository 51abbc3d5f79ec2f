//! Where Keycloak's Admin API is, and as whom the worker comes.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::fields;

/// The step that ends access: without it a purged user's tokens go on being refreshed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminApiSettings {
    pub enabled: bool,
    /// With `/auth` where Keycloak has it.
    pub url: String,
    pub client_id: String,
    #[serde(serialize_with = "fields::redacted")]
    pub client_secret: SecretString,
    /// Read at each new token; instead of `client_secret`.
    pub client_secret_file: Option<PathBuf>,
    #[serde(with = "super::fields::duration")]
    pub timeout: Duration,
    pub concurrency: usize,
    pub ca_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    fn problems(env: &[(&str, &str)]) -> String {
        let env = env.iter().map(|(key, value)| (format!("USER_PURGE_SYNC__{key}"), (*value).to_owned()));
        Settings::load(None, env).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn a_secret_and_its_file_are_not_chosen_between() {
        let name = ("CASSANDRA__USERNAME", "sunbird");
        for (secret, key) in [
            ("CASSANDRA__PASSWORD", "cassandra.password"),
            ("SYNC__API_KEY", "sync.api_key"),
            ("KEYCLOAK__PASSWORD", "keycloak.password"),
        ] {
            let file = format!("{secret}_FILE");
            assert_eq!(problems(&[name, (&file, "/run/secret")]), "");
            let told = problems(&[name, (secret, "zq"), (&file, "/run/secret")]);
            assert!(told.contains(&format!("{key}_file: and {key} are both set")) && !told.contains("zq"), "{told}");
        }
    }

    #[test]
    fn the_admin_api_takes_its_secret_from_either_place() {
        let mut env = vec![("KEYCLOAK__ADMIN_API__ENABLED", "true"), ("KEYCLOAK__ADMIN_API__CLIENT_ID", "worker")];
        env.push(("KEYCLOAK__ADMIN_API__URL", "https://keycloak/auth"));
        assert!(problems(&env).contains("keycloak.admin_api.client_secret: must not be empty"));
        env.push(("KEYCLOAK__ADMIN_API__CLIENT_SECRET_FILE", "/run/secret"));
        assert_eq!(problems(&env), "");
        env.push(("KEYCLOAK__ADMIN_API__CLIENT_SECRET", "zq"));
        assert!(problems(&env).contains("keycloak.admin_api.client_secret_file: and "));
    }

    #[test]
    fn a_password_without_a_user_is_no_use() {
        assert!(problems(&[("CASSANDRA__PASSWORD_FILE", "/run/secret")]).contains("cassandra.username is empty"));
    }
}
