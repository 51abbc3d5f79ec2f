//! `redrive list`: why and where, how many, since when.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::sources::{Kept, Sources};
use super::walk::{Step, Walk};
use super::{Stop, filter, some};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::TopicReader;
use crate::cli::FilterArgs;
use crate::commands::answer::Teller;
use crate::commands::calendar::written;
use crate::commands::{Exit, world};
use crate::domain::failed::{Decision, Undecodable, What};
use crate::settings::Settings;

/// One line: what has the same stage and error.
#[derive(Default)]
struct Group {
    open: u64,
    users: u64,
    /// Sent again before, and failed once more.
    again: u64,
    oldest: Option<i64>,
    newest: i64,
}

#[derive(Default)]
struct Histogram {
    topic: String,
    groups: BTreeMap<(String, String), Group>,
    decided: BTreeMap<Decision, u64>,
    fading: BTreeMap<Kept, u64>,
    /// Open, and soon removed by Kafka.
    leaving: u64,
    /// Not written by this program, or by a later version of it.
    foreign: u64,
}

impl Histogram {
    fn add(&mut self, Step { found, failed, decision }: &Step) {
        if let Some(decision) = decision {
            *self.decided.entry(*decision).or_default() += 1;
            return;
        }
        let group = self.groups.entry((failed.stage.clone(), failed.error.clone())).or_default();
        group.open += 1;
        group.users += failed.users().len() as u64;
        group.again += u64::from(failed.redriven() > 0);
        group.oldest = Some(group.oldest.map_or(found.at, |oldest| oldest.min(found.at)));
        group.newest = group.newest.max(found.at);
    }

    fn open(&self) -> u64 {
        self.groups.values().map(|group| group.open).sum()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decided = |decision| self.decided.get(&decision).copied().unwrap_or_default();
        let (redriven, parked) = (decided(Decision::Redriven), decided(Decision::Parked));
        let open = some(self.open(), "record");
        writeln!(formatter, "{}: {open} open, {redriven} redriven, {parked} parked", self.topic)?;
        self.table(formatter)?;
        formatter.write_str(&warning(&self.fading))?;
        if self.leaving > 0 {
            let (leaving, topic) = (some(self.leaving, "open record"), &self.topic);
            writeln!(
                formatter,
                "\nWARNING {leaving} may be removed from {topic} within 48 h: `redrive run` or `park`"
            )?;
        }
        if self.foreign > 0 {
            let foreign = some(self.foreign, "record");
            writeln!(formatter, "\n{foreign} not written by this program or by a later version of it")?;
        }
        Ok(())
    }
}

impl Histogram {
    fn table(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return Ok(());
        }
        let width = self.groups.keys().map(|(_, error)| error.len()).max().unwrap_or_default().max(6);
        writeln!(
            formatter,
            "\n{:<11} {:<width$} {:>8} {:>8} {:>9}  {:<20}  newest",
            "stage", "reason", "open", "users", "again", "oldest"
        )?;
        for ((stage, error), Group { open, users, again, oldest, newest }) in &self.groups {
            let (oldest, newest) = (written(oldest.unwrap_or_default()), written(*newest));
            writeln!(formatter, "{stage:<11} {error:<width$} {open:>8} {users:>8} {again:>9}  {oldest}  {newest}")?;
        }
        Ok(())
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = |((stage, error), group): (&(String, String), &Group)| {
            let Group { open, users, again, oldest, newest } = group;
            let (oldest, newest) = (written(oldest.unwrap_or_default()), written(*newest));
            json!({
                "stage": stage, "reason": error, "open": open, "users": users, "again": again, "oldest": oldest, "newest": newest,
            })
        };
        let decided = |decision| self.decided.get(&decision).copied().unwrap_or_default();
        let fading = |kept| self.fading.get(&kept).copied().unwrap_or_default();
        json!({
            "topic": self.topic,
            "open": self.open(),
            "redriven": decided(Decision::Redriven),
            "parked": decided(Decision::Parked),
            "groups": self.groups.iter().map(group).collect::<Vec<_>>(),
            "undecodableGone": fading(Kept::Gone),
            "undecodableLeaving": fading(Kept::Soon),
            "leaving": self.leaving,
            "foreign": self.foreign,
        })
        .serialize(serializer)
    }
}

pub(super) async fn list(settings: &Settings, args: &FilterArgs, teller: &mut Teller<'_>) -> Result<Exit, Stop> {
    let topics = world::topics(settings)?;
    let (reader, wanted) = (TopicReader::try_new(&settings.kafka)?, filter(args));
    let mut sources = Sources::new(settings, reader.clone())?;
    let topic = topics.name(Topic::Failed);
    let leaving = sources.leaving_before(Topic::Failed).await?;
    let mut walk = Walk::start(&reader, topic).await?;
    let mut histogram = Histogram { topic: topic.to_owned(), ..Histogram::default() };
    while let Some(step) = walk.next().await? {
        if !wanted.wants(&step.failed, step.found.at) {
            continue;
        }
        if let (None, What::Undecodable(place)) = (step.decision, &step.failed.what) {
            let kept = sources.kept(place).await?;
            *histogram.fading.entry(kept).or_default() += 1;
        }
        let is_leaving = step.decision.is_none() && leaving.is_some_and(|before| step.found.at < before);
        histogram.leaving += u64::from(is_leaving);
        histogram.add(&step);
    }
    histogram.foreign = walk.foreign;
    teller.tell(&histogram)?;
    Ok(if histogram.open() > 0 { Exit::Left } else { Exit::Done })
}

/// Of undecodable records: what Kafka has removed, or may soon, nobody can read again.
pub(super) fn warning(fading: &BTreeMap<Kept, u64>) -> String {
    let told = |kept, what: &dyn Fn(String) -> String| {
        fading.get(&kept).map(|count| what(some(*count, "undecodable record"))).unwrap_or_default()
    };
    let soon = |records| format!("\nWARNING {records} can be read again for less than 48 h: `redrive run`\n");
    let gone = |records| format!("\n{records} cannot be read again: Kafka has removed what stood there\n");
    told(Kept::Soon, &soon) + &told(Kept::Gone, &gone)
}

/// Where it stood, for people.
pub(super) fn place_of(Undecodable { topic, partition, offset, .. }: &Undecodable) -> String {
    format!("{topic} {partition}:{offset}")
}
