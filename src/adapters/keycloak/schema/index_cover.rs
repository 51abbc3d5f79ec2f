//! Which of the look-ups of a purge no index serves, and what that costs.

use std::collections::BTreeMap;

use super::super::tables::{Family, Table};
use super::catalog::{Catalog, ForeignKey};
use super::warning::SchemaWarning;

/// What a look-up without an index costs for each row of the table. Measured on PostgreSQL 11 with 900,000 rows, two busy
/// cores: 154 ms for each user deleted instead of 0.2, where PostgreSQL itself looks for children of every row; 280 ms
/// instead of 6 for a block of 500 users, which is one scan.
const FOREIGN_KEY_NANOS: u64 = 170;
const SCAN_NANOS: u64 = 310;
/// Below that a scan is not worth a word.
const BIG: u64 = 100_000;

/// Foreign keys of the closure whatever the size of the table, and user columns of free tables that are big.
pub(in super::super) fn uncovered(
    catalog: &Catalog,
    edges: &[&ForeignKey],
    plan: &[&'static Table],
    web: &[&str],
) -> Vec<SchemaWarning> {
    let mut missing = BTreeMap::new();
    // The authorization services come without some of these in every Keycloak, and are small.
    for edge in edges.iter().filter(|edge| !web.contains(&edge.table.as_str())) {
        let columns: Vec<_> = edge.columns.iter().map(String::as_str).collect();
        if catalog.index(&edge.table, &columns).is_none() && catalog.has(&edge.table) {
            missing.insert((edge.table.as_str(), columns), (FOREIGN_KEY_NANOS, "user"));
        }
    }
    for table in plan.iter().filter(|table| table.family == Family::Free) {
        let (name, column) = (bare(table.name), bare(table.column()));
        let is_big = catalog.tables.get(name).is_some_and(|live| live.rows >= BIG);
        if is_big && catalog.index(name, &[column]).is_none() {
            missing.entry((name, vec![column])).or_insert((SCAN_NANOS, "block"));
        }
    }
    let told = missing.into_iter().map(|((table, columns), (nanos, each))| {
        let rows = catalog.tables.get(table).map_or(0, |live| live.rows);
        let cost = format!("at its {rows} rows about {} ms more for each {each}", rows * nanos / 1_000_000);
        warning(table, &columns, cost)
    });
    told.collect()
}

fn warning(table: &str, columns: &[&str], cost: String) -> SchemaWarning {
    let name = format!("idx_purge_{table}_{}", columns.join("_"));
    let columns = columns.join(", ");
    let statement = format!("CREATE INDEX CONCURRENTLY {name} ON {table} ({columns});");
    SchemaWarning::NoIndex { place: format!("{table}.{columns}"), cost, statement }
}

/// A name as the catalog has it, of one as statements write it.
pub(in super::super) fn bare(name: &str) -> &str {
    name.trim_end_matches("::text").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::super::catalog::testing::{catalog, points};
    use super::super::catalog::{Index, OnDelete};
    use super::*;

    fn live(indexed: bool, rows: u64) -> Catalog {
        let mut live = catalog(&[("credential", &["id", "user_id"]), ("broker_link", &["user_id"])]);
        for table in live.tables.values_mut() {
            let columns = vec!["user_id".to_owned()];
            table.rows = rows;
            table.indexes.extend(indexed.then(|| Index { name: "i".to_owned(), columns, complete: true }));
        }
        live
    }

    fn found(live: &Catalog, web: &[&str]) -> Vec<String> {
        let edge = points("credential.user_id", "user_entity.id", OnDelete::Refuse);
        let plan = ["credential", "broker_link"].map(|name| Table::named(name).unwrap());
        uncovered(live, &[&edge], &plan, web).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_foreign_key_without_an_index_is_told_with_the_statement_that_makes_it() {
        let told = found(&live(false, 90_000), &[]);
        assert_eq!(told.len(), 1, "{told:?}");
        let cost = "credential.user_id has no index that serves it: at its 90000 rows about 15 ms more for each user.";
        assert!(told[0].starts_with(cost), "{told:?}");
        let statement = "CREATE INDEX CONCURRENTLY idx_purge_credential_user_id ON credential (user_id);";
        assert!(told[0].ends_with(statement), "{told:?}");
        assert!(found(&live(true, 0), &[]).is_empty());
        assert!(found(&live(false, 0), &["credential"]).is_empty());
    }

    #[test]
    fn a_free_table_is_told_of_when_it_is_big() {
        assert_eq!(found(&live(false, BIG - 1), &[]).len(), 1);
        let told = found(&live(false, BIG), &[]);
        let cost =
            "broker_link.user_id has no index that serves it: at its 100000 rows about 31 ms more for each block.";
        assert!(told[0].starts_with(cost), "{told:?}");
        assert!(found(&live(true, BIG), &[]).is_empty());
    }
}
