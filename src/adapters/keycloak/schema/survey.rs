//! All that is found out about a database before it is touched: what refuses, what is worth a warning, what is purged.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::catalog::Catalog;
use super::chosen::chosen;
use super::closure::closure;
use super::index_cover::uncovered;
use super::realm::{Trouble, check_former_providers, check_provider, find_realm};
use super::rights::{Right, Rights, present};
use super::suspects::{second_names, suspects};
use super::unknown::Unknowns;
use super::version::{check_version, find_version, read_stamp};
use super::warning::SchemaWarning;
use super::{Intent, Names, SchemaError, needs, rows, texts};
use crate::adapters::keycloak::ancient;
use crate::adapters::keycloak::statements::Effect;
use crate::adapters::keycloak::tables::{Handled, Key, OTHERS, TABLES, Table};
use crate::ports::Failure;
use crate::settings::{KeycloakSettings, TableAction};

/// The oldest PostgreSQL that is supported, as `server_version_num`.
const OLDEST_SERVER: i32 = 110_000;
/// Without these a schema is not Keycloak's.
const LANDMARKS: [&str; 2] = ["user_entity", "federated_user"];

/// Order: refusals stand as they are to be mended.
pub(in super::super) struct Survey {
    /// PostgreSQL's version.
    pub server: String,
    /// Keycloak's, where it could be read.
    pub version: String,
    pub realm: Option<Realm>,
    pub catalog: Catalog,
    /// What is purged, in order.
    pub plan: Vec<&'static Table>,
    pub rights: Rights,
    pub needed: BTreeSet<Right>,
    pub refusals: Vec<SchemaError>,
    pub warnings: Vec<SchemaWarning>,
}

/// Where the configuration leads.
pub(in super::super) struct Realm {
    pub id: String,
    pub stamp: String,
}

impl Survey {
    /// What refuses so that nothing else can be found out is an error; whatever else refuses is in the survey.
    pub(in super::super) async fn take(
        client: &Client,
        settings: &KeycloakSettings,
        intent: Intent,
    ) -> Result<Self, Failure> {
        let (server, is_standby) = find_server(client).await?;
        let catalog = Catalog::read(client, &settings.schema).await?;
        if !LANDMARKS.iter().all(|table| catalog.has(table)) {
            let found = Names(schemas_of_keycloak(client).await?);
            return Err(SchemaError::NotKeycloak { schema: settings.schema.clone(), found }.into());
        }
        // Statements name tables without their schema, so that they can be read.
        rows(client, "SELECT set_config('search_path', quote_ident($1::text), false)", &[&settings.schema]).await?;
        let rights = Rights::read(client, &settings.schema).await?;
        let mut survey = Self::conclude(catalog, rights, settings, intent);
        survey.server = server;
        let of_schema = std::mem::take(&mut survey.refusals);
        survey.refusals.extend(is_standby.then_some(SchemaError::Standby));
        let unreadable = survey.rights.missing(&settings.schema, &present(&survey.catalog, needs::for_checks()));
        if unreadable.is_empty() {
            survey.ask(client, settings).await?;
        } else {
            survey.refusals.push(SchemaError::RightsMissing(Names(unreadable)));
        }
        survey.refusals.extend(of_schema);
        Ok(survey)
    }

    /// From what was read alone.
    fn conclude(catalog: Catalog, rights: Rights, settings: &KeycloakSettings, intent: Intent) -> Self {
        let (mut refusals, mut warnings) = (Vec::new(), Vec::new());
        let web: Vec<_> = OTHERS.iter().filter(|other| other.handled == Handled::Web).map(|other| other.name).collect();
        let is_purged = |name: &str| Table::named(name).is_some() || web.contains(&name);
        let is_known = |name: &str| is_purged(name) || OTHERS.iter().any(|other| other.name == name);
        let mut or_refuse = |result: Result<Vec<&'static Table>, SchemaError>| {
            result.unwrap_or_else(|error| {
                refusals.push(error);
                Vec::new()
            })
        };
        let mut plan = or_refuse(chosen(&catalog, is_known, &settings.tables));
        plan.extend(or_refuse(existing(&catalog)));
        let choice = |name: &str| settings.tables.get(bare_name(name));
        let action = |name: &str| choice(name).map(|choice| choice.action);
        let purged: BTreeSet<&str> = catalog
            .tables
            .keys()
            .map(String::as_str)
            .filter(|name| is_purged(name) || action(name) == Some(TableAction::Delete))
            .collect();
        let found = closure(&catalog, &purged, choice);
        let mut unknown = found.unknown;
        unknown.extend(suspects(&catalog, &found.edges, |name| is_known(name) || action(name).is_some()));
        let hidden: Vec<_> = purged.iter().filter(|name| catalog.tables[**name].row_security).copied().collect();
        if !hidden.is_empty() {
            refusals.push(SchemaError::RowSecurity(Names(hidden.iter().map(ToString::to_string).collect())));
        }
        if !unknown.is_empty() {
            refusals.push(SchemaError::UnknownTables(Unknowns(unknown)));
        }
        let missing = settings.tables.keys().filter(|name| !catalog.has(name));
        warnings.extend(missing.map(|name| SchemaWarning::NoSuchTable(name.clone())));
        warnings.extend(uncovered(&catalog, &found.edges, &plan, &web));
        warnings.extend(found.warnings);
        warnings.extend(triggers(&catalog, &purged));
        let known: BTreeSet<_> = plan.iter().flat_map(|table| [(table.name, table.column())]).collect();
        let undecided = purged.iter().copied().filter(|name| action(name).is_none()).collect();
        warnings.extend(second_names(&catalog, &undecided, &known));
        let needed = present(&catalog, needs::for_purge(&plan, settings.trail, intent.effect).into_iter());
        warnings.extend(of_rights(&rights, &needed, &plan, settings, intent));
        drop(found.edges);
        let (server, version) = (String::new(), String::new());
        Self { server, version, realm: None, catalog, plan, rights, needed, refusals, warnings }
    }

    /// What only rows can tell.
    async fn ask(&mut self, client: &Client, settings: &KeycloakSettings) -> Result<(), Failure> {
        if !rows(client, "SELECT 1 FROM databasechangeloglock WHERE locked", &[]).await?.is_empty() {
            self.refusals.push(SchemaError::Migrating);
        }
        let ancient = ancient::not_empty(client).await?;
        if !ancient.is_empty() {
            self.warnings.push(SchemaWarning::Ancient(ancient.join(", ")));
        }
        self.version = find_version(client, &self.catalog).await?;
        self.refusals.extend(check_version(&self.version, settings.allow_version.as_deref()).err());
        let realm = async {
            let id = find_realm(client, &settings.realm).await?;
            check_provider(client, settings, &id).await?;
            check_former_providers(client, settings, &id).await?;
            Ok(id)
        };
        match realm.await {
            Ok(id) => self.realm = Some(Realm { id, stamp: read_stamp(client).await? }),
            Err(Trouble::Refused(error)) => self.refusals.push(error),
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
        Ok(())
    }
}

