//! Every text of every table, read once.

use std::collections::BTreeMap;

use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use super::allowed::is_allowed;
use super::needles::Needles;
use crate::adapters::keycloak::connect::connect;
use crate::adapters::keycloak::connection::GRACE;
use crate::adapters::keycloak::failure::{of_postgres, silent};
use crate::adapters::tls::Ends;
use crate::ports::Failure;
use crate::settings::KeycloakSettings;

/// `$1` the schema: table, column, whether our role may read it. `pg_catalog` shows also what it may not.
const COLUMNS: &str = "\
SELECT c.relname::text, a.attname::text, has_column_privilege(c.oid, a.attnum, 'SELECT')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type element ON element.oid = t.typelem AND t.typcategory = 'A'
WHERE n.nspname::text = $1::text AND c.relkind IN ('r', 'm')
  AND (t.typcategory = 'S' OR element.typcategory = 'S' OR t.typname IN ('json', 'jsonb', 'xml', 'uuid'))
ORDER BY 1, 2";

pub(super) struct Search {
    settings: KeycloakSettings,
}

/// A column in which something was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub table: String,
    pub column: String,
}

#[derive(Default)]
pub(super) struct Seen {
    /// How many columns were read.
    pub columns: usize,
    pub found: Vec<Place>,
    /// `table.column` that our role may not read.
    pub unreadable: Vec<String>,
    /// Tables that were not read to the end, with the bounded word of why; an empty name when nothing was.
    pub unfinished: Vec<(String, String)>,
}

impl Search {
    pub(super) fn new(settings: KeycloakSettings) -> Self {
        Self { settings }
    }

    /// All columns that may be read.
    pub(super) async fn everywhere(&self, needles: &Needles) -> Seen {
        let mut seen = Seen::default();
        if let Err(failure) = self.look(needles, None, &mut seen).await {
            seen.unfinished.push((String::new(), failure.reason.to_string()));
        }
        seen
    }

    /// Those of `places` where something is found still. A place that cannot be looked at counts as one where it is not: it
    /// was told as unfinished before, and an alarm must be true.
    pub(super) async fn again(&self, needles: &Needles, places: &[Place]) -> Vec<Place> {
        let mut seen = Seen::default();
        match self.look(needles, Some(places), &mut seen).await {
            Ok(()) | Err(_) => seen.found,
        }
    }

    async fn look(&self, needles: &Needles, only: Option<&[Place]>, seen: &mut Seen) -> Result<(), Failure> {
        let patience = self.settings.statement_timeout + GRACE;
        let (client, _driver) =
            timeout(patience, connect(&self.settings, &Ends::default())).await.map_err(|_| silent())??;
        let (statement, lock) = (self.settings.statement_timeout.as_millis(), self.settings.lock_timeout.as_millis());
        let bounds = format!(
            "SET default_transaction_read_only = on; SET statement_timeout = {statement}; SET lock_timeout = {lock}"
        );
        timeout(patience, client.batch_execute(&bounds)).await.map_err(|_| silent())?.map_err(of_postgres)?;
        let answer = timeout(patience, client.query(COLUMNS, &[&self.settings.schema])).await.map_err(|_| silent())?;
        for (table, columns) in self.readable(&answer.map_err(of_postgres)?, only, seen) {
            let sql = self.statement(&table, &columns);
            match timeout(patience, ask(&client, &sql, needles)).await.map_err(|_| silent()).flatten() {
                Ok(hits) => {
                    seen.columns += columns.len();
                    let found = columns.into_iter().zip(hits).filter(|(_, hit)| *hit);
                    seen.found.extend(found.map(|(column, _)| Place { table: table.clone(), column }));
                }
                Err(failure) if client.is_closed() => return Err(failure),
                Err(failure) => seen.unfinished.push((table, failure.reason.to_string())),
            }
        }
        Ok(())
    }

    /// What is to be read, by table.
    fn readable(&self, rows: &[Row], only: Option<&[Place]>, seen: &mut Seen) -> BTreeMap<String, Vec<String>> {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let (table, column, readable): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
            let place = Place { table, column };
            let wanted = only.is_none_or(|places| places.contains(&place));
            if !wanted || is_allowed(&place.table, &place.column, self.settings.trail) {
                continue;
            }
            if readable {
                tables.entry(place.table).or_default().push(place.column);
            } else {
                seen.unreadable.push(format!("{}.{}", place.table, place.column));
            }
        }
        tables
    }

    /// One look at a table for all its columns.
    fn statement(&self, table: &str, columns: &[String]) -> String {
        let columns: Vec<_> = columns
            .iter()
            .map(|column| format!("coalesce(bool_or(x.{}::text ~ $1::text), false)", quoted(column)))
            .collect();
        format!("SELECT {} FROM {}.{} x", columns.join(", "), quoted(&self.settings.schema), quoted(table))
    }
}

async fn ask(client: &Client, sql: &str, needles: &Needles) -> Result<Vec<bool>, Failure> {
    let row = client.query_one(sql, &[&needles.pattern]).await.map_err(of_postgres)?;
    Ok((0..row.len()).map(|column| row.get(column)).collect())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
