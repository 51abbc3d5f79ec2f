//! The transaction of a block: lock, guards, deletes in the map's order, a count of what is left, commit.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::authz;
use super::block::Block;
use super::connection::{Call, Connection};
use super::protect::{self, Look};
use super::statements::{Effect, Step};
use super::tables::{Family, Key};
use super::trail;
use crate::ports::{Blame, Disposition, Failure};

/// By which ids and keys rows are found.
struct Finder<'a> {
    realm: &'a String,
    /// Locked: their rows in the foreign-key family go.
    locked: Vec<String>,
    /// All forms: their rows in free tables go.
    ids: Vec<String>,
    /// Per parent table: the keys that its children name.
    keys: HashMap<&'static str, Keys>,
}

#[derive(Default)]
struct Keys {
    list: Vec<String>,
    owners: HashMap<String, usize>,
}

/// The table by which a session of a user is found.
const SESSIONS: &str = "offline_user_session";

/// By which somebody logs in.
const CREDENTIALS: [&str; 2] = ["credential", "fed_user_credential"];

/// Whether rows of sessions may be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sessions {
    /// They go like all other rows.
    Whatever,
    /// Keycloak has just ended them all, so a row tells of a login since: Keycloak must end that one too, and it finds the
    /// session by this row.
    Ended,
}

/// How the transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Done,
    /// Nothing was changed: somebody logged in after access was ended.
    LoggedIn,
    /// Nothing was changed: somebody has too many rows, and is kept from now on.
    Heavy,
}

/// Purges the users of the block, all or none. In a dry run it counts and changes nothing.
pub(super) async fn run(connection: &Connection, block: &mut Block<'_>, sessions: Sessions) -> Result<Ended, Failure> {
    let mut finder = Finder::begin(connection, block).await?;
    finder.find_keys(connection, block).await?;
    authz::purge(connection, block, &finder.ids).await?;
    trail::take_invitations(connection, block, &finder.locked).await?;
    finder.take_rows(connection, block).await?;
    if block.keep_the_heavy() {
        return undo(connection, block, Ended::Heavy).await;
    }
    // Order: after the deletes, so that only a session that is newer than they are can escape, and its row is left to be swept.
    if sessions == Sessions::Ended && !finder.list_of(SESSIONS).is_empty() {
        return undo(connection, block, Ended::LoggedIn).await;
    }
    let notes = trail::purge(connection, block, &finder.ids, finder.sessions()).await?;
    match connection.effect {
        Effect::Delete => {
            finder.count_what_is_left(connection, block).await?;
            connection.commit().await?;
            notes.tell();
        }
        Effect::Count => connection.rollback().await?,
    }
    Ok(Ended::Done)
}

async fn undo(connection: &Connection, block: &mut Block<'_>, ended: Ended) -> Result<Ended, Failure> {
    connection.rollback().await?;
    block.forget_rows();
    Ok(ended)
}

/// What a login needs. It goes first, in a transaction of its own, where somebody logs in faster than access is ended; what
/// else there is of them goes by `run`, in this call or, after a failure, in the next one.
pub(super) async fn take_credentials(connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
    let steps = &connection.statements.steps;
    let steps: Vec<_> = steps.iter().filter(|step| CREDENTIALS.contains(&step.table.name)).collect();
    if steps.iter().any(|step| step.keys.is_some()) {
        // Keycloak 7: their attributes would have to go too.
        return Ok(());
    }
    let finder = Finder::begin(connection, block).await?;
    let calls: Vec<_> = steps.iter().map(|step| finder.call_of(step, &step.rows)).collect();
    for (step, rows) in steps.iter().zip(connection.pipeline(&calls).await?) {
        finder.credit(step, &rows, block);
    }
    connection.commit().await?;
    block.bank_rows();
    Ok(())
}

impl<'a> Finder<'a> {
    /// Begins the transaction, locks the users, and looks once more whom to keep.
    async fn begin(connection: &'a Connection, block: &mut Block<'_>) -> Result<Self, Failure> {
        connection.begin().await?;
        let locked = protect::look(connection, block, Look::UnderTheLock).await?;
        let realm = &connection.schema.realm_id;
        Ok(Self { realm, locked: block.locked(&locked), ids: block.ids(), keys: HashMap::new() })
    }
}

