//! What the systems know of one user: counted and classified, nothing personal is asked for.

use std::time::Duration;

use crate::adapters::search::{Document, UserIndex};
use crate::commands::audit::reading_only;
use crate::commands::world::Dependencies;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::verdict::{PurgeKind, UserRow};
use crate::ports::{Blame, Disposition, Failure, IdentityStore, PurgeOrder, Purged, UserDirectory};
use crate::settings::Settings;

/// Longer than any driver takes to say itself what is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Systems {
    pub row: Result<Option<UserRow>, Failure>,
    pub kept: Result<Purged, Failure>,
    /// `None` where no endpoint is configured.
    pub document: Option<Result<Option<Document>, Failure>>,
}

impl Systems {
    /// Why some of them say nothing.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Failure> {
        let document = self.document.as_ref().and_then(|document| document.as_ref().err());
        [self.row.as_ref().err(), self.kept.as_ref().err(), document].into_iter().flatten()
    }
}

/// Asks all at once; one that is away holds up nobody.
///
/// # Errors
/// When a setting cannot be used.
pub(super) async fn ask(settings: &Settings, user: &UserId) -> anyhow::Result<Systems> {
    let Dependencies { directory, identities, .. } = Dependencies::try_new(&reading_only(settings), None)?;
    let index = UserIndex::of(&settings.search)?;
    let document = async {
        match &index {
            Some(index) => Some(index.document(user).await),
            None => None,
        }
    };
    let row = within(row(directory.as_ref(), user));
    let kept = within(kept(identities.as_ref(), user));
    let (row, kept, document) = tokio::join!(row, kept, document);
    Ok(Systems { row, kept, document })
}

async fn within<T>(ask: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let silent = || Failure::new(Disposition::Retry(Blame::Server), "timeout");
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(silent()))
}

async fn row(directory: &dyn UserDirectory, user: &UserId) -> Result<Option<UserRow>, Failure> {
    directory.probe().await?;
    first(directory.lookup(&ObjectType::user(), std::slice::from_ref(user)).await?)
}

/// As a dry run counts them.
async fn kept(identities: &dyn IdentityStore, user: &UserId) -> Result<Purged, Failure> {
    // Order: the start-up checks find the tables that are counted.
    identities.probe().await?;
    first(identities.purge(&[PurgeOrder { user: user.clone(), kind: PurgeKind::Full }]).await?)
}

/// Of a call about one user.
fn first<T>(answers: Vec<Result<T, Failure>>) -> Result<T, Failure> {
    let none = || Err(Failure::new(Disposition::Hold, "no_answer"));
    answers.into_iter().next().unwrap_or_else(none)
}
