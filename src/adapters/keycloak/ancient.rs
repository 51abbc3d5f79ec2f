//! Tables of Keycloak 1 that every version up to 25 makes and none since has used.
//!
//! To purge them row by row would be two more levels of keys, statements and rights for tables that are empty: it is told.

use tokio_postgres::Client;

use super::failure::of_postgres;
use super::tables::{Handled, OTHERS};
use crate::ports::Failure;

/// Asks for sizes, not rows: that needs no right on them.
const NOT_EMPTY: &str = "\
SELECT c.relname::text FROM pg_catalog.pg_class c JOIN unnest($1::text[]) AS t(name) ON c.relname = t.name
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
ORDER BY 1";

/// Those that hold anything.
pub(super) async fn not_empty(client: &Client) -> Result<Vec<String>, Failure> {
    let tables: Vec<_> = OTHERS.iter().filter(|table| table.handled == Handled::Told).map(|table| table.name).collect();
    let rows = client.query(NOT_EMPTY, &[&tables]).await.map_err(of_postgres)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
