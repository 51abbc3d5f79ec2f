//! Portions of what is asked for, each an event, as they are published: never all of them at once.

use std::sync::Arc;

use super::listed::Listed;
use crate::commands::ring::{Bounds, Walk};
use crate::domain::event::Subjects;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::report::USERS_PER_REQUEST;
use crate::ports::Failure;
use crate::ports::scan::UserScan;

/// Events sent together when there is no rate: enough to keep Kafka busy.
pub(super) const EVENTS_PER_SEND: usize = 40;
/// A token range has about 1000 rows; far from the 10,000 at which workers refuse it, whatever is written meanwhile.
pub(super) const RANGES: Bounds = Bounds { aim: 1000, most: 2000, at_once: 8 };

/// What one event asks for.
pub(super) struct Portion {
    pub subjects: Subjects,
    pub users: u64,
}

/// Where the portions come from.
pub(super) enum Feed {
    Listed(Listed),
    /// The whole table.
    Ranges {
        walk: Walk,
        table: Arc<dyn UserScan>,
        object_type: ObjectType,
    },
    /// All with status 2.
    Deleted {
        walk: Walk,
        table: Arc<dyn UserScan>,
        /// Less than an event has.
        waiting: Vec<UserId>,
    },
}

/// Why no more can be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("{}", .0.story())]
    Failure(#[from] Failure),
    #[error(transparent)]
    Input(#[from] anyhow::Error),
}

impl Feed {
    /// The next portions, perhaps none; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Portion>>, Stop> {
        match self {
            Self::Listed(listed) => {
                let users = listed.take(USERS_PER_REQUEST * EVENTS_PER_SEND)?;
                Ok((!users.is_empty()).then(|| users.chunks(USERS_PER_REQUEST).map(of_users).collect()))
            }
            Self::Ranges { walk, table, object_type } => {
                let parts = walk.next(async |range, limit| table.ids_in(object_type, range, limit).await).await?;
                Ok(parts.map(|parts| {
                    let filled = parts.into_iter().filter(|part| !part.rows.is_empty());
                    let portion = |range, rows: usize| Portion { subjects: Subjects::Range(range), users: rows as u64 };
                    filled.map(|part| portion(part.range, part.rows.len())).collect()
                }))
            }
            Self::Deleted { walk, table, waiting } => {
                let parts = walk.next(async |range, limit| table.users_in(range, limit).await).await?;
                let Some(parts) = parts else {
                    let rest = std::mem::take(waiting);
                    return Ok((!rest.is_empty()).then(|| vec![of_users(&rest)]));
                };
                let seen = parts.into_iter().flat_map(|part| part.rows);
                waiting.extend(seen.filter(|seen| seen.is_deleted).map(|seen| seen.user));
                let full = waiting.len() - waiting.len() % USERS_PER_REQUEST;
                let full: Vec<_> = waiting.drain(..full).collect();
                Ok(Some(full.chunks(USERS_PER_REQUEST).map(of_users).collect()))
            }
        }
    }

    /// How much of the table is read, of [`crate::commands::ring::PARTS`]; `None` where users are listed.
    pub(super) fn place(&self) -> Option<u64> {
        match self {
            Self::Listed(_) => None,
            Self::Ranges { walk, .. } | Self::Deleted { walk, .. } => Some(walk.place()),
        }
    }
}

fn of_users(users: &[UserId]) -> Portion {
    Portion { subjects: Subjects::Users(users.to_vec()), users: users.len() as u64 }
}
