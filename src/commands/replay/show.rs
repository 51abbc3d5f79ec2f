//! A plan as a person reads it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::plan::{Move, Plan};
use crate::adapters::kafka::worker_group::Member;

/// The rate is that of so long a time.
pub const MEASURED: Duration = Duration::from_mins(10);

#[derive(Serialize)]
pub struct Shown<'a> {
    #[serde(flatten)]
    pub plan: &'a Plan,
    pub members: &'a [Member],
    /// Statuses a second; `None` where none were told of late.
    #[serde(rename = "usersPerSecond")]
    pub rate: Option<f64>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, members, .. } = self;
        let workers = match members.len() {
            0 => "no worker in it".to_owned(),
            1 => "1 worker in it".to_owned(),
            count => format!("{count} workers in it"),
        };
        writeln!(formatter, "replay {}: group {}, {workers}", plan.id, plan.group)?;
        let widest = plan.partitions.iter().map(|it| it.name().len()).max().unwrap_or_default().max("partition".len());
        let columns = ["old", "new", "delta", "clamped", "again", "first", "last"];
        let [old, new, delta, clamped, again, first, last] = columns;
        writeln!(
            formatter,
            "{:<widest$}  {old:>9}  {new:>9}  {delta:>9}  {clamped:<12}  {again:>7}  {first:<20}  {last}",
            "partition"
        )?;
        for it in &plan.partitions {
            line(it, widest, formatter)?;
        }
        self.sum(formatter)
    }
}

impl Shown<'_> {
    fn sum(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (again, skipped) = (self.plan.again(), self.plan.skipped());
        write!(formatter, "about {again} events are done again")?;
        match self.rate {
            Some(rate) if again > 0 => {
                let time = Duration::from_secs_f64((again as f64 / rate).ceil().clamp(1.0, 1e9));
                let (time, over) = (humantime::format_duration(time), humantime::format_duration(MEASURED));
                writeln!(formatter, ": about {time} at {rate:.0} users a second, as in the last {over}")?;
            }
            Some(_) => writeln!(formatter)?,
            None => writeln!(formatter, "; nothing was done of late to measure a rate by")?,
        }
        if skipped > 0 {
            writeln!(formatter, "{skipped} offsets are SKIPPED: their events would never be done (--allow-skips)")?;
        }
        Ok(())
    }
}

fn line(it: &Move, widest: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let old = it.old.map_or_else(|| "-".to_owned(), |old| old.to_string());
    let clamped = it.clamped.map_or_else(|| "-".to_owned(), |clamped| clamped.to_string());
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
    writeln!(
        formatter,
        "{:<widest$}  {old:>9}  {:>9}  {:>9}  {clamped:<12}  {:>7}  {:<20}  {}",
        it.name(),
        it.new,
        format!("{:+}", it.delta()),
        it.again(),
        time(&it.first),
        time(&it.last)
    )
}
