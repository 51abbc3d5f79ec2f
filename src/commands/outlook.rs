//! What will happen unless a person does something: certificates that end, and records that retention takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::world::Certificates;
use crate::adapters::kafka::TopicAdmin;
use crate::adapters::tls::{Noted, ends_in_file};
use crate::domain::ids::{InputTopic, Partition};
use crate::metrics::Metrics;
use crate::settings::KafkaSettings;

/// Between looks at how long topics keep their records: an operator may lengthen that while there is time.
const ASK_AGAIN: Duration = Duration::from_mins(10);
/// Between looks at files.
const READ_AGAIN: Duration = Duration::from_mins(1);

/// Asked once a second; asks nobody itself.
pub struct Outlook {
    certificates: Certificates,
    kafka: KafkaFiles,
    retentions: Retentions,
    read: Option<Instant>,
}

/// The certificates that librdkafka reads by itself, and tells nothing of.
struct KafkaFiles {
    ca: Option<PathBuf>,
    own: Option<PathBuf>,
}

/// How long the input topics keep a record; one that does so for ever, or that nobody may ask about, is not in it.
#[derive(Clone, Debug, Default)]
pub struct Retentions(Arc<Mutex<BTreeMap<InputTopic, Duration>>>);

impl Outlook {
    pub fn new(certificates: Certificates, kafka: &KafkaSettings, retentions: Retentions) -> Self {
        let file = |property: &str| kafka.properties.get(property).map(PathBuf::from);
        let kafka = KafkaFiles { ca: file("ssl.ca.location"), own: file("ssl.certificate.location") };
        Self { certificates, kafka, retentions, read: None }
    }

    pub(super) fn tell_certificates(&mut self, metrics: &Metrics, now: Instant) {
        for (dependency, ends) in &self.certificates {
            let Noted { server, authority } = ends.noted();
            for (certificate, end) in [("server", server), ("authority", authority)] {
                if let Some(end) = end {
                    metrics.certificate_end(dependency, certificate, end);
                }
            }
        }
        if self.read.is_none_or(|read| now.duration_since(read) >= READ_AGAIN) {
            self.read = Some(now);
            self.kafka.tell(metrics);
        }
    }

    /// `since`: the time of the oldest record that is not settled, and how long ago it is; `None` while none waits.
    pub(super) fn tell_retention(&self, metrics: &Metrics, partition: Partition, since: Option<Duration>) {
        if let Some(retention) = self.retentions.of(partition.topic) {
            let used = since.map_or(0.0, |since| since.as_secs_f64() / retention.as_secs_f64());
            metrics.retention_used(partition, used);
        }
    }
}

impl KafkaFiles {
    fn tell(&self, metrics: &Metrics) {
        // A bundle of authorities is good until the last of them ends; what a client shows begins with its own.
        if let Some(end) = self.ca.as_deref().and_then(|file| ends_in_file(file).into_iter().max()) {
            metrics.certificate_end("kafka", "authority", end);
        }
        if let Some(end) = self.own.as_deref().and_then(|file| ends_in_file(file).into_iter().next()) {
            metrics.certificate_end("kafka", "client", end);
        }
    }
}

impl Retentions {
    fn of(&self, topic: InputTopic) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&topic).copied()
    }

    /// Asks now and then, for as long as it is polled. An answer that does not come leaves the one before.
    pub async fn follow(self, admin: TopicAdmin) {
        loop {
            for topic in InputTopic::ALL {
                let Ok(kept) = admin.retention(topic.into()).await else { continue };
                let mut retentions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                match kept.filter(|kept| !kept.is_zero()) {
                    Some(kept) => drop(retentions.insert(topic, kept)),
                    None => drop(retentions.remove(&topic)),
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::tls::{Ends, testing};

    const RETENTION: Duration = Duration::from_hours(48);

    fn outlook(ca: Option<&str>) -> Outlook {
        let mut kafka = crate::settings::Settings::load(None, std::iter::empty()).unwrap().kafka;
        kafka.properties.extend(ca.map(|file| ("ssl.ca.location".to_owned(), file.to_owned())));
        let retentions = Retentions::default();
        retentions.0.lock().unwrap().insert(InputTopic::Delete, RETENTION);
        Outlook::new(vec![("cassandra", Ends::default())], &kafka, retentions)
    }

    #[test]
    fn the_used_part_of_a_retention_is_told_where_the_retention_is_known() {
        let (metrics, outlook) = (Metrics::new(), outlook(None));
        let place = |topic| Partition { topic, number: 3 };
        outlook.tell_retention(&metrics, place(InputTopic::Delete), Some(RETENTION / 4));
        outlook.tell_retention(&metrics, place(InputTopic::Request), Some(RETENTION));
        let told = |metrics: &Metrics| metrics.render().lines().filter(|line| line.contains("used_ratio{")).count();
        let line = "user_purge_sync_retention_used_ratio{partition=\"3\",topic=\"delete\"} 0.25";
        assert!(metrics.render().contains(line));
        assert_eq!(told(&metrics), 1);
        outlook.tell_retention(&metrics, place(InputTopic::Delete), None);
        assert!(metrics.render().contains("used_ratio{partition=\"3\",topic=\"delete\"} 0\n"));
        metrics.forget(place(InputTopic::Delete));
        assert_eq!(told(&metrics), 0);
    }

    #[test]
    fn the_end_of_a_file_is_told_and_a_dependency_without_tls_has_none() {
        let (metrics, file) = (Metrics::new(), testing::pem_file(testing::CA));
        outlook(file.path().to_str()).tell_certificates(&metrics, Instant::now());
        let told: Vec<_> =
            metrics.render().lines().filter(|line| line.contains("end_seconds{")).map(str::to_owned).collect();
        // 2120-01-01.
        let name = "user_purge_sync_certificate_end_seconds";
        assert_eq!(told, [format!("{name}{{certificate=\"authority\",dependency=\"kafka\"}} 4733510400")]);
    }
}
