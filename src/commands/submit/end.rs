//! How `submit` ended, as a person and as a program reads it.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::asked::FileRead;
use super::plan::Plan;
use crate::commands::Exit;
use crate::ports::Failure;

/// What was to be published, as far as that came to be known, and what became of it.
pub struct Submitted<'a> {
    pub(super) file: Option<FileRead>,
    pub(super) plan: Option<Plan<'a>>,
    pub(super) end: End,
}

pub(super) enum End {
    Planned,
    /// By what was asked for, or by the person.
    Refused(String),
    /// Before anything was published, by this dependency.
    Unreachable(&'static str, Failure),
    /// In the middle.
    Stopped {
        users: u64,
        failure: Failure,
    },
    Published {
        users: u64,
        events: u64,
        /// Why the submission record is not on the status topic.
        unrecorded: Option<String>,
    },
}

impl Submitted<'_> {
    pub(super) fn without_plan(file: Option<FileRead>, end: End) -> Self {
        Self { file, plan: None, end }
    }

    pub fn exit(&self) -> Exit {
        match &self.end {
            End::Planned | End::Published { .. } => Exit::Done,
            End::Refused(_) => Exit::Usage,
            End::Unreachable(_, failure) | End::Stopped { failure, .. } => Exit::from(failure),
        }
    }
}

impl fmt::Display for Submitted<'_> {
    /// Where something is published the plan was shown before.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.end, &self.plan) {
            (End::Planned, Some(plan)) => writeln!(formatter, "{plan}this is a plan: --execute publishes it"),
            (End::Refused(problem), _) => writeln!(formatter, "nothing is published: {problem}"),
            (End::Unreachable(dependency, failure), _) => {
                writeln!(formatter, "nothing is published: {dependency}: {}", failure.story())
            }
            (End::Stopped { users, failure }, Some(plan)) => {
                let (of, id) = (plan.users.count(), &plan.submission.request_id);
                writeln!(formatter, "stopped after {users} of {of} users: {}", failure.story())?;
                writeln!(formatter, "submitting all again is harmless; --request-id {id} keeps them together")
            }
            (End::Published { users, events, unrecorded }, _) => {
                writeln!(formatter, "published {users} users in {events} events")?;
                match unrecorded {
                    Some(why) => writeln!(formatter, "the submission record is missing on the status topic: {why}"),
                    None => Ok(()),
                }
            }
            (End::Planned | End::Stopped { .. }, None) => Ok(()),
        }
    }
}

impl Serialize for Submitted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (end, users, events, problem) = match &self.end {
            End::Planned => ("planned", 0, 0, None),
            End::Refused(problem) => ("refused", 0, 0, Some(problem.clone())),
            End::Unreachable(dependency, failure) => {
                ("unreachable", 0, 0, Some(format!("{dependency}: {}", failure.story())))
            }
            End::Stopped { users, failure } => ("stopped", *users, 0, Some(failure.story())),
            End::Published { users, events, unrecorded } => ("published", *users, *events, unrecorded.clone()),
        };
        json!({
            "end": end,
            "file": self.file,
            "plan": self.plan,
            "publishedUsers": users,
            "publishedEvents": events,
            "problem": problem,
        })
        .serialize(serializer)
    }
}
