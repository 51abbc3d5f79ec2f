//! The files that hold a part of Kafka's settings: passwords, keys, certificates. They change while the worker runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::settings::KafkaSettings;

/// librdkafka's properties that name a file which it reads once, when a client is made.
const LOCATIONS: [&str; 6] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
];

/// What the files held at one time; tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

/// All files that these settings name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsFiles(BTreeSet<PathBuf>);

impl SettingsFiles {
    pub fn of(settings: &KafkaSettings) -> Self {
        let named = |property: &&str| settings.properties.get(*property);
        let located = LOCATIONS.iter().filter_map(named);
        Self(located.chain(settings.property_files.values()).map(PathBuf::from).collect())
    }

    /// Of what they hold now. A file that cannot be read counts as such: it may be about to be replaced.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        for path in &self.0 {
            for (name, content) in contents(path) {
                digest.update(name.as_os_str().as_encoded_bytes());
                digest.update(Sha256::digest(content.unwrap_or_default()));
            }
        }
        Fingerprint(digest.finalize().into())
    }
}

/// A location may be a folder of certificates.
fn contents(path: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return vec![(path.to_owned(), std::fs::read(path).ok())];
    };
    let files: BTreeSet<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).ok())).collect()
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    use super::*;

    #[test]
    fn every_file_that_the_settings_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).display().to_string()
        };
        let env = [
            ("KAFKA__PROPERTIES__SSL_CA_LOCATION", write("ca.pem", "a")),
            ("KAFKA__PROPERTIES__SASL_USERNAME", "nobody".to_owned()),
            ("KAFKA__PROPERTY_FILES__SASL_PASSWORD", write("password", "hunter2\n")),
        ];
        let env = env.map(|(key, value)| (format!("USER_PURGE_SYNC__{key}"), value));
        let settings = Settings::load(None, env.into_iter()).unwrap().kafka;
        let files = SettingsFiles::of(&settings);
        let mut seen = vec![files.fingerprint()];
        for (name, text) in [("ca.pem", "b"), ("password", "hunter3\n"), ("ca.pem", "a")] {
            write(name, text);
            let now = files.fingerprint();
            assert!(!seen.contains(&now), "{name}");
            seen.push(now);
        }
        std::fs::remove_file(folder.path().join("password")).unwrap();
        assert!(!seen.contains(&files.fingerprint()));
    }
}
