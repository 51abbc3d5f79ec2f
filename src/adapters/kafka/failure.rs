//! The table of what Kafka says about a record that was not written.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::ports::{Blame, Disposition, Failure};

/// What a failure of the producer asks for.
///
/// | error | disposition | reason |
/// | --- | --- | --- |
/// | unknown topic, unknown topic or partition, unknown partition | Hold | `kafka_unknown_topic` |
/// | topic, cluster or transactional id not authorized | Hold | `kafka_unauthorized` |
/// | authentication, SASL, TLS | Hold | `kafka_authentication` |
/// | fatal, fenced | Hold | `kafka_fatal` (another producer is made for the next call) |
/// | message too large | Reject | `kafka_too_large` |
/// | message timed out, request timed out | Retry, server | `kafka_timeout` |
/// | transport, all brokers down, resolve, network, destroyed, purged, canceled | Retry, server | `kafka_unreachable` |
/// | no leader, not the leader, too few replicas, storage, throttled, queue full, epoch and sequence of the producer | Retry, server | `kafka_unavailable` |
/// | whatever nobody has named | Hold | `kafka_unexpected` |
pub fn failure(error: KafkaError) -> Failure {
    use RDKafkaErrorCode as Code;
    let passing = Disposition::Retry(Blame::Server);
    let code = match &error {
        KafkaError::Canceled => Some(Code::PurgeQueue),
        other => other.rdkafka_error_code(),
    };
    let (disposition, reason) = match code {
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
            (Disposition::Hold, "kafka_unknown_topic")
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => (Disposition::Hold, "kafka_unauthorized"),
        Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL) => {
            (Disposition::Hold, "kafka_authentication")
        }
        Some(Code::Fatal | Code::Fenced | Code::ProducerFenced) => (Disposition::Hold, "kafka_fatal"),
        Some(Code::MessageSizeTooLarge) => (Disposition::Reject, "kafka_too_large"),
        Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut | Code::TimedOutQueue) => {
            (passing, "kafka_timeout")
        }
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::NetworkException
            | Code::BrokerDestroy
            | Code::PurgeQueue
            | Code::PurgeInflight,
        ) => (passing, "kafka_unreachable"),
        Some(
            Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ISRInsufficient
            | Code::KafkaStorageError
            | Code::ThrottlingQuotaExceeded
            | Code::QueueFull
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidProducerEpoch,
        ) => (passing, "kafka_unavailable"),
        _ => (Disposition::Hold, "kafka_unexpected"),
    };
    Failure::new(disposition, reason).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn every_failure_has_its_disposition() {
        use RDKafkaErrorCode as Code;
        let passing = Disposition::Retry(Blame::Server);
        let table: &[(&[Code], Disposition, &str)] = &[
            (
                &[Code::UnknownTopic, Code::UnknownTopicOrPartition, Code::UnknownPartition],
                Disposition::Hold,
                "kafka_unknown_topic",
            ),
            (
                &[
                    Code::TopicAuthorizationFailed,
                    Code::ClusterAuthorizationFailed,
                    Code::TransactionalIdAuthorizationFailed,
                ],
                Disposition::Hold,
                "kafka_unauthorized",
            ),
            (
                &[Code::Authentication, Code::SaslAuthenticationFailed, Code::SSL],
                Disposition::Hold,
                "kafka_authentication",
            ),
            (&[Code::Fatal, Code::Fenced, Code::ProducerFenced], Disposition::Hold, "kafka_fatal"),
            (&[Code::MessageSizeTooLarge], Disposition::Reject, "kafka_too_large"),
            (&[Code::MessageTimedOut, Code::RequestTimedOut, Code::OperationTimedOut], passing, "kafka_timeout"),
            (
                &[
                    Code::BrokerTransportFailure,
                    Code::AllBrokersDown,
                    Code::Resolve,
                    Code::NetworkException,
                    Code::PurgeQueue,
                    Code::PurgeInflight,
                ],
                passing,
                "kafka_unreachable",
            ),
            (
                &[
                    Code::LeaderNotAvailable,
                    Code::NotLeaderForPartition,
                    Code::NotEnoughReplicas,
                    Code::NotEnoughReplicasAfterAppend,
                    Code::KafkaStorageError,
                    Code::ThrottlingQuotaExceeded,
                    Code::QueueFull,
                    Code::UnknownProducerId,
                    Code::OutOfOrderSequenceNumber,
                    Code::InvalidProducerEpoch,
                ],
                passing,
                "kafka_unavailable",
            ),
            (
                &[Code::PolicyViolation, Code::InvalidRecord, Code::InvalidTopic, Code::MessageBatchTooLarge],
                Disposition::Hold,
                "kafka_unexpected",
            ),
        ];
        for (codes, disposition, reason) in table {
            for code in *codes {
                let failure = failure(KafkaError::MessageProduction(*code));
                assert_eq!((failure.disposition, failure.reason.0.as_ref()), (*disposition, *reason), "{code}");
                assert!(failure.source.is_some());
            }
        }
        assert_eq!(failure(KafkaError::Canceled).disposition, passing);
    }
}
