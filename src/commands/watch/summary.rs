//! What is told at the end: how everybody stands, and which files say more.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::End;
use super::lists::Listed;
use super::screen::{counts, line, rough};
use crate::domain::spent::Spent;
use crate::domain::tally::Tally;
use crate::domain::told::STAGES;

pub(super) struct Watched<'a> {
    pub tally: &'a Tally,
    pub end: End,
    pub lists: Vec<Listed>,
}

fn means(tally: &Tally) -> impl Iterator<Item = (&'static str, Duration)> {
    let means = tally.spent().map(|spent| spent.mean_since(Spent::default()));
    STAGES.into_iter().zip(means).filter_map(|(stage, mean)| Some((stage, mean?)))
}

impl fmt::Display for Watched<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, end, lists } = self;
        writeln!(formatter, "{}", line(tally, None))?;
        for count in counts(tally) {
            writeln!(formatter, "{count}")?;
        }
        for range in tally.lost_ranges() {
            writeln!(formatter, "  nobody of token range {} was told", range.name)?;
        }
        let retried: Vec<_> = tally.retried().map(|(stage, users)| format!("{stage} {users}")).collect();
        if !retried.is_empty() {
            writeln!(formatter, "  users tried more than once, by stage: {}", retried.join(", "))?;
        }
        let means: Vec<_> = means(tally).map(|(stage, mean)| format!("{stage} {}", rough(mean))).collect();
        if !means.is_empty() {
            writeln!(formatter, "  time of a user in each stage, on average: {}", means.join(", "))?;
        }
        match end {
            End::Done => {}
            End::SoFar => writeln!(formatter, "so far: --no-wait waits for nobody")?,
            End::Interrupted => writeln!(formatter, "interrupted: watching again continues, nothing is lost")?,
        }
        lists.iter().try_for_each(|list| writeln!(formatter, "{list}"))
    }
}

impl Serialize for Watched<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Count<'a> {
            status: &'static str,
            reason: &'a str,
            users: u64,
        }
        let Self { tally, end, lists } = self;
        let counts = tally.counts().into_iter();
        let counts = counts.map(|((status, reason), users)| Count { status: status.name(), reason, users });
        serde_json::json!({
            "end": end,
            "expected": tally.expected(),
            "ended": tally.ended(),
            "waiting": tally.waiting(),
            "counts": counts.collect::<Vec<_>>(),
            "lostRanges": tally.lost_ranges().map(|range| &*range.name).collect::<Vec<_>>(),
            "retried": tally.retried().collect::<BTreeMap<_, _>>(),
            "meanSeconds": means(tally).map(|(stage, mean)| (stage, mean.as_secs_f64())).collect::<BTreeMap<_, _>>(),
            "lists": lists,
        })
        .serialize(serializer)
    }
}
