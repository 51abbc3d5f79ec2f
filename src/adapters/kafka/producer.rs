//! Where records go: one idempotent producer, pipelined; a record counts when all replicas have it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{ClientError, producer_config};
use super::contact::Contact;
use super::failure::failure;
use super::hearing::Hearing;
use super::locked;
use super::topics::Topics;
use crate::domain::record::OutputRecord;
use crate::ports::{Disposition, Failure, Publisher, Unpublished};
use crate::settings::KafkaSettings;

/// How soon a full queue is looked at again: it holds 100,000 records and empties at twice that a second (8.10).
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Writes to the topics of [`crate::domain::record::OutputTopic`], among which the topic of deletions is not.
pub struct KafkaPublisher {
    topics: Arc<Topics>,
    config: ClientConfig,
    hearing: Hearing,
    producer: Mutex<FutureProducer<Hearing>>,
}

impl KafkaPublisher {
    /// Kafka need not answer yet.
    pub fn try_new(settings: &KafkaSettings, topics: Arc<Topics>) -> Result<Self, ClientError> {
        let config = producer_config(settings)?;
        let hearing = Hearing::of(&config);
        let producer = Mutex::new(config.create_with_context(hearing.clone())?);
        Ok(Self { topics, config, hearing, producer })
    }

    /// Whether it still reaches Kafka.
    pub fn contact(&self) -> Contact {
        self.hearing.contact()
    }

    /// The producer, or a new one in place of one that has failed for good.
    fn producer(&self) -> Result<FutureProducer<Hearing>, Failure> {
        let mut producer = locked(&self.producer);
        if let Some((code, _)) = producer.client().fatal_error() {
            tracing::warn!(error = %code, "kafka producer has failed for good, making another");
            *producer = self.config.create_with_context(self.hearing.clone()).map_err(failure)?;
        }
        Ok(producer.clone())
    }

    /// Queues a record; what becomes of it is the future's to say. Waits while the queue is full.
    async fn enqueue(
        &self,
        producer: &FutureProducer<Hearing>,
        (partition, record): (Option<i32>, &OutputRecord),
    ) -> Result<DeliveryFuture, Failure> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut queued = FutureRecord {
            topic: self.topics.name(record.topic),
            partition,
            payload: Some(record.payload.as_slice()),
            key: record.key.as_deref(),
            timestamp: None,
            headers: Some(headers),
        };
        loop {
            match producer.send_result(queued) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    queued = refused;
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
                Err((error, _)) => return Err(failure(error)),
            }
        }
    }

    /// As [`failure`], or why the broker refuses: librdkafka says then only that the record's time is up.
    fn refused(&self, error: KafkaError) -> Failure {
        match self.hearing.said() {
            Some(refusal) => Failure::new(Disposition::Hold, "kafka_authentication").because(refusal),
            None => failure(error),
        }
    }

    /// Writes each to this partition of its topic, whatever its key says.
    pub async fn publish_to(&self, records: &[(i32, OutputRecord)]) -> Result<(), Unpublished> {
        self.publish_all(records.iter().map(|(partition, record)| (Some(*partition), record))).await
    }

    async fn publish_all<'a>(
        &self,
        records: impl ExactSizeIterator<Item = (Option<i32>, &'a OutputRecord)>,
    ) -> Result<(), Unpublished> {
        let count = records.len();
        let all = |failure| Unpublished { places: (0..count).collect(), failure };
        let producer = self.producer().map_err(all)?;
        let mut queued = Vec::with_capacity(count);
        for record in records {
            queued.push(self.enqueue(&producer, record).await);
        }
        let deliveries = join_all(queued.into_iter().map(async |queued| match queued?.await {
            Ok(Ok(_)) => {
                self.hearing.forget();
                Ok(())
            }
            Ok(Err((error, _))) => Err(self.refused(error)),
            Err(_) => Err(failure(KafkaError::Canceled)),
        }));
        let failed = deliveries.await.into_iter().enumerate().filter_map(|(place, end)| Some((place, end.err()?)));
        let (places, failures): (Vec<_>, Vec<_>) = failed.unzip();
        let heaviest = failures.into_iter().max_by_key(|failure| weight(failure.disposition));
        heaviest.map_or(Ok(()), |failure| Err(Unpublished { places, failure }))
    }
}

impl Publisher for KafkaPublisher {
    /// A record that is told as failed may have been written all the same; a repeat is recognised by its id.
    fn publish<'a>(&'a self, records: &'a [OutputRecord]) -> BoxFuture<'a, Result<(), Unpublished>> {
        self.publish_all(records.iter().map(|record| (None, record))).boxed()
    }
}

fn weight(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::Reject => 0,
        Disposition::Retry(_) => 1,
        Disposition::Hold => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Blame;

    #[test]
    fn the_heaviest_failure_is_told() {
        assert!(weight(Disposition::Hold) > weight(Disposition::Retry(Blame::Server)));
        assert!(weight(Disposition::Retry(Blame::Call)) > weight(Disposition::Reject));
    }
}
