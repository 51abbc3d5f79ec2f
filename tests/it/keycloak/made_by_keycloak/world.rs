//! People who share everything with each other: some go, the others stay.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use local_stack::realm_admin::RealmAdmin;
use local_stack::{Accounts, Stack, eventually};
use serde_json::json;
use tokio_postgres::Client;
use user_purge_sync::adapters::keycloak::tables::{Family, TABLES};

use super::dump::{Dump, Row, words};
use super::lacks::{Feature, Version};
use super::life::{Form, Life, PASSWORD};
use super::realm::MadeRealm;
use super::{post_office, sharing, traces};
use crate::keycloak::stack::{OTHER_PROVIDER, OTHER_REALM};

/// Tables that no call of a default server fills, and why.
const UNREACHED: [(&str, &str); 8] = [
    ("auth_session", "logins under way are in memory unless the server runs stateless"),
    ("login_failure", "brute-force counters are in memory unless the server runs stateless (26.7)"),
    ("user_ver_credential", "verifiable credentials are a feature of the server's start (26.7)"),
    ("issued_ver_credential", "as user_ver_credential"),
    ("fed_user_ver_credential", "as user_ver_credential"),
    ("fed_issued_ver_credential", "as user_ver_credential"),
    ("credential_attribute", "Keycloak 7 only"),
    ("fed_credential_attribute", "Keycloak 7 only"),
];

/// Of the authorization services, in which both forms have rows.
const AUTHORIZATION: [&str; 10] = [
    "resource_server_perm_ticket",
    "resource_policy",
    "scope_policy",
    "associated_policy",
    "policy_config",
    "resource_server_policy",
    "resource_attribute",
    "resource_uris",
    "resource_scope",
    "resource_server_resource",
];

/// What Keycloak itself writes while it runs and the purge asks it to end somebody's access.
const WRITTEN_BY_KEYCLOAK: [&str; 2] = ["event_entity", "admin_event_entity"];

pub struct World {
    pub realm: MadeRealm,
    /// Of both forms.
    pub people: Vec<Life>,
    /// The ids of federated users of another realm who have the same external ids.
    twins: Vec<String>,
}

/// What a purge did besides what it must.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Rows of others that are gone, or are not what they were.
    pub lost: Vec<Row>,
    /// Rows that nobody should have written.
    pub new: Vec<Row>,
}

impl World {
    pub async fn make() -> anyhow::Result<Self> {
        let realm = MadeRealm::furnish(post_office::open().await?).await.context("the realm")?;
        let (local, federated) = (Life::lead(&realm, Form::Local), Life::lead(&realm, Form::Federated));
        let (one, other) = tokio::try_join!(local, federated)?;
        let (local, federated) = (Life::lead(&realm, Form::Local), Life::lead(&realm, Form::Federated));
        let (same, different) = tokio::try_join!(local, federated)?;
        let people = vec![one, other, same, different];
        for (place, owner) in people.iter().enumerate() {
            // The neighbours on both sides: one of each form.
            for guest in [&people[(place + 1) % people.len()], &people[(place + 2) % people.len()]] {
                sharing::share(&realm, owner, guest).await.context("sharing")?;
            }
        }
        sharing::rule(&realm, &people).await?;
        let mut twins = Vec::new();
        for life in people.iter().filter(|life| life.form == Form::Federated) {
            twins.push(twin_of(&life.user).await.context("the twin")?);
        }
        Ok(Self { realm, people, twins })
    }

    /// A moment at which Keycloak has written everything that it writes later.
    pub async fn at_rest(&self, database: &mut Client) -> anyhow::Result<Dump> {
        let mut last = Dump::of(database).await?;
        let (database, last) = (tokio::sync::Mutex::new(database), &mut last);
        let rests = async || {
            let now = Dump::of(*database.lock().await).await.ok()?;
            let world = self.words(&now);
            let same = !last.without(&now).iter().chain(&now.without(last)).any(|row| is_ours(row, &world));
            *last = now;
            same.then_some(())
        };
        eventually("Keycloak rests", Duration::from_secs(20), rests).await?;
        Ok(std::mem::replace(last, Dump::nothing()))
    }

