//! The live schema as `pg_catalog` tells it, read once; everything that is concluded from it is a pure function elsewhere.
//!
//! Not `information_schema`: that would hide what our role may not touch.

use std::collections::BTreeMap;

use futures::try_join;
use tokio_postgres::{Client, Row};

use super::super::failure::of_postgres;
use crate::ports::Failure;

/// One schema.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Catalog {
    pub tables: BTreeMap<String, LiveTable>,
    /// All that lead into the schema, from other schemas too.
    pub foreign_keys: Vec<ForeignKey>,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct LiveTable {
    /// As it is written in a statement.
    pub quoted: String,
    pub columns: Vec<Column>,
    /// What the planner believes.
    pub rows: u64,
    pub indexes: Vec<Index>,
    /// Those that somebody has made.
    pub triggers: Vec<String>,
    /// It has rows that our role may not see.
    pub row_security: bool,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Column {
    pub name: String,
    /// As it is written in a statement.
    pub quoted: String,
    /// Without its length: `character varying`.
    pub kind: String,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Index {
    pub name: String,
    /// In order; empty for an expression.
    pub columns: Vec<String>,
    /// Valid, and of every row.
    pub complete: bool,
}

#[derive(Clone, Debug)]
pub(in super::super) struct ForeignKey {
    /// The table that points; with its schema where that is another one.
    pub table: String,
    pub columns: Vec<String>,
    /// The table that is pointed to.
    pub target: String,
    pub target_columns: Vec<String>,
    pub on_delete: OnDelete,
}

/// What happens to a row when the row that it points to is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum OnDelete {
    /// Nothing, and the delete fails.
    Refuse,
    /// It goes too.
    Cascade,
    /// It stays, and points to nothing.
    LetGo,
}

const COLUMNS: &str = "\
SELECT c.relname::text, quote_ident(c.relname), greatest(c.reltuples, 0)::int8,
    CASE WHEN c.relrowsecurity THEN row_security_active(c.oid) ELSE false END,
    a.attname::text, quote_ident(a.attname), format_type(a.atttypid, NULL)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname::text = $1::text AND c.relkind IN ('r', 'p', 'f', 'm') AND NOT c.relispartition
ORDER BY c.relname, a.attnum";

const FOREIGN_KEYS: &str = "\
SELECT CASE WHEN n.oid = tn.oid THEN c.relname::text ELSE n.nspname || '.' || c.relname END,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS place(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = number ORDER BY place),
    t.relname::text,
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS place(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = number ORDER BY place),
    k.confdeltype::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND tn.nspname::text = $1::text
ORDER BY 1, k.conname";

/// Only kinds of index that serve an equality.
const INDEXES: &str = "\
SELECT c.relname::text, ic.relname::text, i.indisvalid AND i.indpred IS NULL,
    ARRAY(SELECT coalesce(a.attname::text, '') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS place(number, place)
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = number
          WHERE place <= i.indnkeyatts ORDER BY place)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = ic.relam
WHERE n.nspname::text = $1::text AND am.amname IN ('btree', 'hash', 'lsm')
ORDER BY 1, 2";

const TRIGGERS: &str = "\
SELECT c.relname::text, t.tgname::text
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname::text = $1::text AND NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY 1, 2";

impl Catalog {
    pub(in super::super) async fn read(client: &Client, schema: &str) -> Result<Self, Failure> {
        let rows = async |sql: &str| client.query(sql, &[&schema]).await.map_err(of_postgres);
        let (columns, foreign_keys, indexes, triggers) =
            try_join!(rows(COLUMNS), rows(FOREIGN_KEYS), rows(INDEXES), rows(TRIGGERS))?;
        let mut catalog = Self { foreign_keys: foreign_keys.iter().map(foreign_key).collect(), ..Self::default() };
        for row in &columns {
            let table = catalog.tables.entry(row.get(0)).or_insert_with(|| LiveTable {
                quoted: row.get(1),
                rows: row.get::<_, i64>(2).unsigned_abs(),
                row_security: row.get(3),
                ..LiveTable::default()
            });
            table.columns.push(Column { name: row.get(4), quoted: row.get(5), kind: row.get(6) });
        }
        for row in &indexes {
            if let Some(table) = catalog.tables.get_mut(row.get::<_, &str>(0)) {
                table.indexes.push(Index { name: row.get(1), complete: row.get(2), columns: row.get(3) });
            }
        }
        for row in &triggers {
            if let Some(table) = catalog.tables.get_mut(row.get::<_, &str>(0)) {
                table.triggers.push(row.get(1));
            }
        }
        Ok(catalog)
    }

    pub(in super::super) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    pub(in super::super) fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.tables.get(table)?.columns.iter().find(|live| live.name == column)
    }

    /// The index that finds rows by exactly these columns.
    pub(in super::super) fn index(&self, table: &str, columns: &[&str]) -> Option<&Index> {
        self.tables.get(table)?.indexes.iter().find(|index| index.serves(columns))
    }
}

