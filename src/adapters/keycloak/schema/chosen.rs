//! Tables that the configuration wants purged: each becomes an entry of the table map like those that Keycloak has.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::super::tables::{Family, Key, TABLES, Table};
use super::catalog::{Catalog, ForeignKey};
use super::{Names, SchemaError};
use crate::settings::{TableAction, TableChoice};

type Choices = BTreeMap<String, TableChoice>;

/// Children before their parents. They go before every table of Keycloak: none of those points to one of them.
///
/// # Errors
/// What the configuration asks for cannot be done with the table as it is.
pub(in super::super) fn chosen(
    catalog: &Catalog,
    known: impl Fn(&str) -> bool,
    choices: &Choices,
) -> Result<Vec<&'static Table>, SchemaError> {
    let mut tables: Vec<(&str, Table)> = Vec::new();
    for (name, choice) in
        choices.iter().filter(|(name, choice)| choice.action == TableAction::Delete && catalog.has(name))
    {
        if known(name) {
            return Err(refused(name, "is purged anyway, in the way that Keycloak needs: remove this"));
        }
        tables.push((name, entry(catalog, choices, name, choice.column.as_deref().unwrap_or_default())?));
    }
    Ok(children_first(catalog, tables).into_iter().map(keep).collect())
}

fn refused(table: &str, why: &str) -> SchemaError {
    SchemaError::Chosen { table: table.to_owned(), why: why.to_owned() }
}

fn entry(catalog: &Catalog, choices: &Choices, name: &str, column: &str) -> Result<Table, SchemaError> {
    let Some(expression) = expression(catalog, name, column) else {
        let columns = catalog.tables.get(name).map(|table| table.columns.iter().map(|column| column.name.clone()));
        let columns = Names(columns.into_iter().flatten().collect());
        return Err(refused(name, &format!("has no column {column:?}; it has {columns}")));
    };
    let (family, key) = match catalog.foreign_keys.iter().find(|edge| edge.table == name && edge.columns == [column]) {
        Some(edge) if edge.target == "user_entity" => (Family::Foreign, Key::User(expression)),
        Some(edge) => match parent(catalog, choices, name, edge)? {
            Some((family, key)) => {
                (family, Key::Parent { column: expression, table: quoted(catalog, &edge.target), key })
            }
            None => (Family::Free, Key::User(expression)),
        },
        None => (Family::Free, Key::User(expression)),
    };
    Ok(Table { family, key, why: "keycloak.tables decides so", ..Table::free(quoted(catalog, name), expression) })
}

/// What the table that is pointed to says of its children: whose they are is known over a key of it. `None` where it is
/// nobody's.
fn parent(
    catalog: &Catalog,
    choices: &Choices,
    name: &str,
    edge: &ForeignKey,
) -> Result<Option<(Family, &'static str)>, SchemaError> {
    let key = edge.target_columns.first().map(String::as_str).unwrap_or_default();
    let by_user = |family| Ok(Some((family, expression(catalog, &edge.target, key).unwrap_or_default())));
    if let Some(table) = TABLES.iter().find(|table| table.name == edge.target) {
        let other_key = TABLES.iter().any(|child| match child.key {
            Key::Parent { table, key: other, .. } => table == edge.target && other != key && catalog.has(child.name),
            Key::User(_) => false,
        });
        return match table.key {
            Key::User(_) if !other_key => by_user(table.family),
            Key::User(_) | Key::Parent { .. } => Err(too_deep(name, &edge.target)),
        };
    }
    let Some(choice) = choices.get(&edge.target).filter(|choice| choice.action == TableAction::Delete) else {
        return Ok(None);
    };
    match entry(catalog, choices, &edge.target, choice.column.as_deref().unwrap_or_default())? {
        Table { key: Key::User(_), family, .. } => by_user(family),
        Table { key: Key::Parent { .. }, .. } => Err(too_deep(name, &edge.target)),
    }
}

fn too_deep(name: &str, target: &str) -> SchemaError {
    refused(name, &format!("points to {target}, which names no user itself: give the foreign key ON DELETE CASCADE"))
}

/// A column as statements write it. What is not text is compared as text, without an index.
fn expression(catalog: &Catalog, table: &str, column: &str) -> Option<&'static str> {
    let column = catalog.column(table, column)?;
    Some(kept(if column.is_text() { column.quoted.clone() } else { format!("{}::text", column.quoted) }))
}

fn quoted(catalog: &Catalog, table: &str) -> &'static str {
    kept(catalog.tables.get(table).map_or(table, |live| &live.quoted).to_owned())
}