    /// Every id of the realm, of its people, and of the twin.
    pub fn words(&self, dump: &Dump) -> BTreeSet<String> {
        let ids = self.people.iter().map(|life| life.user.as_str()).chain([&*self.realm.id, &*self.realm.component]);
        dump.world_of(&ids.collect::<Vec<_>>())
    }

    fn is_of_twin(&self, row: &Row) -> bool {
        row.text.contains(OTHER_REALM) || self.twins.iter().any(|twin| row.text.contains(twin))
    }

    /// Rows that hold a trace of who went, where no trace may be.
    pub async fn residue(&self, database: &Client, traces: &BTreeSet<String>) -> anyhow::Result<Vec<Row>> {
        let mut found = traces::search(database, traces).await?;
        found.retain(|row| !traces::is_allowed(&row.table) && !self.is_of_twin(row));
        Ok(found)
    }

    /// Sorts what is gone: rows of who went, and harm.
    pub fn judge(&self, before: &Dump, after: &Dump, traces: &BTreeSet<String>) -> (Vec<Row>, Harm) {
        let world = self.words(before);
        let holds_trace = |row: &Row| {
            // A policy of somebody else may name who went, and is none the less theirs.
            let owned = |trace: &String| row.table != "policy_config" || row.text.starts_with(&format!("({trace},"));
            !self.is_of_twin(row) && traces.iter().any(|trace| row.text.contains(trace) && owned(trace))
        };
        let (gone, mut lost): (Vec<_>, Vec<_>) = before.without(after).into_iter().partition(holds_trace);
        let mut new = after.without(before);
        lost.retain(|row| is_ours(row, &world));
        new.retain(|row| is_ours(row, &world) && !WRITTEN_BY_KEYCLOAK.contains(&row.table.as_str()));
        (gone, Harm { lost, new })
    }
}

/// Tables of this version of which a row should have gone, and none has.
pub fn untouched(version: Version, form: Form, gone: &[Row]) -> Vec<&'static str> {
    let of_form = TABLES.iter().filter(|table| match (table.family, is_of_federation(table.name)) {
        (Family::Foreign, _) => form == Form::Local,
        (Family::Free, true) => form == Form::Federated,
        (Family::Free, false) => true,
    });
    let wanted = of_form.map(|table| table.name).chain(AUTHORIZATION);
    let is_unreached = |table: &str| {
        let too_old = table == "workflow_state" && !version.has(Feature::Workflows);
        too_old || UNREACHED.iter().any(|(unreached, _)| *unreached == table)
    };
    let wanted = wanted.filter(|table| !is_unreached(table));
    wanted.filter(|table| !gone.iter().any(|row| row.table == *table)).collect()
}

fn is_of_federation(table: &str) -> bool {
    table.starts_with("fed_") || table == "federated_user" || table == "broker_link"
}

pub fn is_alone() -> bool {
    std::env::var("SCHEMAS").is_ok()
}

/// With a password, an attribute and a session.
async fn twin_of(user: &str) -> anyhow::Result<String> {
    let (id, stack) = (format!("f:{OTHER_PROVIDER}:{user}"), Stack::shared_database());
    let admin = RealmAdmin::connect(stack, "other").await?;
    let password = json!({"type": "password", "value": PASSWORD, "temporary": false});
    admin.put(&format!("users/{id}/reset-password"), &password).await?;
    admin.post(&format!("users/{id}/logout"), &json!({})).await?;
    let mut elsewhere = stack.clone();
    "other".clone_into(&mut elsewhere.keycloak.realm);
    Accounts::connect(&elsewhere).await?.login(user, PASSWORD, "portal", true).await?;
    Ok(id)
}

/// For people: what this version has no row of.
pub fn left_out(version: Version) -> String {
    let tables = UNREACHED.iter().map(|(table, why)| format!("{table}: {why}"));
    version.lacks().into_iter().chain(tables).collect::<Vec<_>>().join("; ")
}

/// Tests that run beside this one write rows of their own. `SCHEMAS` says that there are none: then every row counts.
fn is_ours(row: &Row, world: &BTreeSet<String>) -> bool {
    is_alone() || words(&row.text).any(|word| world.contains(word))
}
