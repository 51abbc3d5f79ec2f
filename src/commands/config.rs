//! `config`: what is in effect, and where it comes from.

use std::fmt::Write;

use crate::settings::Loaded;

/// The settings as TOML that could be used as a file, secrets aside; each value that is not a default names its place.
///
/// # Errors
/// When the settings cannot be written as TOML, which would be a bug.
pub fn render(loaded: &Loaded) -> anyhow::Result<String> {
    let mut section = String::new();
    let mut text = String::new();
    for line in toml::to_string(&loaded.settings)?.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        }
        let key = line.split_once(" = ").map(|(key, _)| format!("{section}{}", key.trim_matches('"')));
        match key.and_then(|key| loaded.origins.get(&key)) {
            Some(origin) => writeln!(text, "{line}  # from {origin}")?,
            None => writeln!(text, "{line}")?,
        }
    }
    if loaded.settings.purge.mode.is_none() {
        text.push_str("\n# purge.mode is not set: `run` needs \"delete\", \"dry-run\" or \"off\"\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(env: &[(&str, &str)]) -> Loaded {
        Loaded::load(None, env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
    }

    #[test]
    fn what_is_not_a_default_names_its_place() {
        let text = render(&loaded(&[
            ("USER_PURGE_SYNC__KEYCLOAK__ADMIN_API__URL", "http://keycloak/auth"),
            ("USER_PURGE_SYNC__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
            ("ENV_NAME", "prod"),
        ]))
        .unwrap();
        assert!(text.contains("env = \"prod\"  # from ENV_NAME\n"), "{text}");
        assert!(
            text.contains("url = \"http://keycloak/auth\"  # from USER_PURGE_SYNC__KEYCLOAK__ADMIN_API__URL\n"),
            "{text}"
        );
        assert!(text.contains("\"sasl.password\" = \"***\"  # from"), "{text}");
        assert!(text.contains("page = 250\n") && text.contains("purge.mode is not set"), "{text}");
    }

    #[test]
    fn what_is_printed_can_be_used_as_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = loaded(&[("USER_PURGE_SYNC__PURGE__MODE", "off"), ("USER_PURGE_SYNC__SYNC__MAX_CALLS", "5000/h")]);
        std::fs::write(file.path(), render(&first).unwrap()).unwrap();
        let second = Loaded::load(Some(file.path()), std::iter::empty()).unwrap();
        assert_eq!(format!("{:?}", first.settings), format!("{:?}", second.settings));
    }
}
