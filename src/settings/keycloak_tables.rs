//! `keycloak.tables`: what becomes of tables in Keycloak's schema that are not Keycloak's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields;
use super::rules::Rules;

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableChoice {
    #[serde(deserialize_with = "fields::choice")]
    pub action: TableAction,
    /// The column that names a user, or a row of a table that does. Needed to delete.
    pub column: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableAction {
    /// Its rows are left alone.
    Ignore,
    /// Its rows go with the user that they name.
    Delete,
}

pub(super) fn check(tables: &BTreeMap<String, TableChoice>, rules: &mut Rules) {
    for (name, choice) in tables {
        let has_column = choice.column.as_ref().is_some_and(|column| !column.trim().is_empty());
        let key = format!("keycloak.tables.{name}.column");
        rules.require(choice.action == TableAction::Ignore || has_column, &key, "must name the column to delete by");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn load(env: &[(&str, &str)]) -> Result<BTreeMap<String, TableChoice>, String> {
        let name = |name: &str| format!("USER_PURGE_SYNC__KEYCLOAK__TABLES__{name}");
        let env: Vec<_> = env.iter().map(|(key, value)| (name(key), (*value).to_owned())).collect();
        let loaded = Settings::load(None, env.into_iter());
        loaded.map(|settings| settings.keycloak.tables).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_decides_about_a_table_too() {
        let tables =
            load(&[("TENANT__ACTION", "delete"), ("TENANT__COLUMN", "user_id"), ("USER_NOTE__ACTION", "ignore")]);
        let tenant = TableChoice { action: TableAction::Delete, column: Some("user_id".to_owned()) };
        let note = TableChoice { action: TableAction::Ignore, column: None };
        assert_eq!(tables, Ok([("tenant".to_owned(), tenant), ("user_note".to_owned(), note)].into()));
    }

    #[test]
    fn half_a_decision_is_none() {
        for (env, told) in [
            (("T__ACTION", "delete"), "keycloak.tables.t.column: must name the column to delete by"),
            (("T__ACTION", "drop"), "keycloak.tables.t.action: unknown variant `drop`, expected `ignore` or `delete`"),
            (("T__COLUMN", "user_id"), "keycloak.tables.t: missing configuration field"),
            (("T__COLUM", "user_id"), "unknown field `colum`"),
        ] {
            let error = load(&[env]).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
