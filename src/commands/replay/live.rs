//! `replay live`: asks the running workers, through the control topic, and waits for their answers.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use serde::{Serialize, Serializer};
use serde_json::json;

use super::plan::{Move, Plan};
use super::{Asked, Drawn, Exit, group, waiting, world};
use crate::adapters::kafka::statuses::{Heard, orders};
use crate::cli::LiveArgs;
use crate::commands::answer::Teller;
use crate::commands::calendar::now_millis;
use crate::domain::control::{Goal, ReplayAnswer, ReplayOrder, ReplayOutcome, Said, Skips};
use crate::settings::Settings;

pub(super) async fn live(settings: &Settings, args: &LiveArgs, teller: &mut Teller<'_>) -> anyhow::Result<Exit> {
    let asked = Asked::of(settings, settings.group(), (&args.to, &args.scope))?;
    let (group, skips) = (group(settings, &asked.group)?, asked.skips(args.allow_skips));
    let drawn = waiting(move || Drawn::of(asked.plan(&group)?, &asked, &group)).await?;
    teller.meanwhile(drawn.shown())?;
    let plan = &drawn.plan;
    let goals = goals(plan, skips);
    let missing = goals.iter().map(|goal| format!("{}-{}", goal.topic, goal.partition)).collect();
    let is_refused = plan.skipped() > 0 && !args.allow_skips;
    let mut answers = Answers { drawn: &drawn, is_refused, waited: args.timeout, missing, given: Vec::new() };
    if !answers.is_refused && !goals.is_empty() {
        // Order: heard before it is said, or an answer could come too early.
        let (heard, _) = orders(&settings.kafka, &*world::topics(settings)?).await?;
        let expires = now_millis().saturating_add(i64::try_from(args.timeout.as_millis())?);
        let (id, group) = (plan.id.clone(), plan.group.clone());
        let order = Said::Replay(ReplayOrder { id, group, expires, skips, partitions: goals });
        world::publisher(settings)?.publish(&[order.record()]).await?;
        if let Ok(heard) = tokio::time::timeout(args.timeout, answers.hear(heard, teller)).await {
            heard?;
        }
    }
    teller.tell(&answers)?;
    Ok(answers.exit())
}

/// A plan knows only what was committed, up to a second ago; for a time the owners find out themselves.
fn goals(plan: &Plan, skips: Skips) -> Vec<Goal> {
    let is_goal = |it: &&Move| if skips == Skips::Clamped { it.wanted < it.high } else { it.delta() != 0 };
    let goal = |it: &Move| Goal { topic: it.topic.clone(), partition: it.partition, to: it.wanted };
    plan.partitions.iter().filter(is_goal).map(goal).collect()
}

/// What the owners have answered.
struct Answers<'a> {
    drawn: &'a Drawn,
    /// Nothing was asked: it would skip what is not done.
    is_refused: bool,
    waited: Duration,
    /// Partitions of which nobody has said anything.
    missing: BTreeSet<String>,
    given: Vec<ReplayAnswer>,
}

impl Answers<'_> {
    /// Until all have answered.
    async fn hear(&mut self, mut heard: BoxStream<'static, Heard>, teller: &mut Teller<'_>) -> anyhow::Result<()> {
        while !self.missing.is_empty() {
            let Some(heard) = heard.next().await else { return Ok(()) };
            if let Heard::Record(payload) = heard
                && let Some(Said::Answer(answer)) = Said::read(&payload)
                && answer.id == self.drawn.plan.id
                && self.missing.remove(&name(&answer))
            {
                teller.meanwhile(line(&answer))?;
                self.given.push(answer);
            }
        }
        Ok(())
    }

    fn again(&self) -> i64 {
        let gone_back = |answer: &ReplayAnswer| Some((answer.old? - answer.new?).max(0));
        self.given.iter().filter_map(gone_back).sum()
    }

    fn exit(&self) -> Exit {
        let is_done = |answer: &ReplayAnswer| answer.outcome == ReplayOutcome::Done;
        match (self.is_refused, self.missing.is_empty(), self.given.iter().all(is_done)) {
            (true, ..) | (false, true, false) => Exit::Held,
            (false, false, _) => Exit::Unreachable,
            (false, true, true) => Exit::Done,
        }
    }
}

fn name(answer: &ReplayAnswer) -> String {
    format!("{}-{}", answer.topic, answer.partition)
}

fn line(answer: &ReplayAnswer) -> String {
    let (name, worker) = (name(answer), &answer.worker);
    let reason = answer.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match answer.outcome {
        ReplayOutcome::Done => {
            let (old, new) = (answer.old.unwrap_or_default(), answer.new.unwrap_or_default());
            format!("{name}: {old} -> {new} by {worker}{reason}\n")
        }
        outcome @ (ReplayOutcome::Refused | ReplayOutcome::Cancelled) => {
            format!("{name}: {} by {worker}, nothing is changed{reason}\n", outcome.label())
        }
    }
}

impl fmt::Display for Answers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_refused {
            return writeln!(formatter, "refused, nothing is changed: events that are not done yet would be skipped");
        }
        if self.missing.is_empty() && self.given.is_empty() {
            return writeln!(formatter, "nothing is to be read again");
        }
        for name in &self.missing {
            let waited = humantime::format_duration(self.waited);
            writeln!(
                formatter,
                "{name}: no worker has answered within {waited}: nobody owns it, or its owner is away"
            )?;
        }
        if self.exit() == Exit::Done {
            let (id, again) = (&self.drawn.plan.id, self.again());
            writeln!(formatter, "replay {id}: {again} offsets are read again, and what was done above them")?;
        }
        Ok(())
    }
}

impl Serialize for Answers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "plan": self.drawn.shown(),
            "refused": self.is_refused,
            "answers": self.given,
            "unanswered": self.missing,
            "again": self.again(),
        })
        .serialize(serializer)
    }
}
