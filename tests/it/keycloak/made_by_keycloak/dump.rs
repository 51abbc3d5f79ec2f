//! The whole database at one moment, row by row, and what differs between two moments.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::{Client, IsolationLevel};

/// Shorter words are no ids.
const SHORTEST_ID: usize = 20;

/// Up to 24 a timer of Keycloak's writes this column of everybody's offline sessions, once a minute.
const REFRESHED: &str = "(to_jsonb(x) - 'last_session_refresh')";
const SESSIONS: &str = "offline_user_session";

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Row {
    pub table: String,
    /// As PostgreSQL writes it: every column.
    pub text: String,
    /// Its own id, where it has one.
    pub key: Option<String>,
}

/// Every row of every table of Keycloak's schema, and how often it is there.
#[derive(PartialEq, Eq)]
pub struct Dump(HashMap<Row, usize>);

impl Dump {
    /// One snapshot, whatever others write meanwhile.
    pub async fn of(database: &mut Client) -> anyhow::Result<Self> {
        let look = database.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await?;
        let mut rows = HashMap::new();
        for table in look.query(TABLES, &[]).await? {
            let (table, key): (String, Option<String>) = (table.get(0), table.get(1));
            let key = key.map_or_else(|| "NULL".to_owned(), |key| format!("x.{key}"));
            let columns = if table == SESSIONS { REFRESHED } else { "x" };
            for row in look.query(&format!("SELECT {columns}::text, {key}::text FROM {table} x"), &[]).await? {
                let row = Row { table: table.clone(), text: row.get(0), key: row.get(1) };
                *rows.entry(row).or_default() += 1;
            }
        }
        Ok(Self(rows))
    }

    pub fn nothing() -> Self {
        Self(HashMap::new())
    }

    /// Rows of this moment that the other does not have.
    pub fn without(&self, other: &Self) -> Vec<Row> {
        let missing = self.0.iter().filter(|(row, count)| other.0.get(*row).is_none_or(|have| have < *count));
        let mut missing: Vec<Row> = missing.map(|(row, _)| row.clone()).collect();
        missing.sort();
        missing
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.keys()
    }

    /// Everything that hangs together with these ids: them, and the keys of all rows that name any of what was found so
    /// far. Only keys: a row that names a neighbour does not make the neighbour's rows ours.
    pub fn world_of(&self, ids: &[&str]) -> BTreeSet<String> {
        let words: Vec<(Vec<&str>, &str)> =
            self.rows().filter_map(|row| Some((words(&row.text).collect(), row.key.as_deref()?))).collect();
        let mut world: BTreeSet<&str> = ids.iter().copied().collect();
        loop {
            let before = world.len();
            for (words, key) in &words {
                if key.len() >= SHORTEST_ID && words.iter().any(|word| world.contains(word)) {
                    world.extend(self::words(key));
                }
            }
            if world.len() == before {
                return world.into_iter().map(str::to_owned).collect();
            }
        }
    }
}

/// Words of a row that may be ids: `f:` ids fall into their two halves.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split(move |c| !is_part(c)).filter(|word| word.len() >= SHORTEST_ID)
}

/// How many rows of each table.
pub fn counts(rows: &[Row]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.table.as_str()).or_default() += 1;
    }
    counts
}

/// Its key is the column by which other tables name a row.
const TABLES: &str = "\
    SELECT c.relname::text, (
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND NOT a.attisdropped
          AND (a.attname = 'id' OR a.attname = 'user_session_id' AND c.relname = 'offline_user_session'))
    FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1";
