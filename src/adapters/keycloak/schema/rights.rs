//! What the worker's role may do, compared with what a purge needs: what is missing, and what is too much.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Row};

use super::super::failure::of_postgres;
use super::catalog::Catalog;
use crate::ports::Failure;

/// What may be done to a column, or with a table where there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in super::super) enum Verb {
    Select,
    Update,
    Delete,
}

/// Verb, table, column; `""` is the whole table.
pub(in super::super) type Right = (Verb, String, String);

/// What our role has.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Rights {
    pub role: String,
    /// `is a superuser`, `may create roles`.
    pub powers: Vec<&'static str>,
    pub may_use_schema: bool,
    pub tables: BTreeMap<String, TableRights>,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct TableRights {
    pub owned: bool,
    pub delete: bool,
    /// Rights that nobody who purges needs: `INSERT`, `TRUNCATE`.
    pub others: Vec<String>,
    pub select: BTreeSet<String>,
    pub update: BTreeSet<String>,
}

const ROLE: &str = "\
SELECT r.rolname::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
    has_schema_privilege(current_user, $1::text, 'USAGE')
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

const TABLES: &str = "\
SELECT c.relname::text, pg_has_role(c.relowner, 'USAGE'), has_table_privilege(c.oid, 'DELETE'),
    ARRAY(SELECT v FROM unnest(ARRAY['INSERT', 'REFERENCES']) v WHERE has_any_column_privilege(c.oid, v))
        || ARRAY(SELECT v FROM unnest(ARRAY['TRUNCATE', 'TRIGGER']) v WHERE has_table_privilege(c.oid, v)),
    ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND has_column_privilege(c.oid, a.attnum, 'SELECT')),
    ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND has_column_privilege(c.oid, a.attnum, 'UPDATE'))
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname::text = $1::text AND c.relkind IN ('r', 'p', 'f', 'm')";

impl Rights {
    pub(in super::super) async fn read(client: &Client, schema: &str) -> Result<Self, Failure> {
        let role = client.query_one(ROLE, &[&schema]).await.map_err(of_postgres)?;
        let tables = client.query(TABLES, &[&schema]).await.map_err(of_postgres)?;
        let powers = [
            "is a superuser",
            "is bound by no row security",
            "may create roles",
            "may create databases",
            "may replicate",
        ];
        Ok(Self {
            role: role.get(0),
            powers: (1..).zip(powers).filter(|(column, _)| role.get(*column)).map(|(_, power)| power).collect(),
            may_use_schema: role.get(6),
            tables: tables.iter().map(|row| (row.get(0), of_table(row))).collect(),
        })
    }

    fn has(&self, (verb, table, column): &Right) -> bool {
        let Some(rights) = self.tables.get(table) else { return false };
        match verb {
            Verb::Delete => rights.delete,
            Verb::Select => rights.select.contains(column),
            Verb::Update => rights.update.contains(column),
        }
    }

    /// What a purge needs and this role has not, as the statements that grant it.
    pub(in super::super) fn missing(&self, schema: &str, needed: &BTreeSet<Right>) -> Vec<String> {
        let mut grants: BTreeMap<(&str, Verb), Vec<&str>> = BTreeMap::new();
        for right in needed.iter().filter(|right| !self.has(right)) {
            grants.entry((&right.1, right.0)).or_default().push(&right.2);
        }
        let usage = (!self.may_use_schema).then(|| format!("GRANT USAGE ON SCHEMA {schema} TO {};", self.role));
        let tables = grants.into_iter().map(|((table, verb), columns)| {
            let columns = columns.join(", ");
            let columns = if columns.is_empty() { columns } else { format!(" ({columns})") };
            format!("GRANT {}{columns} ON {schema}.{table} TO {};", name_of(verb), self.role)
        });
        usage.into_iter().chain(tables).collect()
    }

    /// What this role has and no purge needs. `secrets` are the columns that it must not read.
    pub(in super::super) fn too_much(&self, allowed: &BTreeSet<Right>, secrets: &[(&str, &[&str])]) -> Vec<String> {
        let mut told: Vec<String> = self.powers.iter().map(|power| (*power).to_owned()).collect();
        // A superuser has every right: one word says it all.
        if self.powers.contains(&"is a superuser") {
            return told;
        }
        let owned: Vec<_> =
            self.tables.iter().filter(|(_, rights)| rights.owned).map(|(name, _)| name.as_str()).collect();
        if let Some(first) = owned.first() {
            told.push(format!("owns {} tables, {first} among them", owned.len()));
        }
        for (name, rights) in self.tables.iter().filter(|(_, rights)| !rights.owned) {
            let is_allowed = |verb, column: &str| allowed.contains(&(verb, name.clone(), column.to_owned()));
            if rights.delete && !is_allowed(Verb::Delete, "") {
                told.push(format!("DELETE on {name}"));
            }
            told.extend(rights.others.iter().map(|other| format!("{other} on {name}")));
            let update = rights.update.iter().filter(|column| !is_allowed(Verb::Update, column));
            told.extend(columns_of("UPDATE", update.map(String::as_str), name));
            let secret =
                secrets.iter().filter(|(table, _)| table == name).flat_map(|(_, columns)| columns.iter().copied());
            let readable = secret.filter(|column| rights.select.contains(*column) && !is_allowed(Verb::Select, column));
            told.extend(columns_of("SELECT", readable, name));
        }
        told
    }

