//! `replay live`: asks the running workers, through the control topic, and waits for their answers.

use std::collections::BTreeSet;
use std::io::Write;

use futures::stream::{BoxStream, StreamExt};

use super::plan::{Move, Plan};
use super::show::Shown;
use super::{Asked, Drawn, Exit, group, waiting, world};
use crate::adapters::kafka::statuses::{Heard, orders};
use crate::cli::LiveArgs;
use crate::commands::calendar::now_millis;
use crate::domain::control::{Goal, ReplayAnswer, ReplayOrder, ReplayOutcome, Said, Skips};
use crate::settings::Settings;

pub(super) async fn live(
    settings: &Settings,
    args: &LiveArgs,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<Exit> {
    let asked = Asked::of(settings, settings.group(), (&args.to, &args.scope))?;
    let (group, skips) = (group(settings, &asked.group)?, asked.skips(args.allow_skips));
    let Drawn { plan, members, rate } = waiting(move || Drawn::of(asked.plan(&group)?, &asked, &group)).await?;
    write!(output, "{}", Shown { plan: &plan, members: &members, rate })?;
    if plan.skipped() > 0 && !args.allow_skips {
        writeln!(output, "refused, nothing is changed: events that are not done yet would be skipped")?;
        return Ok(Exit::Held);
    }
    let goals = goals(&plan, skips);
    if goals.is_empty() {
        writeln!(output, "nothing is to be read again")?;
        return Ok(Exit::Done);
    }
    // Order: heard before it is said, or an answer could come too early.
    let heard = orders(&settings.kafka, &*world::topics(settings)?).await?;
    let expires = now_millis().saturating_add(i64::try_from(args.timeout.as_millis())?);
    let missing = goals.iter().map(|goal| format!("{}-{}", goal.topic, goal.partition)).collect();
    let (id, group) = (plan.id.clone(), plan.group.clone());
    let order = Said::Replay(ReplayOrder { id, group, expires, skips, partitions: goals });
    world::publisher(settings)?.publish(&[order.record()]).await?;
    let mut wait = Wait { plan: &plan, missing, failed: 0, again: 0 };
    let answered = tokio::time::timeout(args.timeout, wait.hear(heard, output)).await;
    if let Ok(answered) = answered {
        answered?;
    }
    wait.end(args.timeout, output)
}

/// A plan knows only what was committed, up to a second ago; for a time the owners find out themselves.
fn goals(plan: &Plan, skips: Skips) -> Vec<Goal> {
    let is_goal = |it: &&Move| if skips == Skips::Clamped { it.wanted < it.high } else { it.delta() != 0 };
    let goal = |it: &Move| Goal { topic: it.topic.clone(), partition: it.partition, to: it.wanted };
    plan.partitions.iter().filter(is_goal).map(goal).collect()
}

/// For the answers.
struct Wait<'a> {
    plan: &'a Plan,
    missing: BTreeSet<String>,
    failed: usize,
    again: i64,
}

impl Wait<'_> {
    /// Until all have answered.
    async fn hear(
        &mut self,
        mut heard: BoxStream<'static, Heard>,
        output: &mut (dyn Write + Send),
    ) -> anyhow::Result<()> {
        while !self.missing.is_empty() {
            let Some(heard) = heard.next().await else { return Ok(()) };
            if let Heard::Record(payload) = heard
                && let Some(Said::Answer(answer)) = Said::read(&payload)
                && answer.id == self.plan.id
            {
                self.answered(&answer, output)?;
            }
        }
        Ok(())
    }

    fn answered(&mut self, answer: &ReplayAnswer, output: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let name = format!("{}-{}", answer.topic, answer.partition);
        if !self.missing.remove(&name) {
            return Ok(());
        }
        let reason = answer.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match answer.outcome {
            ReplayOutcome::Done => {
                let (old, new) = (answer.old.unwrap_or_default(), answer.new.unwrap_or_default());
                self.again += (old - new).max(0);
                writeln!(output, "{name}: {old} -> {new} by {}{reason}", answer.worker)?;
            }
            ReplayOutcome::Refused | ReplayOutcome::Cancelled => {
                self.failed += 1;
                let word = if answer.outcome == ReplayOutcome::Refused { "refused" } else { "cancelled" };
                writeln!(output, "{name}: {word} by {}, nothing is changed{reason}", answer.worker)?;
            }
        }
        Ok(())
    }

    fn end(&self, timeout: std::time::Duration, output: &mut (dyn Write + Send)) -> anyhow::Result<Exit> {
        for name in &self.missing {
            let waited = humantime::format_duration(timeout);
            writeln!(output, "{name}: no worker has answered within {waited}: nobody owns it, or its owner is away")?;
        }
        Ok(match (self.missing.is_empty(), self.failed) {
            (false, _) => Exit::Unreachable,
            (true, 0) => {
                let (id, again) = (&self.plan.id, self.again);
                writeln!(output, "replay {id}: {again} offsets are read again, and what was done above them")?;
                Exit::Done
            }
            (true, _) => Exit::Held,
        })
    }
}
