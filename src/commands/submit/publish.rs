//! The publishing half of `submit`: event by event at the rate asked for, each acknowledged before it is counted.

use std::time::{Duration, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::envelope::Stamp;
use super::{Console, Plan, USERS_PER_EVENT};
use crate::commands::Exit;
use crate::domain::ids::UserId;
use crate::ports::{Publisher, Unpublished};

/// Events sent together when there is no rate: enough to keep Kafka busy.
const EVENTS_PER_SEND: usize = 40;

pub(super) async fn publish(
    plan: &Plan<'_>,
    publisher: &dyn Publisher,
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let progress = progress_of(plan, console.interactive);
    let users_per_send = if plan.rate.is_some() { USERS_PER_EVENT } else { USERS_PER_EVENT * EVENTS_PER_SEND };
    let begun = Instant::now();
    let mut users = 0;
    for send in plan.ids.chunks(users_per_send) {
        sleep_until(begun + plan.time_for(users)).await;
        let records: Vec<_> =
            send.chunks(USERS_PER_EVENT).map(|ids: &[UserId]| plan.submission.request(ids, stamp())).collect();
        if let Err(Unpublished { failure, .. }) = publisher.publish(&records).await {
            progress.abandon();
            let cause = std::error::Error::source(&failure).map(|cause| format!(": {cause}")).unwrap_or_default();
            writeln!(
                console.output,
                "stopped after {users} of {} users: {failure}{cause}\nsubmitting all again is harmless; \
                 --request-id {} keeps them together",
                plan.ids.len(),
                plan.submission.request_id
            )?;
            return Ok(Exit::from(&failure));
        }
        users += send.len();
        progress.set_position(users as u64);
    }
    progress.finish_and_clear();
    // Order: last, so that it never promises more than what was acknowledged.
    let told = publisher.publish(&[plan.told(stamp())]).await;
    writeln!(console.output, "published {users} users in {} events", plan.events())?;
    if let Err(Unpublished { failure, .. }) = told {
        writeln!(console.output, "the submission record is missing on the status topic: {failure}")?;
    }
    Ok(Exit::Done)
}

fn progress_of(plan: &Plan<'_>, interactive: bool) -> ProgressBar {
    // indicatif draws nothing where standard error is no terminal.
    let target = if interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let progress = ProgressBar::with_draw_target(Some(plan.ids.len() as u64), target);
    progress.with_style(
        ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} users, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

fn stamp() -> Stamp {
    #[expect(clippy::disallowed_methods, reason = "a record tells when it was made")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Stamp { ets: i64::try_from(now.as_millis()).unwrap_or(i64::MAX), uuid: Uuid::new_v4() }
}