    /// Whether all that is needed of one table is there.
    pub(in super::super) fn suffice(&self, table: &str, needed: &BTreeSet<Right>) -> bool {
        self.may_use_schema && needed.iter().filter(|right| right.1 == table).all(|right| self.has(right))
    }
}

fn columns_of<'a>(verb: &str, columns: impl Iterator<Item = &'a str>, table: &str) -> Option<String> {
    let columns: Vec<_> = columns.collect();
    (!columns.is_empty()).then(|| format!("{verb} ({}) on {table}", columns.join(", ")))
}

fn name_of(verb: Verb) -> &'static str {
    match verb {
        Verb::Select => "SELECT",
        Verb::Update => "UPDATE",
        Verb::Delete => "DELETE",
    }
}

fn of_table(row: &Row) -> TableRights {
    let columns = |place| row.get::<_, Vec<String>>(place).into_iter().collect();
    TableRights { owned: row.get(1), delete: row.get(2), others: row.get(3), select: columns(4), update: columns(5) }
}

/// Rights on what this schema has: other Keycloaks have other tables and columns.
pub(in super::super) fn present(catalog: &Catalog, rights: impl Iterator<Item = Right>) -> BTreeSet<Right> {
    let is_there = |(_, table, column): &Right| {
        if column.is_empty() { catalog.has(table) } else { catalog.column(table, column).is_some() }
    };
    rights.filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Rights {
        let credential = TableRights {
            delete: true,
            select: ["id", "user_id", "secret_data"].map(str::to_owned).into(),
            update: ["priority".to_owned()].into(),
            others: vec!["INSERT".to_owned()],
            owned: false,
        };
        Rights {
            role: "worker".to_owned(),
            may_use_schema: true,
            tables: [("credential".to_owned(), credential), ("realm".to_owned(), TableRights::default())].into(),
            ..Rights::default()
        }
    }

    fn right(verb: Verb, table: &str, column: &str) -> Right {
        (verb, table.to_owned(), column.to_owned())
    }

    #[test]
    fn what_is_missing_is_told_as_the_statements_that_grant_it() {
        let needed = [
            right(Verb::Delete, "credential", ""),
            right(Verb::Delete, "realm", ""),
            right(Verb::Select, "realm", "id"),
            right(Verb::Select, "realm", "name"),
        ];
        let mut role = role();
        let grants = ["GRANT SELECT (id, name) ON public.realm TO worker;", "GRANT DELETE ON public.realm TO worker;"];
        assert_eq!(role.missing("public", &needed.clone().into()), grants);
        assert!(role.suffice("credential", &needed.clone().into()) && !role.suffice("realm", &needed.clone().into()));
        role.may_use_schema = false;
        assert_eq!(role.missing("public", &needed.into())[0], "GRANT USAGE ON SCHEMA public TO worker;");
    }

    #[test]
    fn what_nobody_who_purges_needs_is_too_much() {
        let allowed = [right(Verb::Delete, "credential", "")].into();
        let secrets: &[(&str, &[&str])] = &[("credential", &["secret_data", "salt"])];
        let told = role().too_much(&allowed, secrets);
        assert_eq!(
            told,
            ["INSERT on credential", "UPDATE (priority) on credential", "SELECT (secret_data) on credential"]
        );
        let told = role().too_much(&BTreeSet::new(), &[]);
        assert_eq!(told, ["DELETE on credential", "INSERT on credential", "UPDATE (priority) on credential"]);
    }

    #[test]
    fn an_owner_and_a_superuser_are_told_in_a_word() {
        let mut role = role();
        role.tables.get_mut("credential").unwrap().owned = true;
        assert_eq!(role.too_much(&BTreeSet::new(), &[]), ["owns 1 tables, credential among them"]);
        role.powers = vec!["is a superuser", "may create roles"];
        assert_eq!(role.too_much(&BTreeSet::new(), &[]), role.powers);
    }
}
