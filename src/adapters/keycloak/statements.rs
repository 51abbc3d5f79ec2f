//! SQL made from the table map and from what the live schema has; prepared once per connection.
//!
//! Ids always come as one array joined by `unnest`: `= ANY($1)` falls back to comparing every row with every id as soon as a
//! plan is generic and the table has no index (`facts/keycloak.md` 0.7).

use futures::future::try_join_all;
use tokio_postgres::{Client, Statement};

use super::authz;
use super::canary;
use super::failure::of_postgres;
use super::fuses;
use super::protect;
use super::schema::Schema;
use super::tables::{Family, Key, Table};
use super::trail;
use crate::ports::Failure;
use crate::settings::TrailSettings;

/// What a purge does with the rows it finds. Both ask with the same predicates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Delete,
    /// The dry run.
    Count,
}

/// One table's part of a purge.
pub(super) struct Step {
    pub table: &'static Table,
    /// Takes ids or parent keys, and the realm where the table has it; gives back a row for each row: whose, and its own key.
    pub rows: Statement,
    /// Finds the keys that this table's children name: whose, and the key. Absent where no table does.
    pub keys: Option<Statement>,
}

/// Everything that a purge says to the server.
pub(super) struct Statements {
    pub lock: Statement,
    pub guards: Statement,
    pub moved: Statement,
    /// Of the ids given those that any table knows.
    pub known: Statement,
    /// How many rows name each of the ids given.
    pub weights: Statement,
    /// Keys of sessions, consents and credentials of the ids given.
    pub keys: Statement,
    /// The clients of the sessions of the ids given, and whether one of them is online.
    pub clients: Statement,
    pub steps: Vec<Step>,
    /// Rows that are left: the index of the step, and whose.
    pub residue: Statement,
    pub authz: authz::Statements,
    pub trail: trail::Statements,
}

impl Statements {
    /// Prepares for the tables that exist.
    pub(super) async fn prepare(
        client: &Client,
        Schema { tables, catalog, .. }: &Schema,
        trail: TrailSettings,
        effect: Effect,
    ) -> Result<Self, Failure> {
        let one = async |sql: &str| client.prepare(sql).await.map_err(of_postgres);
        Ok(Self {
            lock: one(&lock(effect)).await?,
            guards: one(protect::GUARDS).await?,
            moved: one(protect::MOVED).await?,
            known: one(&known(tables)).await?,
            weights: one(&fuses::weights(tables)).await?,
            keys: one(canary::KEYS).await?,
            clients: one(CLIENTS).await?,
            steps: try_join_all(tables.iter().map(|table| step(client, table, tables, effect))).await?,
            residue: one(&residue(tables)).await?,
            authz: authz::Statements::prepare(client, effect).await?,
            trail: trail::Statements::prepare(client, catalog, trail, effect).await?,
        })
    }
}