impl Index {
    fn serves(&self, columns: &[&str]) -> bool {
        let leading = self.columns.get(..columns.len());
        self.complete && leading.is_some_and(|leading| columns.iter().all(|column| leading.iter().any(|l| l == column)))
    }
}

impl Column {
    /// It may hold an id as text, or several.
    pub(in super::super) fn may_name_somebody(&self) -> bool {
        let kind = self.kind.trim_end_matches("[]");
        matches!(kind, "character varying" | "text" | "character" | "bpchar" | "uuid" | "citext" | "json" | "jsonb")
    }

    /// Ids are compared with it as it is, so that an index of it serves.
    pub(in super::super) fn is_text(&self) -> bool {
        matches!(self.kind.as_str(), "character varying" | "text" | "character" | "bpchar")
    }
}

fn foreign_key(row: &Row) -> ForeignKey {
    let on_delete = match row.get(4) {
        "c" => OnDelete::Cascade,
        "n" | "d" => OnDelete::LetGo,
        _ => OnDelete::Refuse,
    };
    ForeignKey { table: row.get(0), columns: row.get(1), target: row.get(2), target_columns: row.get(3), on_delete }
}

#[cfg(test)]
pub(in super::super) mod testing {
    use super::*;

    /// A schema of tables with columns of text.
    pub(in super::super::super) fn catalog(tables: &[(&str, &[&str])]) -> Catalog {
        let column = |name: &&str| column(name, "character varying");
        let live = |(table, columns): &(&str, &[&str])| {
            let columns = columns.iter().map(column).collect();
            ((*table).to_owned(), LiveTable { quoted: (*table).to_owned(), columns, ..LiveTable::default() })
        };
        Catalog { tables: tables.iter().map(live).collect(), ..Catalog::default() }
    }

    pub(in super::super::super) fn column(name: &str, kind: &str) -> Column {
        Column { name: name.to_owned(), quoted: name.to_owned(), kind: kind.to_owned() }
    }

    /// `child.column → parent.column`.
    pub(in super::super::super) fn points(from: &str, to: &str, on_delete: OnDelete) -> ForeignKey {
        let ((table, column), (target, key)) = (from.rsplit_once('.').unwrap(), to.split_once('.').unwrap());
        ForeignKey {
            table: table.to_owned(),
            columns: vec![column.to_owned()],
            target: target.to_owned(),
            target_columns: vec![key.to_owned()],
            on_delete,
        }
    }

    #[test]
    fn an_index_serves_when_it_begins_with_the_columns() {
        let index = |columns: &[&str], complete| Index {
            name: "i".to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            complete,
        };
        assert!(index(&["user_id", "realm_id"], true).serves(&["user_id"]));
        assert!(index(&["realm_id", "user_id"], true).serves(&["user_id", "realm_id"]));
        assert!(!index(&["group_id", "user_id"], true).serves(&["user_id"]));
        assert!(!index(&["user_id"], false).serves(&["user_id"]));
        assert!(!index(&["user_id"], true).serves(&["user_id", "realm_id"]));
    }
}
