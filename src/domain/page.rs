//! An event's users, given out a page at a time, so that an event may hold more of them than the budget.
//!
//! Both sources of pages look the same from outside; a token range only has to be told its ids first. Fetching them,
//! and the budget that a page needs, belong to the pipeline.

use std::collections::VecDeque;

use super::event::{Subjects, TokenRange};
use super::ids::UserId;

/// More rows than this in one token range are refused (`range_too_wide`): their ids are held at once. Who fetches
/// asks for one more than this, or a range that is too wide looks like one that just fits.
pub const MAX_RANGE_ROWS: usize = 10_000;

/// The token range holds more than [`MAX_RANGE_ROWS`] rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token range holds more than {MAX_RANGE_ROWS} rows")]
pub struct RangeTooWide;

/// What of an event's users is still to be given out.
#[derive(Clone, Debug)]
pub struct Pages {
    page: usize,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Ids(VecDeque<UserId>),
    Range(TokenRange),
}

impl Pages {
    /// At most `page` users a page, and never less than one.
    pub fn of(subjects: &Subjects, page: usize) -> Self {
        let source = match subjects {
            Subjects::Users(ids) => Source::Ids(ids.iter().cloned().collect()),
            Subjects::Range(range) => Source::Range(*range),
        };
        Self { page: page.max(1), source }
    }

    /// The range whose ids must be supplied before there is a page.
    pub fn needs_ids(&self) -> Option<TokenRange> {
        match self.source {
            Source::Range(range) => Some(range),
            Source::Ids(_) => None,
        }
    }

    /// The ids of the range that [`Self::needs_ids`] names; where it names none they change nothing.
    pub fn supply(&mut self, ids: Vec<UserId>) -> Result<(), RangeTooWide> {
        if matches!(self.source, Source::Ids(_)) {
            return Ok(());
        }
        if ids.len() > MAX_RANGE_ROWS {
            return Err(RangeTooWide);
        }
        self.source = Source::Ids(ids.into());
        Ok(())
    }

    /// How many users the next page holds, for whoever must find room for it first; 0 when there is none.
    pub fn next_len(&self) -> usize {
        self.remaining().unwrap_or(0).min(self.page)
    }

    /// How many users were not given out yet; None while a range's ids are not known.
    pub fn remaining(&self) -> Option<usize> {
        match &self.source {
            Source::Ids(ids) => Some(ids.len()),
            Source::Range(_) => None,
        }
    }

    /// Everything was given out.
    pub fn is_done(&self) -> bool {
        self.remaining() == Some(0)
    }
}

/// None when all users were given out, and before a range's ids are supplied.
impl Iterator for Pages {
    type Item = Vec<UserId>;

    fn next(&mut self) -> Option<Vec<UserId>> {
        let len = self.next_len();
        match &mut self.source {
            Source::Ids(ids) if len > 0 => Some(ids.drain(..len).collect()),
            Source::Ids(_) | Source::Range(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: TokenRange = TokenRange { start: -5, end: 5 };

    fn ids(count: usize) -> Vec<UserId> {
        (0..count).map(|n| UserId::parse(&format!("user-{n}")).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn every_user_is_given_out_once_in_order_and_no_page_is_too_large(
            count in 0..700_usize,
            page in 1..300_usize,
            range: bool,
        ) {
            let mut pages = if range {
                let mut pages = Pages::of(&Subjects::Range(RANGE), page);
                prop_assert_eq!(pages.supply(ids(count)), Ok(()));
                pages
            } else {
                Pages::of(&Subjects::Users(ids(count)), page)
            };
            let mut given = Vec::new();
            while !pages.is_done() {
                let (announced, remaining) = (pages.next_len(), pages.remaining());
                let next = pages.next().unwrap();
                prop_assert_eq!(next.len(), announced);
                prop_assert!((1..=page).contains(&next.len()));
                prop_assert_eq!(remaining, pages.remaining().map(|left| left + next.len()));
                given.extend(next);
            }
            prop_assert_eq!(pages.next(), None);
            prop_assert_eq!(given, ids(count));
        }
    }

    #[test]
    fn a_range_gives_nothing_out_before_its_ids_are_known() {
        let mut pages = Pages::of(&Subjects::Range(RANGE), 10);
        assert_eq!((pages.needs_ids(), pages.remaining(), pages.is_done()), (Some(RANGE), None, false));
        assert_eq!((pages.next_len(), pages.next()), (0, None));
        assert_eq!(pages.supply(ids(3)), Ok(()));
        assert_eq!((pages.needs_ids(), pages.remaining()), (None, Some(3)));
        assert_eq!(pages.next(), Some(ids(3)));
    }

    #[test]
    fn an_empty_range_is_done_at_once() {
        let mut pages = Pages::of(&Subjects::Range(RANGE), 10);
        assert_eq!(pages.supply(Vec::new()), Ok(()));
        assert!(pages.is_done());
    }

    #[test]
    fn a_range_may_hold_ten_thousand_rows_and_not_one_more() {
        let mut pages = Pages::of(&Subjects::Range(RANGE), 10);
        assert_eq!(pages.supply(ids(MAX_RANGE_ROWS + 1)), Err(RangeTooWide));
        assert_eq!(pages.needs_ids(), Some(RANGE));
        assert_eq!(pages.supply(ids(MAX_RANGE_ROWS)), Ok(()));
        assert_eq!(pages.remaining(), Some(MAX_RANGE_ROWS));
    }

    #[test]
    fn ids_that_nobody_asked_for_change_nothing() {
        let mut pages = Pages::of(&Subjects::Users(ids(2)), 10);
        assert_eq!(pages.supply(ids(5)), Ok(()));
        assert_eq!(pages.next(), Some(ids(2)));
    }

    #[test]
    fn a_page_of_nothing_is_a_page_of_one() {
        assert_eq!(Pages::of(&Subjects::Users(ids(2)), 0).next(), Some(ids(1)));
    }
}
