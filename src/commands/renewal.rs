//! When the worker goes over to other Kafka clients.
//!
//! Passwords and certificates change in their files, and librdkafka reads each of them once, when a client is made. And
//! a client may be cut off from a Kafka that answers others, for good ([`Contact`]).

use std::time::{Duration, Instant};

use super::world;
use crate::adapters::kafka::{Contact, Fingerprint, SettingsFiles, Topic};
use crate::metrics::RenewalCause;
use crate::settings::Settings;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// In which a client that can connect again does: it tries every 2 s, and tells about it every 5 s.
const RECOVERY: Duration = Duration::from_secs(30);

/// Looks at the files of Kafka's settings, and at the clients that are in use.
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

    /// Ready when clients that are made now get on with Kafka, and those in use read other files, or are cut off. Cancellable.
    ///
    /// Clients that work are not given up for some that do not: a new password may be in its file before the broker
    /// has it, or the other way round.
    pub async fn due(&mut self, clients: &[Contact]) -> RenewalCause {
        let (mut told, mut cut_off) = (None, CutOff::default());
        loop {
            tokio::time::sleep(PAUSE).await;
            let found = self.files.fingerprint();
            let (is_changed, is_lost) = (found != self.in_use, clients.iter().any(Contact::is_lost));
            let answered = if is_changed || is_lost { Some(self.works().await) } else { None };
            let is_answered = answered.as_ref().is_some_and(Result::is_ok);
            if is_changed && is_answered {
                self.in_use = found;
                return RenewalCause::Files;
            }
            if cut_off.is_shown_by(is_lost && is_answered, Instant::now()) {
                return RenewalCause::CutOff;
            }
            if let Some(Err(problem)) = answered
                && is_changed
                && told != Some(found)
            {
                let problem = format!("{problem:#}");
                tracing::error!(problem, "files of kafka.properties have changed, and kafka does not take them yet");
                told = Some(found);
            }
        }
    }

    async fn works(&self) -> anyhow::Result<()> {
        Ok(world::topic_admin(self.settings)?.require(&self.topics).await?)
    }
}

/// After an outage every client is lost for a moment: those in use are given time to connect again.
#[derive(Default)]
struct CutOff {
    since: Option<Instant>,
}

impl CutOff {
    /// `is_seen`: at this look clients in use were lost, and a new one was answered.
    fn is_shown_by(&mut self, is_seen: bool, now: Instant) -> bool {
        self.since = is_seen.then(|| self.since.unwrap_or(now));
        self.since.is_some_and(|since| now.duration_since(since) >= RECOVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_cut_off_when_kafka_answers_others_for_longer_than_they_need_to_connect_again() {
        let (mut cut_off, start) = (CutOff::default(), Instant::now());
        let seconds = [
            (0, true, false),
            (25, true, false),
            // One was connected, or Kafka was away: the time begins anew.
            (29, false, false),
            (31, true, false),
            (60, true, false),
            (61, true, true),
        ];
        for (second, is_seen, is_shown) in seconds {
            let now = start + Duration::from_secs(second);
            assert_eq!(cut_off.is_shown_by(is_seen, now), is_shown, "after {second} s");
        }
    }
}
