//! The table map against the live database, for a person to read: what `check keycloak` prints.

use super::super::tables::{Family, Handled, Key, OTHERS, Other, TABLES, Table};
use super::index_cover::bare;
use super::survey::Survey;
use super::{SchemaError, SchemaWarning};

/// What was found, in plain words.
#[derive(Clone, Debug)]
pub struct TableMap {
    /// `Keycloak 21.1.2, PostgreSQL 11.22`.
    pub versions: String,
    /// The realm's id, unless the configuration leads nowhere.
    pub realm_id: Option<String>,
    pub rows: Vec<MapRow>,
    /// Nothing is purged before these are mended.
    pub refusals: Vec<SchemaError>,
    pub warnings: Vec<SchemaWarning>,
}

/// One table.
#[derive(Clone, Debug)]
pub struct MapRow {
    /// When its rows go: 1 is first. Absent where the table is.
    pub place: Option<usize>,
    pub table: String,
    /// The Keycloaks that have it.
    pub keycloak: String,
    /// How it names a user.
    pub names_a_user_by: String,
    /// The planner's estimate.
    pub rows: u64,
    pub index: String,
    pub rights: &'static str,
    pub why: String,
}

impl TableMap {
    pub(in super::super) fn of(survey: Survey) -> Self {
        let others = |is_web: bool| {
            let wanted = OTHERS.iter().filter(move |other| (other.handled == Handled::Web) == is_web);
            wanted.map(|other| survey.other_row(other))
        };
        let listed = survey.plan.iter().map(|table| survey.row(table));
        let mut rows: Vec<_> = others(true).chain(listed).collect();
        for (place, row) in (1..).zip(&mut rows) {
            row.place = Some(place);
        }
        rows.extend(others(false));
        rows.extend(TABLES.iter().filter(|table| !survey.plan.contains(table)).map(|table| survey.row(table)));
        Self {
            versions: format!("Keycloak {}, PostgreSQL {}", survey.version, survey.server),
            realm_id: survey.realm.map(|realm| realm.id),
            rows,
            refusals: survey.refusals,
            warnings: survey.warnings,
        }
    }
}

impl Survey {
    fn row(&self, table: &Table) -> MapRow {
        let column = bare(table.column());
        let names_a_user_by = match (table.key, table.family) {
            (Key::Parent { table, .. }, _) => format!("{column}, a key of {}", bare(table)),
            (Key::User(_), Family::Foreign) => format!("{column}, plain"),
            (Key::User(_), Family::Free) => format!("{column}, either form"),
        };
        MapRow {
            why: table.why.to_owned(),
            ..self.of_table(table.name, column, names_a_user_by, versions(table.since, table.until))
        }
    }

    fn other_row(&self, other: &Other) -> MapRow {
        let handled = match other.handled {
            Handled::Web => String::new(),
            Handled::Option(key) => format!("{key}: "),
            Handled::Told => "warned of when it is not empty: ".to_owned(),
            Handled::Left => "left: ".to_owned(),
        };
        let row = self.of_table(other.name, "", other.columns.join(", "), versions(other.since, other.until));
        let index = if self.catalog.has(other.name) { String::new() } else { row.index.clone() };
        MapRow { why: handled + other.why, index, ..row }
    }

    fn of_table(&self, name: &str, column: &str, names_a_user_by: String, keycloak: String) -> MapRow {
        let name = bare(name);
        let live = self.catalog.tables.get(name);
        let index = match (live, self.catalog.index(name, &[column])) {
            (None, _) => "not in this Keycloak".to_owned(),
            (Some(_), Some(index)) => index.name.clone(),
            (Some(_), None) => "NONE".to_owned(),
        };
        let rights = match live {
            None => "",
            Some(_) if !self.needed.iter().any(|right| right.1 == name) => "",
            Some(_) if self.rights.suffice(name, &self.needed) => "ok",
            Some(_) => "MISSING",
        };
        let rows = live.map(|live| live.rows).unwrap_or_default();
        let table = name.to_owned();
        MapRow { place: None, table, keycloak, names_a_user_by, rows, index, rights, why: String::new() }
    }
}

fn versions(since: Option<&str>, until: Option<&str>) -> String {
    match (since, until) {
        (None, None) => "all".to_owned(),
        (Some(since), None) => format!("from {since}"),
        (None, Some(until)) => format!("to {until}"),
        (Some(since), Some(until)) => format!("{since} to {until}"),
    }
}
