//! A table that nobody has decided about, and the configuration that decides.

use std::fmt;

/// It may know a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub table: String,
    pub column: String,
    pub why: Why,
}

/// Why it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A foreign key leads to this table.
    PointsTo(String),
    /// The column's name says so.
    ColumnsName,
    /// The table's name says so.
    TablesName,
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, why } = self;
        let (why, action) = match why {
            Why::PointsTo(target) => (format!("has a foreign key to {target}"), "\"delete\"  # or \"ignore\""),
            Why::ColumnsName => ("is named as if it named a user".to_owned(), "\"ignore\"  # or \"delete\""),
            Why::TablesName => ("is in a table named as if it knew users".to_owned(), "\"ignore\"  # or \"delete\""),
        };
        let name = key_of(table);
        write!(
            formatter,
            "table {table} is not known; its column {column} {why}. These lines decide what becomes of it:"
        )?;
        write!(formatter, "\n  [keycloak.tables.{name}]\n  action = {action}\n  column = \"{column}\"")
    }
}

/// A table's name as a key of the configuration.
pub(in super::super) fn key_of(table: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if table.chars().all(bare) { table.to_owned() } else { format!("\"{table}\"") }
}

/// All of them, so that one look at the log is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknowns(pub Vec<Unknown>);

impl fmt::Display for Unknowns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&told.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_decide_are_configuration() {
        let unknown = Unknown {
            table: "tenant".to_owned(),
            column: "user_id".to_owned(),
            why: Why::PointsTo("user_entity".into()),
        };
        let text = unknown.to_string();
        let (told, lines) = text.split_once('\n').unwrap();
        assert_eq!(
            told,
            "table tenant is not known; its column user_id has a foreign key to user_entity. These lines decide what \
             becomes of it:"
        );
        assert_eq!(lines.lines().count(), 3);
        let table: toml::Table = lines.parse().unwrap();
        assert_eq!(table["keycloak"]["tables"]["tenant"]["action"].as_str(), Some("delete"));
        assert_eq!(table["keycloak"]["tables"]["tenant"]["column"].as_str(), Some("user_id"));
    }
}
