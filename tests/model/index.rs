//! The search index: what a sync has read and written, also when nobody heard its answer.

use std::collections::BTreeMap;
use std::time::Instant;

use user_purge_sync::domain::ids::UserId;
use user_purge_sync::pipeline::engine::Effect;
use user_purge_sync::ports::Failure;

/// Rows and documents by version: each deletion or restoration makes a newer row.
#[derive(Default)]
pub struct Index {
    rows: BTreeMap<UserId, u32>,
    /// Read when the call began: the row may be newer when the document is written.
    read: BTreeMap<UserId, u32>,
    documents: BTreeMap<UserId, u32>,
    /// The newest that a call was heard to have written.
    promised: BTreeMap<UserId, u32>,
    /// Answers were lost; the documents are written as late as `sync.ambiguity` allows.
    unheard: Vec<(Instant, UserId, u32)>,
}

impl Index {
    pub fn row_changes(&mut self, user: UserId) {
        *self.rows.entry(user).or_default() += 1;
    }

    pub fn call_begins(&mut self, effect: &Effect) {
        for user in users_of(effect) {
            self.read.insert(user.clone(), self.rows.get(user).copied().unwrap_or_default());
        }
    }

    pub fn call_ends(&mut self, effect: &Effect, failure: Option<&Failure>, lands: Instant) {
        for user in users_of(effect) {
            let read = self.read[user];
            match failure {
                None => {
                    self.documents.insert(user.clone(), read);
                    let promised = self.promised.entry(user.clone()).or_default();
                    *promised = read.max(*promised);
                }
                Some(failure) if failure.leaves_in_doubt() => self.unheard.push((lands, user.clone(), read)),
                Some(_) => {}
            }
        }
    }

    pub fn land(&mut self, now: Instant) {
        for (_, user, read) in self.unheard.extract_if(.., |(lands, ..)| *lands <= now) {
            self.documents.insert(user, read);
        }
    }

    /// Another owner knows nothing of the calls of the one before.
    pub fn forget_unheard(&mut self) {
        self.unheard.clear();
    }

    /// Also when what is still unheard has landed, by `last`.
    pub fn assert_nothing_is_older_than_promised(&mut self, last: Instant) {
        self.land(last);
        for (user, promised) in &self.promised {
            assert!(self.documents[user] >= *promised, "a lost answer landed last: {user} is indexed as before");
        }
    }
}

fn users_of(effect: &Effect) -> &[UserId] {
    match effect {
        Effect::Sync(_, _, users) | Effect::ProbeSync(users) => users,
        _ => &[],
    }
}
