//! Whether a client that stands still reaches Kafka: from librdkafka's own statistics, so that nobody asks and waits.
//!
//! A cluster that answers once with no broker at all, as a single one may that has just stood still, makes librdkafka forget
//! every broker, those of `bootstrap.servers` too, and for good: its issue 5301. Kafka answers other clients then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::Statistics;

/// Between two statistics of a client.
pub(super) const STATISTICS_MS: &str = "5000";

/// One client's, and that of whoever asks about it.
#[derive(Debug, Clone, Default)]
pub struct Contact {
    is_lost: Arc<AtomicBool>,
}

impl Contact {
    /// No broker was connected when the client last told, at most 5 s ago, though it has something to ask or to write.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    pub(super) fn update(&self, statistics: &Statistics) {
        let mut states = statistics.brokers.values().map(|broker| broker.state.as_str());
        if states.any(|state| matches!(state, "UP" | "REAUTH")) {
            self.is_lost.store(false, Ordering::Relaxed);
        } else if statistics.client_type == "consumer" || statistics.msg_cnt > 0 {
            // A producer without work need not be connected, and one that was cut off still is.
            self.is_lost.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    fn statistics(client: &str, messages: u64, states: &[&str]) -> Statistics {
        let broker = |state: &&str| Broker { state: (*state).to_owned(), ..Broker::default() };
        let brokers = states.iter().enumerate().map(|(place, state)| (place.to_string(), broker(state))).collect();
        Statistics { client_type: client.to_owned(), msg_cnt: messages, brokers, ..Statistics::default() }
    }

    #[test]
    fn a_client_without_a_broker_has_lost_contact_until_one_is_connected() {
        for (client, messages) in [("consumer", 0), ("producer", 1)] {
            let contact = Contact::default();
            for (states, is_lost) in [
                (&["INIT", "UP"][..], false),
                (&["DOWN", "TRY_CONNECT"], true),
                (&["REAUTH"], false),
                (&[], true),
                (&["AUTH_REQ"], true),
                (&["UP"], false),
            ] {
                contact.update(&statistics(client, messages, states));
                assert_eq!(contact.is_lost(), is_lost, "{client} {states:?}");
            }
        }
    }

    #[test]
    fn a_producer_that_rests_need_not_be_connected_and_one_that_was_cut_off_is_not_forgotten() {
        let contact = Contact::default();
        contact.update(&statistics("producer", 0, &["DOWN"]));
        assert!(!contact.is_lost());
        contact.update(&statistics("producer", 1, &["DOWN"]));
        contact.update(&statistics("producer", 0, &["DOWN"]));
        assert!(contact.is_lost());
    }
}