/// Order: a row that points to another goes before it.
fn children_first(catalog: &Catalog, mut tables: Vec<(&str, Table)>) -> Vec<Table> {
    let mut sorted = Vec::new();
    while !tables.is_empty() {
        let is_free = |(name, _): &(&str, Table)| {
            let others = |edge: &&ForeignKey| edge.target == **name && edge.table != **name;
            !catalog.foreign_keys.iter().filter(others).any(|edge| tables.iter().any(|(other, _)| *other == edge.table))
        };
        // Two that point to each other have no order; whichever is first, PostgreSQL says what it thinks of it.
        let next = tables.iter().position(is_free).unwrap_or_default();
        sorted.push(tables.remove(next).1);
    }
    sorted
}

/// The map's entries live as long as the process, whatever schema they were made for: each is made once.
fn keep(table: Table) -> &'static Table {
    static KEPT: Mutex<Vec<&'static Table>> = Mutex::new(Vec::new());
    let mut tables = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(same) = tables.iter().find(|kept| ***kept == table) {
        return same;
    }
    let table: &'static Table = Box::leak(Box::new(table));
    tables.push(table);
    table
}

fn kept(name: String) -> &'static str {
    static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(same) = names.iter().find(|kept| **kept == name) {
        return same;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.push(name);
    name
}

#[cfg(test)]
mod tests {
    use super::super::catalog::OnDelete::Refuse;
    use super::super::catalog::testing::{catalog, column, points};
    use super::*;

    fn choices(wanted: &[(&str, &str)]) -> Choices {
        let choice = |column: &str| TableChoice { action: TableAction::Delete, column: Some(column.to_owned()) };
        wanted.iter().map(|(name, column)| ((*name).to_owned(), choice(column))).collect()
    }

    fn live() -> Catalog {
        let mut live = catalog(&[
            ("user_entity", &["id"]),
            ("user_consent", &["id", "user_id"]),
            ("user_consent_client_scope", &["user_consent_id"]),
            ("ally", &["id", "user_id"]),
            ("badge", &["id", "ally_id"]),
            ("stripe", &["badge_id"]),
            ("note", &["who"]),
            ("receipt", &["consent"]),
        ]);
        live.foreign_keys = vec![
            points("ally.user_id", "user_entity.id", Refuse),
            points("badge.ally_id", "ally.id", Refuse),
            points("stripe.badge_id", "badge.id", Refuse),
            points("receipt.consent", "user_consent.id", Refuse),
        ];
        live.tables.get_mut("ally").unwrap().columns[0] = column("id", "bigint");
        live
    }

    fn found(wanted: &[(&str, &str)]) -> Result<Vec<Table>, String> {
        let tables = chosen(&live(), |name| name == "user_entity", &choices(wanted));
        tables.map(|tables| tables.into_iter().copied().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_foreign_keys_say_how_a_table_names_a_user() {
        let tables = found(&[("ally", "user_id"), ("badge", "ally_id"), ("note", "who"), ("receipt", "consent")]);
        let told: Vec<_> = tables.unwrap().into_iter().map(|table| (table.name, table.family, table.key)).collect();
        let of_ally = Key::Parent { column: "ally_id", table: "ally", key: "id::text" };
        let of_consent = Key::Parent { column: "consent", table: "user_consent", key: "id" };
        assert_eq!(
            told,
            [
                ("badge", Family::Foreign, of_ally),
                ("ally", Family::Foreign, Key::User("user_id")),
                ("note", Family::Free, Key::User("who")),
                ("receipt", Family::Foreign, of_consent),
            ]
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_reason() {
        for (wanted, told) in [
            (("note", "whom"), "keycloak.tables.note: has no column \"whom\"; it has who"),
            (("user_entity", "id"), "keycloak.tables.user_entity: is purged anyway"),
        ] {
            let error = found(&[wanted]).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let deep = found(&[("ally", "user_id"), ("badge", "ally_id"), ("stripe", "badge_id")]).unwrap_err();
        assert!(deep.contains("keycloak.tables.stripe: points to badge, which names no user itself"), "{deep}");
    }

    #[test]
    fn an_entry_is_made_once() {
        let first = chosen(&live(), |_| false, &choices(&[("note", "who")])).unwrap();
        let again = chosen(&live(), |_| false, &choices(&[("note", "who")])).unwrap();
        assert!(std::ptr::eq(first[0], again[0]));
    }
}
