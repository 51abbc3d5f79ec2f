//! Whom the audit looks at: some users by name, or the whole table, part by part in bounded memory.

use std::io::{BufRead, IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Tally;
use crate::cli::AuditArgs;
use crate::commands::BadInput;
use crate::commands::id_file::{self, IdFile};
use crate::commands::ring::{Bounds, PARTS, Walk};
use crate::domain::ids::{ObjectType, UserId};
use crate::ports::{Failure, UserDirectory};

/// Users read at a time.
const PAGE: usize = 1000;
/// Between two lines of progress where nobody watches a bar.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// One part at a time, of most of a page.
const RING: Bounds = Bounds { aim: PAGE as u64 * 3 / 4, most: PAGE, at_once: 1 };

pub(super) struct Source {
    users: Users,
    bar: ProgressBar,
    told: Instant,
}

enum Users {
    Named { rest: std::vec::IntoIter<UserId>, total: usize },
    Ring(Walk),
}

impl Source {
    pub(super) fn of(args: &AuditArgs, input: &mut (dyn BufRead + Send)) -> anyhow::Result<Self> {
        let users = match named(args, input)? {
            Some(list) => Users::Named { total: list.ids.len(), rest: list.ids.into_iter() },
            None => Users::Ring(Walk::of(RING)),
        };
        // indicatif draws nothing where standard error is no terminal.
        let bar = ProgressBar::new(PARTS).with_style(
            // Cut at the terminal's edge: a line that runs over it would be drawn wrong.
            ProgressStyle::with_template("{wide_bar}\n{percent} %, {eta} left, {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Ok(Self { users, bar, told: Instant::now() })
    }

    /// The next users; an empty list where a part has none, `None` at the end.
    pub(super) async fn next(&mut self, directory: &dyn UserDirectory) -> Result<Option<Vec<UserId>>, Failure> {
        match &mut self.users {
            Users::Named { rest, .. } => {
                let page: Vec<_> = rest.by_ref().take(PAGE).collect();
                Ok((!page.is_empty()).then_some(page))
            }
            Users::Ring(walk) => {
                let user = ObjectType::user();
                let parts = walk.next(async |range, limit| directory.ids_in(&user, range, limit).await).await?;
                Ok(parts.map(|parts| parts.into_iter().flat_map(|part| part.rows).collect()))
            }
        }
    }

    pub(super) fn show(&mut self, tally: &Tally) {
        let done = match &self.users {
            Users::Named { rest, total } => PARTS - PARTS * rest.len() as u64 / (*total as u64).max(1),
            Users::Ring(walk) => walk.place(),
        };
        self.bar.set_position(done);
        self.bar.set_message(format!("{} users, {} deleted, {} still known", tally.users, tally.deleted, tally.left()));
        if !stderr().is_terminal() && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let (users, deleted, left) = (tally.users, tally.deleted, tally.left());
            tracing::info!(percent = done / (PARTS / 100), users, deleted, left, "looking");
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The ids of the command line or of a file; `None`: everybody.
fn named(args: &AuditArgs, input: &mut (dyn BufRead + Send)) -> anyhow::Result<Option<IdFile>> {
    if args.file.is_none() && args.ids.is_empty() {
        return Ok(None);
    }
    let list = id_file::of_person(args.file.as_deref(), &args.ids, input)?;
    if list.lines.invalid > 0 {
        let place = if args.file.is_some() { "line" } else { "id" };
        return Err(
            BadInput(format!("{} ids are invalid{}", list.lines.invalid, list.lines.told_invalid(place))).into()
        );
    }
    Ok(Some(list))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::event::TokenRange;
    use crate::domain::verdict::UserRow;
    use crate::ports::CallResult;

    /// Users at tokens of their own.
    struct Table(Vec<i64>);

    impl UserDirectory for Table {
        fn lookup<'a>(&'a self, _: &'a ObjectType, _: &'a [UserId]) -> BoxFuture<'a, CallResult<Option<UserRow>>> {
            unreachable!("a source only reads ids")
        }

        fn ids_in<'a>(
            &'a self,
            _: &'a ObjectType,
            range: TokenRange,
            limit: usize,
        ) -> BoxFuture<'a, Result<Vec<UserId>, Failure>> {
            let inside = self.0.iter().filter(|token| range.start < **token && **token <= range.end);
            let ids: Vec<_> = inside.take(limit).map(|token| UserId::parse(&token.to_string()).unwrap()).collect();
            async { Ok(ids) }.boxed()
        }

        fn draw(&self, _: usize) -> BoxFuture<'_, Result<Vec<UserId>, Failure>> {
            unreachable!("a source draws nobody")
        }

        fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
            unreachable!("a source asks for users only")
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Also where many tokens lie beside each other, and at the ends of the ring.
        #[test]
        fn everybody_of_the_table_is_looked_at_once_in_bounded_pages(
            centre in any::<i64>(), width in 1..2_000_000_000_i64, count in 0..5000_usize,
        ) {
            let near = (0..count).map(|index| centre.saturating_add(width / 5000 * i64::try_from(index).unwrap()));
            let mut tokens: Vec<i64> = near.chain([i64::MIN + 1, 0, i64::MAX]).filter(|token| *token != i64::MIN).collect();
            tokens.sort_unstable();
            tokens.dedup();
            let mut source = Source::of(&AuditArgs::default(), &mut std::io::empty()).unwrap();
            let (mut seen, table) = (Vec::new(), Table(tokens.clone()));
            while let Some(page) = source.next(&table).now_or_never().unwrap().unwrap() {
                prop_assert!(page.len() <= PAGE);
                seen.extend(page.iter().map(|id| id.as_str().parse::<i64>().unwrap()));
            }
            prop_assert_eq!(seen, tokens);
        }
    }
}
