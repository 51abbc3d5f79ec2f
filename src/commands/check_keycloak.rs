//! `check keycloak`: the table map against the live database, for a person to read.

use std::fmt::{self, Write as _};
use std::io::Write;

use serde::{Serialize, Serializer};

use super::{Exit, answer};
use crate::adapters::keycloak::{MapRow, TableMap};
use crate::cli::Format;
use crate::ports::Failure;
use crate::settings::KeycloakSettings;

const HEADINGS: [&str; 8] = ["", "table", "Keycloak", "a user is in", "index", "rows", "rights", "why"];

/// Tells what was found, or why nothing could be.
///
/// # Errors
/// When `output` cannot be written.
pub fn tell(
    settings: &KeycloakSettings,
    found: Result<TableMap, Failure>,
    format: Format,
    output: &mut (dyn Write + Send),
) -> std::io::Result<Exit> {
    let exit = match &found {
        Ok(map) if map.refusals.is_empty() && map.rows.iter().all(|row| row.rights != "MISSING") => Exit::Done,
        Ok(_) => Exit::Held,
        Err(failure) => Exit::from(failure),
    };
    answer::tell(&Told { settings, found }, format, output)?;
    Ok(exit)
}

struct Told<'a> {
    settings: &'a KeycloakSettings,
    found: Result<TableMap, Failure>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Ok(map) => formatter.write_str(&render(self.settings, map)),
            Err(failure) => writeln!(formatter, "WRONG keycloak's schema  {}", failure.story()),
        }
    }
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = match &self.found {
            Ok(map) => serde_json::json!({
                "versions": map.versions,
                "database": self.settings.database,
                "schema": self.settings.schema,
                "realm": self.settings.realm,
                "realmId": map.realm_id,
                "tables": map.rows.iter().map(Row::from).collect::<Vec<_>>(),
                "warnings": map.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "refusals": map.refusals.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
            Err(failure) => serde_json::json!({ "problem": failure.story() }),
        };
        document.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    place: Option<usize>,
    table: &'a str,
    keycloak: &'a str,
    names_a_user_by: &'a str,
    index: &'a str,
    rows: u64,
    rights: &'a str,
    why: &'a str,
}

impl<'a> From<&'a MapRow> for Row<'a> {
    fn from(row: &'a MapRow) -> Self {
        let MapRow { place, table, keycloak, names_a_user_by, rows, index, rights, why } = row;
        Self { place: *place, table, keycloak, names_a_user_by, index, rows: *rows, rights, why }
    }
}

fn render(settings: &KeycloakSettings, map: &TableMap) -> String {
    let realm = map.realm_id.as_ref().map_or("not found".to_owned(), |id| format!("id {id}"));
    let mut text = format!(
        "{} in schema {} of {} at {}:{}\nrealm {} ({realm}), users f:{}:…\n\n",
        map.versions,
        settings.schema,
        settings.database,
        settings.host,
        settings.port,
        settings.realm,
        std::iter::once(&settings.provider_id)
            .chain(&settings.former_providers)
            .cloned()
            .collect::<Vec<_>>()
            .join(":…, f:"),
    );
    text.push_str(&table(&map.rows));
    text.push_str("\nthe rows of a table go before those of the tables below it; rows are the planner's estimate\n");
    for warning in &map.warnings {
        writeln!(text, "\nWARNING {warning}").expect("a string takes all");
    }
    for refusal in &map.refusals {
        writeln!(text, "\nWRONG {refusal}").expect("a string takes all");
    }
    text
}

/// Columns as wide as what is in them; the last one as it is.
fn table(rows: &[MapRow]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let written = |line: &[String; HEADINGS.len()]| {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(written).collect()
}

fn cells(row: &MapRow) -> [String; HEADINGS.len()] {
    let MapRow { place, table, keycloak, names_a_user_by, rows, index, rights, why } = row;
    let (place, rows) = match place {
        Some(place) => (format!("{place:>2}"), rows.to_string()),
        None => (" -".to_owned(), String::new()),
    };
    [
        place,
        table.clone(),
        keycloak.clone(),
        names_a_user_by.clone(),
        index.clone(),
        rows,
        (*rights).to_owned(),
        why.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: Option<usize>, table: &str) -> MapRow {
        MapRow {
            place,
            table: table.to_owned(),
            keycloak: "all".to_owned(),
            names_a_user_by: "user_id".to_owned(),
            rows: 12,
            index: "idx".to_owned(),
            rights: "ok",
            why: String::new(),
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = table(&[row(Some(1), "credential"), row(None, "user_ver_credential")]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], " 1  credential           all       user_id       idx    12    ok");
        assert_eq!(lines[2], " -  user_ver_credential  all       user_id       idx          ok");
    }
}