async fn step(
    client: &Client,
    table: &'static Table,
    tables: &[&'static Table],
    effect: Effect,
) -> Result<Step, Failure> {
    let key = table.keys_for(tables.iter().copied()).next();
    let rows = client.prepare(&rows(table, key, effect)).await.map_err(of_postgres)?;
    let keys = match key {
        Some(_) => Some(client.prepare(&self::rows(table, key, Effect::Count)).await.map_err(of_postgres)?),
        None => None,
    };
    Ok(Step { table, rows, keys })
}

/// Order by id: two blocks that share users wait for each other instead of deadlocking. `FOR UPDATE`, not a weaker lock: only
/// it stops a login from inserting a child row between our deletes.
fn lock(effect: Effect) -> String {
    let strength = match effect {
        Effect::Delete => " FOR UPDATE OF u",
        Effect::Count => "",
    };
    format!(
        "SELECT u.id FROM user_entity u JOIN unnest($1::text[]) AS t(id) ON u.id = t.id \
         WHERE u.realm_id = $2::text AND u.service_account_client_link IS NULL ORDER BY u.id{strength}"
    )
}

/// The clients whose tokens must be revoked, whatever the flag of the session (`facts/keycloak.md` 1.3).
const CLIENTS: &str = "\
    SELECT s.user_id, c.client_id, bool_or(s.offline_flag = '0') \
    FROM offline_user_session s \
    JOIN unnest($1::text[]) AS t(id) ON s.user_id = t.id \
    JOIN offline_client_session o ON o.user_session_id = s.user_session_id \
    JOIN client c ON c.id = o.client_id AND c.realm_id = s.realm_id \
    WHERE s.realm_id = $2::text AND c.client_id IS NOT NULL \
    GROUP BY s.user_id, c.client_id";

/// `DELETE … RETURNING` or the `SELECT` of the same rows.
fn rows(table: &Table, key: Option<&str>, effect: Effect) -> String {
    let (name, column) = (table.name, table.column());
    let given = key.map(|key| format!(", x.{key}")).unwrap_or_default();
    match effect {
        Effect::Delete => format!(
            "DELETE FROM {name} x USING unnest($1::text[]) AS t(id) WHERE {} RETURNING x.{column}{given}",
            condition(table, "$2")
        ),
        Effect::Count => format!("SELECT x.{column}{given} FROM {}", found_by(table, "$1", "$2")),
    }
}

/// Rows of a table, as `x`, that the ids or keys in one parameter name, within the realm in another where the table has it.
pub(super) fn found_by(table: &Table, ids: &str, realm: &str) -> String {
    format!("{} x JOIN unnest({ids}::text[]) AS t(id) ON {}", table.name, condition(table, realm))
}

fn condition(table: &Table, realm: &str) -> String {
    let realm = if table.in_realm { format!(" AND x.realm_id = {realm}::text") } else { String::new() };
    format!("x.{} = t.id{realm}", table.column())
}

/// `$1` ids, `$2` realm. Joins and `UNION`, not `EXISTS … OR …`: those would be hashed, table by table.
fn known(tables: &[&'static Table]) -> String {
    let of_user = tables.iter().filter(|table| match table.key {
        // The other tables of the family have no row without one here.
        Key::User(_) => table.family == Family::Free || table.name == "user_entity",
        Key::Parent { .. } => false,
    });
    let selects =
        of_user.map(|table| format!("SELECT x.{}::text FROM {}", table.column(), found_by(table, "$1", "$2")));
    selects.collect::<Vec<_>>().join(" UNION ")
}

/// `$1` locked ids, `$2` all ids, `$3` realm, then the parent keys of each table that names no user, in the map's order.
fn residue(tables: &[&'static Table]) -> String {
    let mut next = 4;
    let selects = tables.iter().enumerate().map(|(index, table)| {
        let parameter = match (table.key, table.family) {
            (Key::Parent { .. }, _) => {
                next += 1;
                next - 1
            }
            (Key::User(_), Family::Foreign) => 1,
            (Key::User(_), Family::Free) => 2,
        };
        let rows = found_by(table, &format!("${parameter}"), "$3");
        format!("SELECT {index}::int4, x.{}::text FROM {rows}", table.column())
    });
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}

#[cfg(test)]
mod tests {
    use super::super::tables::TABLES;
    use super::*;

    fn named(name: &str) -> &'static Table {
        Table::named(name).unwrap()
    }

    #[test]
    fn a_dry_run_asks_for_the_rows_that_a_purge_deletes() {
        let sessions = named("offline_user_session");
        let key = Some("user_session_id");
        assert_eq!(
            rows(sessions, key, Effect::Delete),
            "DELETE FROM offline_user_session x USING unnest($1::text[]) AS t(id) WHERE x.user_id = t.id \
             AND x.realm_id = $2::text RETURNING x.user_id, x.user_session_id"
        );
        assert_eq!(
            rows(sessions, key, Effect::Count),
            "SELECT x.user_id, x.user_session_id FROM offline_user_session x JOIN unnest($1::text[]) AS t(id) \
             ON x.user_id = t.id AND x.realm_id = $2::text"
        );
    }

    #[test]
    fn every_table_with_a_realm_column_is_asked_within_the_realm() {
        for table in &TABLES {
            for effect in [Effect::Delete, Effect::Count] {
                assert_eq!(rows(table, None, effect).contains("x.realm_id = $2"), table.in_realm, "{}", table.name);
            }
        }
    }

    #[test]
    fn no_statement_compares_with_any() {
        let tables: Vec<_> = TABLES.iter().collect();
        for sql in [known(&tables), residue(&tables), lock(Effect::Delete)] {
            assert!(!sql.contains("ANY("), "{sql}");
        }
    }

    #[test]
    fn the_residue_looks_at_every_table_by_the_ids_that_its_rows_went_by() {
        let tables = [named("offline_client_session"), named("offline_user_session"), named("user_entity")];
        let sql = residue(&tables);
        assert_eq!(sql.matches("UNION ALL").count(), 2);
        assert!(sql.contains("offline_client_session x JOIN unnest($4::text[])"), "{sql}");
        assert!(sql.contains("offline_user_session x JOIN unnest($2::text[])"), "{sql}");
        assert!(sql.contains("user_entity x JOIN unnest($1::text[])"), "{sql}");
    }

    #[test]
    fn only_a_purge_locks() {
        assert!(lock(Effect::Delete).ends_with("ORDER BY u.id FOR UPDATE OF u"));
        assert!(lock(Effect::Count).ends_with("ORDER BY u.id"));
    }
}
