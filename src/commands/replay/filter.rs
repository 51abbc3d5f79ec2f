//! Which events a side replay does.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context as _;
use serde::Serialize;

use super::super::BadInput;
use crate::cli::SideArgs;
use crate::domain::event::{Action, Decoded, Subjects};
use crate::domain::ids::UserId;
use crate::ports::log::Delivery;

/// And what it has passed over.
#[derive(Serialize)]
pub struct Filter {
    /// Empty for all.
    #[serde(skip)]
    users: BTreeSet<UserId>,
    /// Empty for all.
    #[serde(skip)]
    actions: Vec<Action>,
    #[serde(rename = "again")]
    kept: u64,
    #[serde(rename = "passedOver")]
    others: u64,
    undecodable: u64,
}

impl Filter {
    /// # Errors
    /// When a user id cannot be one.
    pub fn of(args: &SideArgs) -> anyhow::Result<Self> {
        let id = |text: &String| UserId::parse(text).with_context(|| BadInput(format!("--user {text}")));
        let users = args.user.iter().map(id).collect::<anyhow::Result<_>>()?;
        let actions = args.action.iter().map(|action| Action::from(*action)).collect();
        Ok(Self { users, actions, kept: 0, others: 0, undecodable: 0 })
    }

    /// Of an event with several users only those that are meant are left in it.
    pub fn keep(&mut self, record: &mut Delivery) -> bool {
        let is_meant = match &mut record.decoded {
            // Its failed record was written when it was read first.
            Decoded::Rejected(_) => {
                self.undecodable += 1;
                return false;
            }
            Decoded::OtherAction => false,
            Decoded::Event(event) => {
                let is_action = self.actions.is_empty() || self.actions.contains(&event.action);
                is_action && self.keep_users(&mut event.subjects)
            }
        };
        *if is_meant { &mut self.kept } else { &mut self.others } += 1;
        is_meant
    }

    fn keep_users(&self, subjects: &mut Subjects) -> bool {
        if self.users.is_empty() {
            return true;
        }
        match subjects {
            Subjects::Users(users) => {
                users.retain(|user| self.users.contains(user));
                !users.is_empty()
            }
            // Who is in it only Cassandra knows.
            Subjects::Range(_) => false,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, others, undecodable, .. } = self;
        write!(formatter, "{kept} events done again, {others} passed over, {undecodable} undecodable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::SubmitAction;
    use crate::domain::decode::decode;
    use crate::domain::ids::InputTopic;

    fn record(json: &str) -> Delivery {
        let decoded = decode(InputTopic::Request, Some(json.as_bytes()));
        Delivery { offset: 0, timestamp: None, received: 0, key: None, decoded }
    }

    #[test]
    fn only_those_who_are_meant_are_left() {
        let args = SideArgs {
            user: vec!["a".to_owned(), "c".to_owned()],
            action: vec![SubmitAction::DeleteUser],
            ..SideArgs::default()
        };
        let mut filter = Filter::of(&args).unwrap();
        let mut several = record(r#"{"edata":{"action":"delete-user","userIds":["a","b","c"]}}"#);
        assert!(filter.keep(&mut several));
        let Decoded::Event(event) = several.decoded else { panic!("an event") };
        assert_eq!(event.subjects, Subjects::Users(["a", "c"].map(|id| UserId::parse(id).unwrap()).to_vec()));
        for other in [
            r#"{"edata":{"action":"delete-user","userId":"b"}}"#,
            r#"{"edata":{"action":"resync-user","userId":"a"}}"#,
            r#"{"edata":{"action":"delete-user","tokenRange":{"start":"1","end":"2"}}}"#,
            "no event",
        ] {
            assert!(!filter.keep(&mut record(other)), "{other}");
        }
        assert_eq!(filter.to_string(), "1 events done again, 3 passed over, 1 undecodable");
    }
}
