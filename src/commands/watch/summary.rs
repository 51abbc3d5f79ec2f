//! What is told at the end: how everybody stands, and which files say more.

use std::fmt;

use serde::{Serialize, Serializer};

use super::End;
use super::lists::Listed;
use super::screen::line;
use crate::domain::tally::Tally;

pub(super) struct Watched<'a> {
    pub tally: &'a Tally,
    pub end: End,
    pub lists: Vec<Listed>,
}

impl fmt::Display for Watched<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, end, lists } = self;
        writeln!(formatter, "{}", line(tally, None))?;
        for ((status, reason), count) in tally.counts() {
            writeln!(formatter, "  {:8}  {reason:22}  {count}", status.name())?;
        }
        for range in tally.lost_ranges() {
            writeln!(formatter, "  nobody of token range {} was told", range.name)?;
        }
        let retried: Vec<_> = tally.retried().map(|(stage, users)| format!("{stage} {users}")).collect();
        if !retried.is_empty() {
            writeln!(formatter, "  users tried more than once, by stage: {}", retried.join(", "))?;
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
            "retried": tally.retried().collect::<std::collections::BTreeMap<_, _>>(),
            "lists": lists,
        })
        .serialize(serializer)
    }
}
