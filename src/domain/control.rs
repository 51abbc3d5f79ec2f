//! What is said on the control topic: orders to running workers, and their answers.

use serde::{Deserialize, Serialize};

use super::record::{OutputRecord, OutputTopic};

/// Every worker reads every order; whoever owns a partition that it names answers for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    Replay(ReplayOrder),
    Answer(ReplayAnswer),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplayOrder {
    /// The replay's.
    pub id: String,
    /// The workers that are meant.
    pub group: String,
    /// Milliseconds since 1970; nobody waits for an answer after that, so nobody acts.
    pub expires: i64,
    pub skips: Skips,
    pub partitions: Vec<Goal>,
}

/// What becomes of a goal beyond what is done already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skips {
    /// Nothing is skipped: it begins where the owner stands. For goals that a time names.
    Clamped,
    Refused,
    Allowed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// Its name in Kafka.
    pub topic: String,
    pub partition: i32,
    pub to: i64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplayAnswer {
    pub id: String,
    /// Host and process.
    pub worker: String,
    pub topic: String,
    pub partition: i32,
    pub outcome: ReplayOutcome,
    /// A person reads it.
    pub reason: Option<String>,
    /// What was committed before, and is now, when it is done.
    pub old: Option<i64>,
    pub new: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplayOutcome {
    Done,
    /// Nothing has changed.
    Refused,
    /// The group moved on, or Kafka did not commit: nothing has changed.
    Cancelled,
}

impl ReplayOutcome {
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Cancelled];

    pub fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Said {
    /// `None` for what is none of this: later versions may say more.
    pub fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    pub fn record(&self) -> OutputRecord {
        let payload = serde_json::to_vec(self).expect("structs of text and numbers always serialise");
        OutputRecord { topic: OutputTopic::Control, key: None, payload, headers: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_what_others_say_is_not() {
        let goals = vec![Goal { topic: "dev.delete.user".to_owned(), partition: 2, to: 7 }];
        let order = ReplayOrder {
            id: "r".to_owned(),
            group: "g".to_owned(),
            expires: 5,
            skips: Skips::Refused,
            partitions: goals,
        };
        let said = Said::Replay(order);
        let record = said.record();
        assert_eq!(Said::read(&record.payload), Some(said));
        assert!(String::from_utf8(record.payload).unwrap().starts_with(r#"{"kind":"replay","id":"r""#));
        assert_eq!(Said::read(br#"{"kind":"dance"}"#), None);
    }
}
