//! A source event as far as it may travel: in a failed record, and as the request that `redrive` makes of it.

use serde::Serialize;

use super::{Named, is_never};
use crate::domain::event::{Event, TokenRange};
use crate::domain::ids::UserId;

/// What an event asked for and where it came from, reduced to some of its users.
#[derive(Serialize)]
pub(super) struct Again<'a> {
    eid: &'static str,
    ets: Option<i64>,
    mid: Option<&'a str>,
    context: Context<'a>,
    edata: Edata<'a>,
}

#[derive(Serialize)]
struct Context<'a> {
    cdata: Vec<Named<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edata<'a> {
    action: &'static str,
    object_type: &'a str,
    organisation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_never")]
    redriven: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ids: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_range: Option<Range>,
}

/// Tokens as text: JavaScript cannot hold them in numbers.
#[derive(Serialize)]
struct Range {
    start: String,
    end: String,
}

/// Whom it is about: some of an event's users, or its range.
#[derive(Clone, Copy)]
pub(super) enum Whom<'a> {
    Users(&'a [UserId]),
    Range(TokenRange),
}

impl<'a> Again<'a> {
    pub(super) fn of(event: &'a Event, whom: Whom<'a>, redriven: u32) -> Self {
        let (user_ids, token_range) = match whom {
            Whom::Users(users) => (Some(users.iter().map(UserId::as_str).collect()), None),
            Whom::Range(TokenRange { start, end }) => {
                (None, Some(Range { start: start.to_string(), end: end.to_string() }))
            }
        };
        let origin = &event.origin;
        Self {
            eid: "BE_JOB_REQUEST",
            ets: origin.ets,
            mid: origin.mid.as_deref(),
            context: Context { cdata: origin.cdata.iter().map(|(kind, id)| Named { kind, id }).collect() },
            edata: Edata {
                action: event.action.name(),
                object_type: event.object_type.as_str(),
                organisation_id: origin.organisation_id.as_deref(),
                redriven,
                user_ids,
                token_range,
            },
        }
    }
}
