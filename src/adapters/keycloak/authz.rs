//! The authorization services: resources, permission tickets and policies that belong to a user.
//!
//! They are a web without a foreign key to users: a ticket names two users and a policy, a policy names policies, all of them
//! name resources. What goes is what Keycloak itself removes with a user (`facts/keycloak.md` 2.1, 4.4).

use std::collections::HashMap;

use futures::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::block::Block;
use super::connection::{Call, Connection};
use super::failure::of_postgres;
use super::statements::Effect;
use crate::ports::Failure;

/// `$1` the realm. Most installations have no such rows at all; a table of clients' own resources is small.
const USED: &str = "\
SELECT EXISTS (SELECT FROM resource_server_perm_ticket)
    OR EXISTS (SELECT FROM resource_server_resource r WHERE r.owner <> r.resource_server_id)
    OR EXISTS (SELECT FROM resource_server_policy p WHERE p.owner IS NOT NULL)
    OR EXISTS (SELECT FROM realm_attribute a WHERE a.realm_id = $1::text AND a.name = 'adminPermissionsClientId')";

/// `$1` ids, `$2` the realm: resource and user. Fine-grained admin permissions (26.2) name a resource like the user it is for.
const RESOURCES: &str = "\
SELECT r.id, r.owner FROM resource_server_resource r JOIN unnest($1::text[]) AS t(id) ON r.owner = t.id
UNION
SELECT r.id, r.name FROM resource_server_resource r JOIN unnest($1::text[]) AS t(id) ON r.name = t.id
JOIN realm_attribute a ON a.value = r.resource_server_id
WHERE a.realm_id = $2::text AND a.name = 'adminPermissionsClientId'";

/// `$1` ids, `$2` resources: ticket, its two users, its resource.
const TICKETS: &str = "\
SELECT p.id, p.owner, p.requester, p.resource_id FROM resource_server_perm_ticket p
WHERE p.owner IN (SELECT unnest($1::text[])) OR p.requester IN (SELECT unnest($1::text[]))
   OR p.resource_id IN (SELECT unnest($2::text[]))";

/// `$1` ids, `$2` resources, `$3` tickets: policy, and the user, resource or ticket it goes with.
const POLICIES: &str = "\
SELECT p.id, p.owner FROM resource_server_policy p JOIN unnest($1::text[]) AS t(id) ON p.owner = t.id
UNION
SELECT p.policy_id, p.id FROM resource_server_perm_ticket p JOIN unnest($3::text[]) AS t(id) ON p.id = t.id
WHERE p.policy_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM resource_server_perm_ticket other
    WHERE other.policy_id = p.policy_id AND other.id NOT IN (SELECT unnest($3::text[])))
UNION
SELECT x.policy_id, x.resource_id FROM resource_policy x JOIN unnest($2::text[]) AS t(id) ON x.resource_id = t.id
WHERE NOT EXISTS (
    SELECT FROM resource_policy other
    WHERE other.policy_id = x.policy_id AND other.resource_id NOT IN (SELECT unnest($2::text[])))";

/// `$1` policies: policies that were made for one of them, and that one.
const ASSOCIATED: &str = "\
SELECT a.associated_policy_id, a.policy_id
FROM associated_policy a
JOIN unnest($1::text[]) AS t(id) ON a.policy_id = t.id
JOIN resource_server_policy p ON p.id = a.associated_policy_id AND p.owner IS NOT NULL";

/// `$1` policies, `$2` tickets that go: the other tickets let go of the policies.
const RELEASE: &str = "\
UPDATE resource_server_perm_ticket SET policy_id = NULL
WHERE policy_id IN (SELECT unnest($1::text[])) AND id NOT IN (SELECT unnest($2::text[]))";

/// What a column of the web names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Resource,
    Ticket,
    Policy,
}

