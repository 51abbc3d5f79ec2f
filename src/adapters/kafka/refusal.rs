//! Why Kafka and a client do not come to terms, in words that name what a person must change.
//!
//! librdkafka tells it in one sentence of an error callback and, to whoever asked something, as a connection that failed.

use rdkafka::types::RDKafkaErrorCode;

/// What the two do not agree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The client does not believe the broker's certificate.
    BrokerCertificate,
    /// The broker does not believe, or misses, the client's certificate.
    ClientCertificate,
    /// One of them does not speak TLS.
    Protocol,
    /// The broker does not offer the way of logging in.
    Mechanism,
    Login,
    /// The token server gives no token.
    Token,
}

impl Cause {
    fn keys(self) -> &'static str {
        match self {
            Self::BrokerCertificate => "kafka.brokers, kafka.properties.ssl.ca.location",
            Self::ClientCertificate => "kafka.properties.ssl.certificate.location and ssl.key.location",
            Self::Protocol => "kafka.properties.security.protocol, kafka.brokers",
            Self::Mechanism => "kafka.properties.sasl.mechanism",
            Self::Login => "kafka.properties.sasl.username and sasl.password, or their files in kafka.property_files",
            Self::Token => "kafka.properties.sasl.oauthbearer.* and https.ca.location",
        }
    }
}

/// A person must mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kafka and this client do not come to terms: {said}; change {}", .cause.keys())]
pub struct Refusal {
    pub(super) cause: Cause,
    /// What librdkafka says, or more exactly what is wrong with a certificate.
    pub(super) said: String,
}

impl Refusal {
    /// `None` for what passes by itself.
    ///
    /// | error | words | cause |
    /// | --- | --- | --- |
    /// | SSL | certificate verify failed | the broker's certificate |
    /// | SSL, transport | an alert about a certificate or its authority (TLS 1.3 sends it after the handshake) | the client's certificate |
    /// | SSL | wrong version number | the protocol |
    /// | authentication | no token | the token server, where it refuses; one that is away passes |
    /// | authentication | an invalid token | the token |
    /// | authentication | mechanism handshake | the mechanism |
    /// | authentication | all others, unless the connection was lost | the login |
    pub(super) fn of(code: RDKafkaErrorCode, said: &str) -> Option<Self> {
        let speaks_of = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let cause = match code {
            RDKafkaErrorCode::SSL if speaks_of(&["certificate verify failed"]) => Cause::BrokerCertificate,
            RDKafkaErrorCode::SSL | RDKafkaErrorCode::BrokerTransportFailure
                if speaks_of(&["SSL"]) && speaks_of(&["certificate", "unknown ca", "client SSL"]) =>
            {
                Cause::ClientCertificate
            }
            RDKafkaErrorCode::SSL if speaks_of(&["wrong version number"]) => Cause::Protocol,
            RDKafkaErrorCode::Authentication if speaks_of(&["OAUTHBEARER token"]) => {
                return is_told_by_token_server(said).then(|| Self { cause: Cause::Token, said: said.to_owned() });
            }
            RDKafkaErrorCode::Authentication if speaks_of(&["isconnected", "timed out", "Receive failed"]) => {
                return None;
            }
            RDKafkaErrorCode::Authentication if speaks_of(&["invalid_token"]) => Cause::Token,
            RDKafkaErrorCode::Authentication if speaks_of(&["mechanism handshake failed"]) => Cause::Mechanism,
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => Cause::Login,
            _ => return None,
        };
        Some(Self { cause, said: said.to_owned() })
    }
}

/// Whether it has answered at all. A certificate that is not believed is no answer, but does not pass either.
fn is_told_by_token_server(said: &str) -> bool {
    let passes = ["resolve", "connect", "timed out", "Timeout", "(5", "reset", "Empty reply"];
    !passes.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_says_has_its_cause() {
        use RDKafkaErrorCode as Code;
        let verify = "ssl://kafka:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: \
                      broker certificate could not be verified, verify that ssl.ca.location is correctly configured";
        let table = [
            (Code::SSL, verify, Some(Cause::BrokerCertificate)),
            (Code::SSL, "error:0A000412:SSL routines::ssl/tls alert bad certificate", Some(Cause::ClientCertificate)),
            (
                Code::SSL,
                "error:0A00045C:SSL routines::tlsv13 alert certificate required",
                Some(Cause::ClientCertificate),
            ),
            (Code::SSL, "error:0A00010B:SSL routines::wrong version number", Some(Cause::Protocol)),
            (Code::SSL, "error:0A000126:SSL routines::unexpected eof while reading", None),
            (
                Code::BrokerTransportFailure,
                "Receive failed: ssl3_read_bytes error:0A000412:SSL routines::sslv3 alert bad certificate",
                Some(Cause::ClientCertificate),
            ),
            (Code::BrokerTransportFailure, "Connect to ipv4#127.0.0.1:1 failed: Connection refused", None),
            (
                Code::Authentication,
                "SASL SCRAM-SHA-512 mechanism handshake failed: Unsupported",
                Some(Cause::Mechanism),
            ),
            (Code::Authentication, "SASL authentication error: {\"status\":\"invalid_token\"}", Some(Cause::Token)),
            (Code::Authentication, "SASL authentication failure: Disconnected", None),
            (Code::Authentication, "SASL authentication error: Authentication failed", Some(Cause::Login)),
            (Code::AllBrokersDown, "1/1 brokers are down", None),
        ];
        for (code, said, cause) in table {
            assert_eq!(Refusal::of(code, said).map(|refusal| refusal.cause), cause, "{said}");
        }
    }
}
