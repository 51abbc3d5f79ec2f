//! Follow-ups: requests of the worker to itself, read again when they are due.

use serde::Serialize;

use super::{Envelope, Named, Writer, is_never, object_kind};
use crate::domain::event::{Event, FollowUp};
use crate::domain::ids::UserId;
use crate::domain::record::{OutputRecord, OutputTopic};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edata<'a> {
    action: &'static str,
    user_id: &'a str,
    object_type: &'a str,
    organisation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_never")]
    redriven: u32,
    follow_up: Again<'a>,
}

#[derive(Serialize)]
struct Again<'a> {
    why: &'static str,
    look: u32,
    of: &'a str,
}

/// One user of an event, to be taken up again for this reason.
pub fn follow_up_record(writer: &Writer, event: &Event, user: &UserId, follow_up: &FollowUp) -> OutputRecord {
    let FollowUp { why, look, of } = follow_up;
    let edata = Edata {
        action: event.action.name(),
        user_id: user.as_str(),
        object_type: event.object_type.as_str(),
        organisation_id: event.origin.organisation_id.as_deref(),
        redriven: event.origin.redriven,
        follow_up: Again { why: why.name(), look: *look, of },
    };
    let object = Named { id: user.as_str(), kind: object_kind(&event.object_type) };
    let mut request = Envelope::new(writer, format!("{of}-{}", why.name()), object, edata).about(event, None);
    request.eid = "BE_JOB_REQUEST";
    request.into_record(OutputTopic::Delay, user.as_str())
}