/// A table of another schema is decided about by its name alone.
fn bare_name(table: &str) -> &str {
    table.rsplit_once('.').map_or(table, |(_, name)| name)
}

fn triggers(catalog: &Catalog, purged: &BTreeSet<&str>) -> Vec<SchemaWarning> {
    let of_purged = catalog.tables.iter().filter(|(name, _)| purged.contains(name.as_str()));
    let each =
        of_purged.flat_map(|(name, table)| table.triggers.iter().map(move |trigger| (name.clone(), trigger.clone())));
    each.map(|(table, trigger)| SchemaWarning::Trigger(table, trigger)).collect()
}

fn of_rights(
    rights: &Rights,
    needed: &BTreeSet<Right>,
    plan: &[&'static Table],
    settings: &KeycloakSettings,
    intent: Intent,
) -> Vec<SchemaWarning> {
    // Whatever the mode: a dry run may be made with the rights of the purge that follows it.
    let tables: Vec<_> = plan.iter().copied().chain(&TABLES).collect();
    let allowed = needs::for_purge(&tables, settings.trail, Effect::Delete).into_iter().collect();
    let secrets: &[_] = if intent.searches_all { &[] } else { &needs::SECRETS };
    let missing = rights.missing(&settings.schema, needed).into_iter().map(SchemaWarning::RightMissing);
    missing.chain(rights.too_much(&allowed, secrets).into_iter().map(SchemaWarning::RightTooMuch)).collect()
}

/// The tables of the map that exist, in its order.
fn existing(catalog: &Catalog) -> Result<Vec<&'static Table>, SchemaError> {
    let mut found = Vec::new();
    for table in TABLES.iter().filter(|table| catalog.has(table.name)) {
        if let Key::Parent { table: parent, .. } = table.key
            && !catalog.has(parent)
        {
            continue;
        }
        let mut columns = table.columns(TABLES.iter()).into_iter();
        if let Some(column) = columns.find(|column| catalog.column(table.name, column).is_none()) {
            return Err(SchemaError::NoColumn { table: table.name, column });
        }
        found.push(table);
    }
    Ok(found)
}

async fn find_server(client: &Client) -> Result<(String, bool), Failure> {
    const SQL: &str =
        "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), pg_is_in_recovery()";
    let (mut server, mut is_standby) = (String::new(), false);
    for row in rows(client, SQL, &[]).await? {
        if row.get::<_, i32>(0) < OLDEST_SERVER {
            return Err(SchemaError::ServerTooOld(row.get(1)).into());
        }
        (server, is_standby) = (row.get(1), row.get(2));
    }
    Ok((server, is_standby))
}

async fn schemas_of_keycloak(client: &Client) -> Result<Vec<String>, Failure> {
    const SQL: &str = "\
        SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relname IN ('user_entity', 'federated_user') AND c.relkind IN ('r', 'p') \
        GROUP BY 1 HAVING count(*) = 2 ORDER BY 1";
    texts(client, SQL, &[]).await
}

#[cfg(test)]
mod tests {
    use super::super::catalog::testing::catalog;
    use super::*;
    use crate::ports::Disposition;

    #[test]
    fn only_tables_that_exist_are_worked_on_in_the_maps_order() {
        let live = catalog(&[
            ("user_entity", &["id", "realm_id"]),
            ("credential", &["id", "user_id"]),
            // Without its parent nothing tells whose a row is.
            ("offline_client_session", &["user_session_id"]),
        ]);
        let names: Vec<_> = existing(&live).unwrap().iter().map(|table| table.name).collect();
        assert_eq!(names, ["credential", "user_entity"]);
    }

    #[test]
    fn a_known_table_of_another_shape_is_not_guessed_at() {
        let live = catalog(&[("workflow_state", &["execution_id", "subject"])]);
        let error = existing(&live).unwrap_err();
        assert_eq!(error, SchemaError::NoColumn { table: "workflow_state", column: "resource_id" });
        assert_eq!(Failure::from(error).disposition, Disposition::Hold);
    }
}