/// A table, and the columns by which its rows go.
type Removal = (&'static str, &'static [(&'static str, Kind)]);

/// Order: foreign keys lead from each table only to later ones.
const REMOVALS: [Removal; 10] = [
    ("resource_server_perm_ticket", &[("id", Kind::Ticket)]),
    ("resource_policy", &[("resource_id", Kind::Resource), ("policy_id", Kind::Policy)]),
    ("scope_policy", &[("policy_id", Kind::Policy)]),
    ("associated_policy", &[("policy_id", Kind::Policy), ("associated_policy_id", Kind::Policy)]),
    ("policy_config", &[("policy_id", Kind::Policy)]),
    ("resource_server_policy", &[("id", Kind::Policy)]),
    ("resource_attribute", &[("resource_id", Kind::Resource)]),
    ("resource_uris", &[("resource_id", Kind::Resource)]),
    ("resource_scope", &[("resource_id", Kind::Resource)]),
    ("resource_server_resource", &[("id", Kind::Resource)]),
];

/// Prepared once per connection.
pub(super) struct Statements {
    used: Statement,
    resources: Statement,
    tickets: Statement,
    policies: Statement,
    associated: Statement,
    release: Statement,
    removals: Vec<(Removal, Statement)>,
    left: Statement,
}

impl Statements {
    pub(super) async fn prepare(client: &Client, effect: Effect) -> Result<Self, Failure> {
        let one = async |sql: &str| client.prepare(sql).await.map_err(of_postgres);
        let removals = REMOVALS.map(|(table, columns)| async move {
            let statement = client.prepare(&removal(table, columns, effect)).await.map_err(of_postgres)?;
            Ok::<_, Failure>(((table, columns), statement))
        });
        Ok(Self {
            used: one(USED).await?,
            resources: one(RESOURCES).await?,
            tickets: one(TICKETS).await?,
            policies: one(POLICIES).await?,
            associated: one(ASSOCIATED).await?,
            release: one(RELEASE).await?,
            removals: try_join_all(removals).await?,
            left: one(&left()).await?,
        })
    }
}

/// `$1` keys of the first column, `$2` of the second.
fn removal(table: &str, columns: &[(&str, Kind)], effect: Effect) -> String {
    let (condition, whose) = condition(columns, |index, _| index + 1);
    match effect {
        Effect::Delete => format!("DELETE FROM {table} x WHERE {condition} RETURNING {whose}"),
        Effect::Count => format!("SELECT {whose} FROM {table} x WHERE {condition}"),
    }
}

/// `$1` resources, `$2` tickets, `$3` policies that went: whose rows are still there.
fn left() -> String {
    let selects = REMOVALS.map(|(table, columns)| {
        let (condition, whose) = condition(columns, |_, kind| kind as usize + 1);
        format!("SELECT {whose} FROM {table} x WHERE {condition}")
    });
    selects.join(" UNION ALL ")
}

/// Which rows, and the key that tells whose each is.
fn condition(columns: &[(&str, Kind)], parameter: impl Fn(usize, Kind) -> usize) -> (String, String) {
    let given = |(index, (column, kind)): (usize, &(&str, Kind))| {
        let keys = format!("(SELECT unnest(${}::text[]))", parameter(index, *kind));
        (format!("x.{column}"), format!("x.{column} IN {keys}"))
    };
    let given: Vec<_> = columns.iter().enumerate().map(given).collect();
    match given.as_slice() {
        [(first, by_first), (second, by_second)] => {
            (format!("{by_first} OR {by_second}"), format!("CASE WHEN {by_first} THEN {first} ELSE {second} END"))
        }
        others => others.first().map(|(column, by)| (by.clone(), column.clone())).unwrap_or_default(),
    }
}

/// Removes, or in a dry run counts, what belongs to these ids.
pub(super) async fn purge(connection: &Connection, block: &mut Block<'_>, ids: &Vec<String>) -> Result<(), Failure> {
    let (statements, realm) = (&connection.statements.authz, &connection.schema.realm_id);
    let used = connection.pipeline(&[Call::new(&statements.used, vec![realm])]).await?;
    if !used.iter().flatten().any(|row| row.get(0)) {
        return Ok(());
    }
    let mut web = Web::default();
    web.resources = web.find(connection, block, Call::new(&statements.resources, vec![ids, realm])).await?;
    web.tickets =
        web.find(connection, block, Call::new(&statements.tickets, vec![ids, &web.resources.clone()])).await?;
    let (resources, tickets) = (web.resources.clone(), web.tickets.clone());
    let of_them = Call::new(&statements.policies, vec![ids, &resources, &tickets]);
    let mut policies = web.find(connection, block, of_them).await?;
    policies.extend(web.find(connection, block, Call::new(&statements.associated, vec![&policies])).await?);
    web.policies = policies;
    web.remove(connection, block).await
}

/// What was found so far.
#[derive(Default)]
struct Web {
    resources: Vec<String>,
    tickets: Vec<String>,
    policies: Vec<String>,
    /// Whose each of them is: for counting only.
    owners: HashMap<String, usize>,
}

impl Web {
    /// Rows of a key and of what names its user: an id, or a key that is known already.
    async fn find(
        &mut self,
        connection: &Connection,
        block: &Block<'_>,
        call: Call<'_>,
    ) -> Result<Vec<String>, Failure> {
        let answers = connection.pipeline(&[call]).await?;
        let mut found = Vec::new();
        for row in answers.iter().flatten() {
            let key: String = row.get(0);
            if let Some(owner) = self.owner(row, block) {
                self.owners.entry(key.clone()).or_insert(owner);
            }
            found.push(key);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// A ticket names two users of whom one may be kept.
    fn owner(&self, row: &Row, block: &Block<'_>) -> Option<usize> {
        let mut names = (1..row.len()).filter_map(|column| row.get::<_, Option<&str>>(column));
        names.find_map(|name| block.purged(name).or_else(|| self.owners.get(name).copied()))
    }

    async fn remove(&self, connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
        let statements = &connection.statements.authz;
        let keys = |kind| match kind {
            Kind::Resource => &self.resources,
            Kind::Ticket => &self.tickets,
            Kind::Policy => &self.policies,
        };
        if connection.effect == Effect::Delete {
            let release = Call::new(&statements.release, vec![&self.policies, &self.tickets]);
            connection.pipeline(&[release]).await?;
        }
        let mut calls = Vec::new();
        for ((_, columns), statement) in &statements.removals {
            let params = columns.iter().map(|(_, kind)| keys(*kind) as &(dyn ToSql + Sync));
            calls.push(Call::new(statement, params.collect()));
        }
        let answers = connection.pipeline(&calls).await?;
        for (((table, _), _), rows) in statements.removals.iter().zip(&answers) {
            for row in rows {
                if let Some(owner) = self.owners.get(row.get::<_, &str>(0)) {
                    block.credit(*owner, table);
                }
            }
        }
        if connection.effect == Effect::Delete {
            let left = Call::new(&statements.left, vec![&self.resources, &self.tickets, &self.policies]);
            let left = connection.pipeline(&[left]).await?.concat();
            left.iter()
                .filter_map(|row| self.owners.get(row.get::<_, &str>(0)))
                .for_each(|owner| block.remains(*owner));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_two_columns_name_is_removed_and_counted_once() {
        let (table, columns) = REMOVALS[1];
        assert_eq!(
            removal(table, columns, Effect::Delete),
            "DELETE FROM resource_policy x WHERE x.resource_id IN (SELECT unnest($1::text[])) OR x.policy_id IN \
             (SELECT unnest($2::text[])) RETURNING CASE WHEN x.resource_id IN (SELECT unnest($1::text[])) \
             THEN x.resource_id ELSE x.policy_id END"
        );
    }

    #[test]
    fn policies_and_resources_go_after_all_that_points_to_them() {
        let position = |table| REMOVALS.iter().position(|(name, _)| *name == table).unwrap();
        let children =
            ["resource_server_perm_ticket", "resource_policy", "scope_policy", "associated_policy", "policy_config"];
        for child in children {
            assert!(position(child) < position("resource_server_policy"), "{child}");
        }
        assert_eq!(position("resource_server_resource"), REMOVALS.len() - 1);
    }
}
