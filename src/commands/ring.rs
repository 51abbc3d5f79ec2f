//! The token ring of a table, walked once around in ranges of about equal numbers of rows.
//!
//! Nothing is taken from the cluster's own estimates (`system.size_estimates`): they are per node, minutes old, and absent on a
//! fresh node. Each range is read with a limit instead, so that its number of rows is known and not guessed.

use futures::future::try_join_all;

use super::patience::patiently;
use crate::domain::event::TokenRange;
use crate::ports::Failure;

/// The ring as progress bars know it.
pub(super) const PARTS: u64 = 10_000;

const WHOLE: u128 = 1 << 64;

/// How a walk goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows that a range should have.
    pub aim: u64,
    /// Rows that it may have.
    pub most: usize,
    /// Ranges read at the same time.
    pub at_once: usize,
}

/// A range, and its rows.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub range: TokenRange,
    pub rows: Vec<T>,
}

/// One way around the ring.
#[derive(Debug)]
pub(super) struct Walk {
    bounds: Bounds,
    /// Where the next range starts; `i64::MAX`: all is walked.
    start: i64,
    /// In tokens. Follows what the last ranges held: tokens are hashes, so the next ones hold about as much.
    width: u128,
}

impl Walk {
    pub(super) fn of(bounds: Bounds) -> Self {
        Self { bounds, start: i64::MIN, width: WHOLE }
    }

    /// Begins with ranges as they fit a table of so many rows.
    pub(super) fn expecting(bounds: Bounds, rows: u64) -> Self {
        let width = (WHOLE * u128::from(bounds.aim)).div_ceil(u128::from(rows.max(bounds.aim)));
        Self { width, ..Self::of(bounds) }
    }

    /// The next ranges, one after the other; `None` at the end. A range of a single token may hold more than `most`.
    pub(super) async fn next<T>(
        &mut self,
        read: impl AsyncFn(TokenRange, usize) -> Result<Vec<T>, Failure>,
    ) -> Result<Option<Vec<Part<T>>>, Failure> {
        while self.start < i64::MAX {
            let ranges = self.cut();
            let limit = self.bounds.most + 1;
            let reads = ranges.iter().map(|range| patiently(async || read(*range, limit).await));
            let answers = try_join_all(reads).await?;
            let parts = ranges.iter().zip(answers).map(|(range, rows)| Part { range: *range, rows });
            let fine: Vec<_> = parts.take_while(|part| part.rows.len() < limit || width_of(part.range) == 1).collect();
            // Order: what lies behind a range that is too wide is read again with narrower ones.
            if fine.len() < ranges.len() {
                self.width = (self.width / 2).max(1);
            } else {
                self.adapt(&fine);
            }
            if let Some(last) = fine.last() {
                self.start = last.range.end;
                return Ok(Some(fine));
            }
        }
        Ok(None)
    }

    fn cut(&self) -> Vec<TokenRange> {
        let mut start = self.start;
        let cut = std::iter::from_fn(|| {
            let end = after(start, self.width);
            let range = TokenRange { start, end };
            start = end;
            (range.start < range.end).then_some(range)
        });
        cut.take(self.bounds.at_once).collect()
    }

    fn adapt<T>(&mut self, parts: &[Part<T>]) {
        let rows: u128 = parts.iter().map(|part| part.rows.len() as u128).sum();
        let walked: u128 = parts.iter().map(|part| width_of(part.range)).sum();
        let fitting = (walked * u128::from(self.bounds.aim)).checked_div(rows).unwrap_or(WHOLE);
        self.width = fitting.clamp((self.width / 4).max(1), (self.width * 4).min(WHOLE));
    }

    /// How much of the ring is walked, of [`PARTS`].
    pub(super) fn place(&self) -> u64 {
        if self.start == i64::MAX {
            return PARTS;
        }
        let walked = u128::from(self.start.abs_diff(i64::MIN));
        u64::try_from((walked * u128::from(PARTS)) >> 64).unwrap_or(PARTS)
    }
}

/// How many there are, as far as a plan needs it.
#[derive(Debug)]
pub(super) struct Estimate<T> {
    /// Rows that count.
    pub count: u64,
    /// All of the table, counting or not.
    pub rows: u64,
    /// So many rows were read to know.
    pub read: u64,
    /// All were.
    pub is_exact: bool,
    /// The first that count.
    pub first: Vec<T>,
}

/// Places of the ring where a sample is taken.
const PLACES: u64 = 32;

/// Reads at most 32 ranges, some ten thousand rows: tokens are hashes, so a few ranges tell what all hold. `counts`: which rows.
pub(super) async fn estimate<T: Clone>(
    bounds: Bounds,
    read: impl AsyncFn(TokenRange, usize) -> Result<Vec<T>, Failure>,
    counts: impl Fn(&T) -> bool,
) -> Result<Estimate<T>, Failure> {
    const SHOWN: usize = 4;
    let limit = bounds.most + 1;
    let mut width = WHOLE;
    let one = async |range| patiently(async || read(range, limit).await).await;
    let mut rows = one(TokenRange { start: i64::MIN, end: i64::MAX }).await?;
    while rows.len() == limit && width > u128::from(PLACES) {
        width /= 4;
        rows = one(TokenRange { start: i64::MIN, end: after(i64::MIN, width) }).await?;
    }
    let apart = (WHOLE / u128::from(PLACES)).max(width);
    let places: Vec<u128> = (0..PLACES).map(|place| apart * u128::from(place)).take_while(|at| *at < WHOLE).collect();
    let is_exact = width == apart;
    let mut found = Estimate { count: 0, rows: 0, read: 0, is_exact, first: Vec::new() };
    for places in places.chunks(bounds.at_once.max(1)) {
        let ranges = places.iter().map(|at| {
            let start = after(i64::MIN, *at);
            one(TokenRange { start, end: after(start, width) })
        });
        for rows in try_join_all(ranges).await? {
            // A place with more than this is counted as far as it was read.
            found.is_exact &= rows.len() < limit;
            found.read += rows.len() as u64;
            let counting = || rows.iter().filter(|row| counts(row));
            found.count += counting().count() as u64;
            let missing = SHOWN.saturating_sub(found.first.len());
            found.first.extend(counting().take(missing).cloned());
        }
    }
    let scaled = |seen: u64| u64::try_from(u128::from(seen) * apart / width).unwrap_or(u64::MAX);
    (found.count, found.rows) = (scaled(found.count), scaled(found.read));
    Ok(found)
}

/// So many tokens further, at most to the end of the ring.
fn after(start: i64, width: u128) -> i64 {
    let end = i128::from(start) + i128::try_from(width).unwrap_or(i128::MAX / 2);
    i64::try_from(end).unwrap_or(i64::MAX)
}

fn width_of(range: TokenRange) -> u128 {
    u128::from(range.end.abs_diff(range.start))
}

#[cfg(test)]
mod tests;
