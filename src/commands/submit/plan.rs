//! What is to be published, as a person reads it before it is.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::envelope::{Stamp, Submission};
use super::feed::RANGES;
use crate::domain::ids::UserId;
use crate::domain::pace::time_for;
use crate::domain::record::OutputRecord;
use crate::domain::report::summary::{Size, Submission as Submitted, submission_record};
use crate::domain::report::{USERS_PER_REQUEST, Writer};
use crate::settings::{CallRate, Settings};

pub(super) struct Plan<'a> {
    pub settings: &'a Settings,
    pub submission: Submission,
    pub users: Users,
    pub first: Vec<UserId>,
    /// How many of a list are deleted, or why that is not known; where it was asked.
    pub status: Option<Result<Status2, String>>,
    /// Of users.
    pub rate: Option<CallRate>,
    /// Users a second, as last measured; or why that is not known.
    pub pace: Result<f64, String>,
}

/// Of the first users of a list.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status2 {
    pub looked_at: u64,
    pub deleted: u64,
    pub without_row: u64,
}

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Users {
    Listed(u64),
    /// As token ranges.
    Table(Guess),
    /// With status 2.
    Deleted(Guess),
}

/// A number of users as the plan knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub users: u64,
    /// Of so many rows of the table.
    pub rows: u64,
    /// So many rows were read.
    pub read: u64,
    pub is_exact: bool,
}

impl Users {
    pub(super) fn count(self) -> u64 {
        match self {
            Self::Listed(users) | Self::Table(Guess { users, .. }) | Self::Deleted(Guess { users, .. }) => users,
        }
    }

    fn events(self) -> u64 {
        let each = if matches!(self, Self::Table(_)) { RANGES.aim } else { USERS_PER_REQUEST as u64 };
        self.count().div_ceil(each)
    }

    /// What was published, in the terms of a submission record.
    pub(super) fn size_of(self, users: u64) -> Size {
        match self {
            Self::Table(_) => Size::Rows(users),
            Self::Listed(_) | Self::Deleted(_) => Size::Users(users),
        }
    }
}

impl fmt::Display for Users {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, events) = (self.count(), self.events());
        let guess = match self {
            Self::Listed(_) => return write!(formatter, "{users}, in {events} events"),
            Self::Table(guess) | Self::Deleted(guess) => guess,
        };
        let about = if guess.is_exact { "" } else { "about " };
        match self {
            Self::Table(_) => write!(formatter, "{about}{users}, in {about}{events} token ranges")?,
            Self::Listed(_) | Self::Deleted(_) => {
                write!(formatter, "{about}{users} of {about}{}, in {about}{events} events", guess.rows)?;
            }
        }
        if guess.is_exact { Ok(()) } else { write!(formatter, " (an estimate, from {} rows)", guess.read) }
    }
}

impl Plan<'_> {
    /// Tells the status topic how much was asked for, once all of it is published.
    pub(super) fn told(&self, events: u64, users: u64, stamp: Stamp) -> OutputRecord {
        let writer = Writer { env: &self.settings.env, now: stamp.ets, dry_run: false, replay_id: None };
        let Submission { action, object_type, request_id } = &self.submission;
        let size = self.users.size_of(users);
        submission_record(&writer, &Submitted { request_id, action: *action, object_type, events, size })
    }

    /// For a person to recognise them by.
    fn first(&self) -> impl Iterator<Item = &str> {
        self.first.iter().take(3).map(UserId::as_str)
    }

    /// How long `users` take at the rate that was asked for.
    pub(super) fn time_for(&self, users: u64) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| rate.time_for(users))
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Submission { action, object_type, request_id } = &self.submission;
        let users = self.users.count();
        writeln!(formatter, "action      {}, object type {}", action.name(), object_type.as_str())?;
        writeln!(formatter, "users       {}", self.users)?;
        match &self.status {
            Some(Ok(Status2 { looked_at, deleted, without_row })) => {
                let first = if *looked_at < users { "the first " } else { "" };
                let missing = if *without_row > 0 { format!(", {without_row} have no row") } else { String::new() };
                writeln!(formatter, "status 2    {deleted} of {first}{looked_at}{missing}; nobody else is purged")?;
            }
            Some(Err(why)) => writeln!(formatter, "status 2    not known: {why}")?,
            None => {}
        }
        let first: Vec<&str> = self.first().collect();
        let more = if users > first.len() as u64 { ", …" } else { "" };
        writeln!(formatter, "first ids   {}{more}", first.join(", "))?;
        writeln!(formatter, "topic       {} at {}", self.settings.topics.request, self.settings.kafka.brokers)?;
        if self.rate.is_some() {
            let takes = Duration::from_secs(self.time_for(users).as_secs());
            writeln!(formatter, "takes       {} at the rate asked for", humantime::format_duration(takes))?;
        }
        match &self.pace {
            Ok(pace) => {
                let takes = humantime::format_duration(time_for(users, *pace));
                writeln!(formatter, "work        about {takes} at {pace:.0} users/s, as last measured")?;
            }
            Err(why) => writeln!(formatter, "work        {why}")?,
        }
        writeln!(formatter, "request id  {request_id}")
    }
}

impl Serialize for Plan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Submission { action, object_type, request_id } = &self.submission;
        let users = self.users.count();
        let guess = match self.users {
            Users::Listed(_) => None,
            Users::Table(guess) | Users::Deleted(guess) => Some(guess),
        };
        json!({
            "action": action.name(),
            "objectType": object_type.as_str(),
            "users": users,
            "events": self.users.events(),
            "estimated": guess.is_some_and(|guess| !guess.is_exact),
            "rows": guess.map(|guess| guess.rows),
            "rowsRead": guess.map(|guess| guess.read),
            "status2": self.status.as_ref().and_then(|status| status.as_ref().ok()),
            "status2Problem": self.status.as_ref().and_then(|status| status.as_ref().err()),
            "firstIds": self.first().collect::<Vec<_>>(),
            "topic": self.settings.topics.request,
            "brokers": self.settings.kafka.brokers,
            "secondsAtRate": self.rate.map(|_| self.time_for(users).as_secs()),
            "usersPerSecond": self.pace.as_ref().ok(),
            "secondsOfWork": self.pace.as_ref().ok().map(|pace| time_for(users, *pace).as_secs()),
            "workProblem": self.pace.as_ref().err(),
            "requestId": request_id,
        })
        .serialize(serializer)
    }
}