impl Finder<'_> {
    /// Order: before the deletes, while a parent row still tells whose its children are.
    async fn find_keys(&mut self, connection: &Connection, block: &Block<'_>) -> Result<(), Failure> {
        let parents: Vec<_> =
            connection.statements.steps.iter().filter_map(|step| Some((step, step.keys.as_ref()?))).collect();
        let calls: Vec<_> = parents.iter().map(|(step, keys)| self.call_of(step, keys)).collect();
        let answers = connection.pipeline(&calls).await?;
        for ((step, _), rows) in parents.iter().zip(answers) {
            let keys = self.keys.entry(step.table.name).or_default();
            for row in &rows {
                keys.add(row, block);
            }
        }
        Ok(())
    }

    async fn take_rows(&mut self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        let steps = &connection.statements.steps;
        let calls: Vec<_> = steps.iter().map(|step| self.call_of(step, &step.rows)).collect();
        let answers = connection.pipeline(&calls).await?;
        let mut late: HashMap<&'static str, Keys> = HashMap::new();
        for (step, rows) in steps.iter().zip(&answers) {
            self.credit(step, rows, block);
            if step.keys.is_some() {
                let known = self.keys.entry(step.table.name).or_default();
                let new = rows.iter().filter(|row| !known.owners.contains_key(row.get::<_, &str>(1)));
                let keys = late.entry(step.table.name).or_default();
                new.for_each(|row| keys.add(row, block));
            }
        }
        self.take_late_rows(connection, block, late).await
    }

    /// Parents that came between `find_keys` and the deletes are gone now: nobody would ever find their children again.
    async fn take_late_rows(
        &mut self,
        connection: &Connection,
        block: &mut Block<'_>,
        late: HashMap<&'static str, Keys>,
    ) -> Result<(), Failure> {
        for step in &connection.statements.steps {
            let Key::Parent { table, .. } = step.table.key else { continue };
            let Some(keys) = late.get(table).filter(|keys| !keys.list.is_empty()) else { continue };
            let answers = connection.pipeline(&[Call::new(&step.rows, vec![&keys.list])]).await?;
            let known = self.keys.entry(table).or_default();
            known.list.extend(keys.list.iter().cloned());
            known.owners.extend(keys.owners.clone());
            self.credit(step, &answers.concat(), block);
        }
        Ok(())
    }

    async fn count_what_is_left(&self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        let steps = &connection.statements.steps;
        let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&self.locked, &self.ids, self.realm];
        for step in steps {
            if let Key::Parent { table, .. } = step.table.key {
                params.push(self.list_of(table));
            }
        }
        let answers = connection.pipeline(&[Call::new(&connection.statements.residue, params)]).await?;
        for row in answers.iter().flatten() {
            let step = usize::try_from(row.get::<_, i32>(0)).ok().and_then(|index| steps.get(index));
            if let Some(step) = step {
                let owner = self.owner_of(step, row.get(1), block);
                block
                    .left(owner, step.table)
                    .map_err(|left| Failure::new(Disposition::Retry(Blame::Call), "rows_left").because(left))?;
            }
        }
        Ok(())
    }

    fn call_of<'a>(&'a self, step: &Step, statement: &'a tokio_postgres::Statement) -> Call<'a> {
        let ids = match (step.table.key, step.table.family) {
            (Key::Parent { table, .. }, _) => self.list_of(table),
            (Key::User(_), Family::Foreign) => &self.locked,
            (Key::User(_), Family::Free) => &self.ids,
        };
        if step.table.in_realm {
            return Call::new(statement, vec![ids, self.realm]);
        }
        Call::new(statement, vec![ids])
    }

    /// The sessions that were found, and whose they were.
    fn sessions(&self) -> impl Iterator<Item = (&String, usize)> {
        let owners = self.keys.get(SESSIONS).map(|keys| &keys.owners);
        owners.into_iter().flatten().map(|(session, owner)| (session, *owner))
    }

    fn list_of(&self, parent: &str) -> &Vec<String> {
        const NONE: &Vec<String> = &Vec::new();
        self.keys.get(parent).map_or(NONE, |keys| &keys.list)
    }

    fn credit(&self, step: &Step, rows: &[Row], block: &mut Block<'_>) {
        for row in rows {
            if let Some(owner) = self.owner_of(step, row.get(0), block) {
                block.credit(owner, step.table.name);
            }
        }
    }

    fn owner_of(&self, step: &Step, id: &str, block: &Block<'_>) -> Option<usize> {
        match step.table.key {
            Key::User(_) => block.owner(id),
            Key::Parent { table, .. } => self.keys.get(table)?.owners.get(id).copied(),
        }
    }
}

impl Keys {
    /// A row of a parent table: whose, and its key.
    fn add(&mut self, row: &Row, block: &Block<'_>) {
        let (user, key): (&str, &str) = (row.get(0), row.get(1));
        if let Some(owner) = block.owner(user) {
            self.owners.insert(key.to_owned(), owner);
            self.list.push(key.to_owned());
        }
    }
}
