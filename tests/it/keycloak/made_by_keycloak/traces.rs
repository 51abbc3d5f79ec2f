//! Everything by which the database knew a user: ids of the user, and of the sessions, consents, credentials, resources,
//! tickets and policies that were the user's.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::dump::{Dump, Row, words};
use super::life::Life;

/// Where a user may be named after a purge, and why. An option of the purge takes a table off this list.
pub const ALLOWED: [(&str, &str); 4] = [
    ("event_entity", "the log of logins, which the realm's own settings expire"),
    ("admin_event_entity", "the log of administrators, likewise"),
    ("org_invitation", "invitations to an e-mail address, which an option of the purge takes"),
    ("policy_config", "the ids inside policies of others: without its id a policy would say something else"),
];

/// `$1` a user's id: the tickets between the user and others, the policies that came with them, and the policies about
/// resources of the user alone.
const SHARED: &str = "\
    WITH ticket AS (SELECT id, policy_id FROM resource_server_perm_ticket WHERE owner = $1::text OR requester = $1::text),
    resource AS (SELECT id FROM resource_server_resource WHERE owner = $1::text OR name = $1::text)
    SELECT id::text FROM ticket
    UNION SELECT policy_id::text FROM ticket WHERE policy_id IS NOT NULL
    UNION SELECT a.associated_policy_id::text FROM associated_policy a JOIN ticket t ON t.policy_id = a.policy_id
    UNION SELECT x.policy_id::text FROM resource_policy x JOIN resource r ON r.id = x.resource_id
    WHERE NOT EXISTS (SELECT FROM resource_policy y WHERE y.policy_id = x.policy_id AND y.resource_id NOT IN (SELECT id FROM resource))";

/// What must be nowhere any more, as it is written in the database.
pub async fn of(database: &Client, before: &Dump, life: &Life) -> anyhow::Result<BTreeSet<String>> {
    let told = [&life.id, &life.user, &life.name, &life.email];
    let mut traces: BTreeSet<String> = told.into_iter().chain(&life.sessions).cloned().collect();
    let keys = before.rows().filter(|row| names(row, life)).filter_map(|row| row.key.clone());
    traces.extend(keys.filter(|key| words(key).next().is_some()));
    for row in database.query(SHARED, &[&life.id]).await? {
        traces.insert(row.get(0));
    }
    // Not every version tells a session in its tokens.
    traces.remove("");
    Ok(traces)
}

/// The row is the user's: it names the user, and nobody else may keep it.
fn names(row: &Row, life: &Life) -> bool {
    !is_allowed(&row.table) && row.text.contains(&life.id)
}

pub fn is_allowed(table: &str) -> bool {
    ALLOWED.iter().any(|(allowed, _)| *allowed == table)
}

/// Rows anywhere that hold one of the texts in any column.
pub async fn search(database: &Client, texts: &BTreeSet<String>) -> anyhow::Result<Vec<Row>> {
    const TABLES: &str =
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    let patterns: Vec<String> = texts.iter().map(|text| format!("%{}%", text.replace('_', "\\_"))).collect();
    let mut found = Vec::new();
    for table in database.query(TABLES, &[]).await? {
        let table: String = table.get(0);
        let sql = format!("SELECT x::text FROM {table} x WHERE x::text LIKE ANY ($1::text[])");
        let rows = database.query(&sql, &[&patterns]).await?;
        found.extend(rows.iter().map(|row| Row { table: table.clone(), text: row.get(0), key: None }));
    }
    Ok(found)
}
