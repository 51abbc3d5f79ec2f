//! Passwords and certificates of Kafka are changed in their files: when Kafka takes what they hold now, the worker goes
//! over to clients that read it. librdkafka reads each of them once, when a client is made.

use std::time::Duration;

use super::world;
use crate::adapters::kafka::{Fingerprint, SettingsFiles, Topic};
use crate::settings::Settings;

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks at the files of Kafka's settings.
pub struct Renewal<'a> {
    settings: &'a Settings,
    /// What the worker reads and writes: asked for with what the files hold.
    topics: Vec<Topic>,
    files: SettingsFiles,
    in_use: Fingerprint,
}

impl<'a> Renewal<'a> {
    /// Order: before the first client is made, so that no change is missed.
    pub fn new(settings: &'a Settings, topics: Vec<Topic>) -> Self {
        let files = SettingsFiles::of(&settings.kafka);
        let in_use = files.fingerprint();
        Self { settings, topics, files, in_use }
    }

    /// Ready when clients that are made now get on with Kafka, and read other files than those in use. Never, where no
    /// file is named. Cancellable.
    ///
    /// Clients that work are not given up for some that do not: a new password may be in its file before the broker
    /// has it, or the other way round.
    pub async fn due(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        let mut told = None;
        loop {
            tokio::time::sleep(PAUSE).await;
            let found = self.files.fingerprint();
            if found == self.in_use {
                continue;
            }
            match self.works().await {
                Ok(()) => {
                    self.in_use = found;
                    return;
                }
                Err(problem) if told != Some(found) => {
                    let problem = format!("{problem:#}");
                    tracing::error!(
                        problem,
                        "files of kafka.properties have changed, and kafka does not take them yet"
                    );
                    told = Some(found);
                }
                Err(_) => {}
            }
        }
    }

    async fn works(&self) -> anyhow::Result<()> {
        Ok(world::topic_admin(self.settings)?.require(&self.topics).await?)
    }
}
