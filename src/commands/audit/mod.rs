//! `audit`: deleted users of whom Keycloak still knows something. Reads only: Cassandra says who is deleted, Keycloak's database
//! is counted as in a dry run.

mod lists;
mod source;
mod tally;

use std::fmt;
use std::io::{BufRead, Write};

use futures::future::try_join_all;
use serde::Serialize;

use self::lists::Lists;
use self::source::Source;
use self::tally::Tally;
use super::Exit;
use super::answer::tell;
use super::patience::patiently;
use super::world::Dependencies;
use crate::cli::{AuditArgs, Format};
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::verdict::PurgeKind;
use crate::ports::{Failure, IdentityStore, PurgeOrder, UserDirectory};
use crate::settings::{PurgeMode, Settings, Verify};

/// Looks, and tells what is left.
///
/// # Errors
/// When a setting or a file cannot be used, or `output` cannot be written.
pub async fn audit(
    settings: &Settings,
    args: &AuditArgs,
    input: &mut (dyn BufRead + Send),
    (format, output): (Format, &mut (dyn Write + Send)),
) -> anyhow::Result<Exit> {
    let settings = reading_only(settings);
    let Dependencies { directory, identities, .. } = Dependencies::try_new(&settings, None)?;
    let source = Source::of(args, input)?;
    let mut audit = Audit {
        directory: directory.as_ref(),
        identities: identities.as_ref(),
        lookup_block: settings.cassandra.block_size,
        count_block: settings.purge.block_size,
        waiting: Vec::new(),
        tally: Tally::default(),
        lists: Lists::create(args)?,
    };
    if let Err(stop) = audit.run(source).await {
        let Stop::Failure(failure) = stop else { return Err(stop.into()) };
        // Order: what was counted so far would look like the whole.
        tell(&Stopped { users: audit.tally.users, problem: failure.story() }, format, output)?;
        return Ok(Exit::from(&failure));
    }
    let exit = audit.tally.exit();
    tell(&Audited { tally: audit.tally, lists: audit.lists }, format, output)?;
    Ok(exit)
}

/// How it ended before its end.
#[derive(Serialize)]
struct Stopped {
    users: u64,
    problem: String,
}

impl fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "stopped after {} users: {}", self.users, self.problem)
    }
}

#[derive(Serialize)]
struct Audited {
    #[serde(flatten)]
    tally: Tally,
    #[serde(flatten)]
    lists: Lists,
}

impl fmt::Display for Audited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}{}", self.tally, self.lists)
    }
}

/// As for a dry run, and without the fuses: a count harms nobody, and it is what a person decides by.
pub(super) fn reading_only(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.purge.mode = Some(PurgeMode::DryRun);
    settings.purge.verify = Verify::Count;
    settings.purge.max_rows_per_user = 0;
    settings.keycloak.admin_api.enabled = false;
    settings
}

#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("a list of ids cannot be written")]
    List(#[from] std::io::Error),
}

struct Audit<'a> {
    directory: &'a dyn UserDirectory,
    identities: &'a dyn IdentityStore,
    lookup_block: usize,
    count_block: usize,
    /// Deleted, and not counted yet: less than a block.
    waiting: Vec<UserId>,
    tally: Tally,
    lists: Lists,
}

impl Audit<'_> {
    async fn run(&mut self, mut source: Source) -> Result<(), Stop> {
        // Order: what a person must mend is told at once, not after the first deleted user of a large table.
        patiently(async || self.directory.probe().await).await?;
        patiently(async || self.identities.probe().await).await?;
        while let Some(users) = source.next(self.directory).await? {
            self.look_up(&users).await?;
            while self.waiting.len() >= self.count_block {
                let rest = self.waiting.split_off(self.count_block);
                let block = std::mem::replace(&mut self.waiting, rest);
                self.count(block).await?;
            }
            source.show(&self.tally);
        }
        while !self.waiting.is_empty() {
            let block = std::mem::take(&mut self.waiting);
            self.count(block).await?;
        }
        Ok(self.lists.flush()?)
    }

    async fn look_up(&mut self, users: &[UserId]) -> Result<(), Stop> {
        let kind = ObjectType::user();
        let blocks = users.chunks(self.lookup_block);
        let one = async |block: &[UserId]| patiently(async || self.directory.lookup(&kind, block).await).await;
        let answers = try_join_all(blocks.map(one)).await?;
        for (user, row) in users.iter().zip(answers.into_iter().flatten()) {
            self.tally.users += 1;
            match row {
                Ok(Some(row)) if row.is_deleted() => {
                    self.tally.deleted += 1;
                    self.waiting.push(user.clone());
                }
                Ok(Some(_)) => self.tally.not_deleted += 1,
                Ok(None) => self.tally.without_row += 1,
                Err(failure) => self.tally.unread(&failure),
            }
        }
        Ok(())
    }

    async fn count(&mut self, block: Vec<UserId>) -> Result<(), Stop> {
        let orders: Vec<_> = block.into_iter().map(|user| PurgeOrder { user, kind: PurgeKind::Full }).collect();
        let answers = patiently(async || self.identities.purge(&orders).await).await?;
        for (PurgeOrder { user, .. }, answer) in orders.iter().zip(answers) {
            match answer {
                Ok(purged) => {
                    self.tally.counted(&purged);
                    self.lists.note(user, &purged)?;
                }
                Err(failure) => self.tally.unread(&failure),
            }
        }
        Ok(())
    }
}
