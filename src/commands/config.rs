//! `config`: what is in effect, and where it comes from.

use std::fmt::Write as _;
use std::io::Write;

use super::Exit;
use crate::cli::Format;
use crate::settings::Loaded;

/// Prints them: as TOML, or as one document with the place of each value that is not a default.
///
/// # Errors
/// When `output` cannot be written.
pub fn tell(loaded: &Loaded, format: Format, output: &mut dyn Write) -> anyhow::Result<Exit> {
    match format {
        Format::Text => output.write_all(render(loaded)?.as_bytes())?,
        Format::Json => {
            let document = serde_json::json!({ "settings": loaded.settings, "origins": loaded.origins });
            serde_json::to_writer_pretty(&mut *output, &document)?;
            writeln!(output)?;
        }
    }
    Ok(Exit::Done)
}

/// The settings as TOML that could be used as a file, secrets aside; each value that is not a default names its place.
///
/// # Errors
/// When the settings cannot be written as TOML, which would be a bug.
fn render(loaded: &Loaded) -> anyhow::Result<String> {
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
    fn programs_get_the_same_values_with_their_places() {
        let mut output = Vec::new();
        let loaded = loaded(&[("ENV_NAME", "prod"), ("sunbird_cassandra_password", "hunter2")]);
        tell(&loaded, Format::Json, &mut output).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!((&told["settings"]["env"], &told["origins"]["env"]), (&"prod".into(), &"ENV_NAME".into()), "{told}");
        assert_eq!(told["settings"]["cassandra"]["password"], "***", "{told}");
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
