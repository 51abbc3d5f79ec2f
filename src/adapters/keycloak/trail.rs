//! What a person leaves beyond their own rows: events, admin events, policies of others, invitations. Each is an option.

use std::collections::HashMap;

use futures::future::try_join_all;
use tokio_postgres::{Client, Statement};

use super::block::Block;
use super::connection::{Call, Connection};
use super::failure::of_postgres;
use super::names::Names;
use super::policies::{self, Notes};
use super::schema::Catalog;
use super::statements::Effect;
use super::traces::{self, TraceSql};
use crate::ports::Failure;
use crate::settings::{EventPolicy, TrailSettings};

/// Prepared once per connection, for what is switched on and exists.
#[derive(Default)]
pub(super) struct Statements {
    invitations: Option<Trace>,
    /// Events and admin events.
    logs: Vec<Trace>,
    sessions: Option<Statement>,
    policies: Option<policies::Statements>,
}

/// Rows of one table that are found first, then taken by their keys.
struct Trace {
    table: &'static str,
    find: Statement,
    odd: Option<Statement>,
    /// One after the other, each for what the ones before did not take. None in a dry run.
    take: Vec<Take>,
    left: Statement,
}

struct Take {
    statement: Statement,
    wants_names: bool,
}

impl Statements {
    pub(super) async fn prepare(
        client: &Client,
        catalog: &Catalog,
        settings: TrailSettings,
        effect: Effect,
    ) -> Result<Self, Failure> {
        let mut logs = Vec::new();
        if settings.events != EventPolicy::Keep {
            logs.push(traces::events(settings.events, catalog));
        }
        if settings.admin_events != EventPolicy::Keep {
            logs.push(traces::admin_events(settings.admin_events, catalog));
        }
        let has_invitations = settings.invitations && catalog.column("org_invitation", "email").is_some();
        let sessions = settings.events != EventPolicy::Keep;
        let one = async |sql: &str| client.prepare(sql).await.map_err(of_postgres);
        Ok(Self {
            invitations: if has_invitations {
                Some(Trace::prepare(client, traces::invitations(), effect).await?)
            } else {
                None
            },
            logs: try_join_all(logs.into_iter().map(|sql| Trace::prepare(client, sql, effect))).await?,
            sessions: if sessions { Some(one(traces::SESSIONS).await?) } else { None },
            policies: if settings.policies { Some(policies::Statements::prepare(client, effect).await?) } else { None },
        })
    }
}

impl Trace {
    async fn prepare(client: &Client, sql: TraceSql, effect: Effect) -> Result<Self, Failure> {
        let one = async |sql: &str| client.prepare(sql).await.map_err(of_postgres);
        let mut take = Vec::new();
        for sql in sql.delete.iter().chain(&sql.anonymise).filter(|_| effect == Effect::Delete) {
            take.push(Take { statement: one(sql).await?, wants_names: sql.contains("$2") });
        }
        let odd = match &sql.odd {
            Some(odd) => Some(one(odd).await?),
            None => None,
        };
        Ok(Self {
            table: sql.table,
            find: one(&sql.find).await?,
            odd,
            take,
            left: one(&traces::left(sql.table)).await?,
        })
    }

    /// Keys of rows, and whose they are.
    async fn find(
        &self,
        connection: &Connection,
        call: Call<'_>,
        owner: impl Fn(&str) -> Option<usize>,
    ) -> Result<HashMap<String, usize>, Failure> {
        let answers = connection.pipeline(&[call]).await?;
        let mut found = HashMap::new();
        for row in answers.iter().flatten() {
            let mut names = (1..row.len()).filter_map(|column| row.get::<_, Option<&str>>(column));
            if let Some(owner) = names.find_map(&owner) {
                found.entry(row.get(0)).or_insert(owner);
            }
        }
        Ok(found)
    }

    async fn take(
        &self,
        connection: &Connection,
        block: &mut Block<'_>,
        mut found: HashMap<String, usize>,
        names: &Vec<String>,
    ) -> Result<(), Failure> {
        if connection.effect == Effect::Count {
            for owner in found.values() {
                block.credit(*owner, self.table);
            }
            return Ok(());
        }
        for Take { statement, wants_names } in &self.take {
            // In order: two blocks that share rows then rarely wait for each other in a circle.
            let keys = sorted(&found);
            if keys.is_empty() {
                return Ok(());
            }
            let mut call = Call::new(statement, vec![&keys]);
            if *wants_names {
                call = Call::new(statement, vec![&keys, names]);
            }
            for row in connection.pipeline(&[call]).await?.iter().flatten() {
                if let Some(owner) = found.remove(row.get::<_, &str>(0)) {
                    block.credit(owner, self.table);
                }
            }
        }
        let keys = sorted(&found);
        if !keys.is_empty() {
            let left: Vec<_> = connection.pipeline(&[Call::new(&self.left, vec![&keys])]).await?.concat();
            left.iter().filter_map(|row| found.get(row.get::<_, &str>(0))).for_each(|owner| block.remains(*owner));
        }
        Ok(())
    }
}

fn sorted(found: &HashMap<String, usize>) -> Vec<String> {
    let mut keys: Vec<_> = found.keys().cloned().collect();
    keys.sort_unstable();
    keys
}

/// Order: before `user_entity` loses its rows, which hold the addresses.
pub(super) async fn take_invitations(
    connection: &Connection,
    block: &mut Block<'_>,
    locked: &Vec<String>,
) -> Result<(), Failure> {
    let Some(trace) = &connection.statements.trail.invitations else { return Ok(()) };
    let call = Call::new(&trace.find, vec![locked, &connection.schema.realm_id]);
    let found = trace.find(connection, call, |id| block.purged(id)).await?;
    trace.take(connection, block, found, locked).await
}

/// Takes, or in a dry run counts, what names these ids and sessions.
pub(super) async fn purge<'a>(
    connection: &Connection,
    block: &mut Block<'_>,
    ids: &Vec<String>,
    sessions: impl Iterator<Item = (&'a String, usize)>,
) -> Result<Notes, Failure> {
    let Statements { logs, sessions: of_events, policies, .. } = &connection.statements.trail;
    if logs.is_empty() && policies.is_none() {
        return Ok(Notes::default());
    }
    let realm = &connection.schema.realm_id;
    let mut names = Names::new(ids, sessions, block);
    if let Some(of_events) = of_events {
        let answers = connection.pipeline(&[Call::new(of_events, vec![ids, realm])]).await?;
        for row in answers.iter().flatten() {
            if let Some(owner) = block.purged(row.get(1)) {
                names.add(row.get(0), owner);
            }
        }
    }
    for trace in logs {
        let call = Call::new(&trace.find, vec![&names.exact, realm, &names.words]);
        let mut found = trace.find(connection, call, |name| names.owner(name)).await?;
        if let Some(odd) = trace.odd.as_ref().filter(|_| !names.forms.is_empty()) {
            let call = Call::new(odd, vec![&names.forms, realm]);
            found.extend(trace.find(connection, call, |form| names.owner(form)).await?);
        }
        trace.take(connection, block, found, &names.exact).await?;
    }
    match policies {
        Some(policies) => policies::scrub(connection, policies, block, &names).await,
        None => Ok(Notes::default()),
    }
}
