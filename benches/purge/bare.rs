//! The bare client: the statements of a purge and nothing around them. No guards, no counting per user, no checks.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use local_stack::Stack;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};
use user_purge_sync::adapters::keycloak::tables::{Family, Key, TABLES, Table};

pub struct Bare {
    client: Client,
    realm: String,
    provider: String,
    lock: Statement,
    tables: Vec<Prepared>,
    left: Statement,
}

struct Prepared {
    table: &'static Table,
    delete: Statement,
    /// Finds the keys that children of this table name.
    keys: Option<Statement>,
}

impl Bare {
    #[expect(clippy::disallowed_methods, reason = "the connection lives as long as the program")]
    pub async fn connect(stack: &Stack) -> anyhow::Result<Self> {
        let (postgres, mut config) = (&stack.postgres, tokio_postgres::Config::new());
        config.host(&postgres.host).port(postgres.port).dbname(&postgres.database);
        config.user(&postgres.user).password(&postgres.password);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        let realm = client.query_one("SELECT id FROM realm WHERE name = $1", &[&stack.keycloak.realm]).await?.get(0);
        let lock = client
            .prepare(
                "SELECT u.id FROM user_entity u JOIN unnest($1::text[]) AS t(id) ON u.id = t.id \
                 WHERE u.realm_id = $2::text ORDER BY u.id FOR UPDATE OF u",
            )
            .await?;
        let mut tables = Vec::new();
        for table in &TABLES {
            let exists = client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table.name]).await?;
            if exists.get(0) {
                tables.push(Prepared::new(&client, table).await?);
            }
        }
        let left = client.prepare(&left(&tables)).await?;
        Ok(Self { client, realm, provider: stack.keycloak.provider_id.clone(), lock, tables, left })
    }

    pub async fn purge_block(&self, users: &[String]) -> anyhow::Result<()> {
        let federated = users.iter().map(|user| format!("f:{}:{user}", self.provider));
        let ids: Vec<String> = users.iter().cloned().chain(federated).collect();
        self.client.batch_execute("BEGIN").await?;
        let locked = self.client.query(&self.lock, &[&users, &self.realm]).await?;
        let locked: Vec<String> = locked.iter().map(|row| row.get(0)).collect();

        let parents: Vec<_> =
            self.tables.iter().filter_map(|table| Some((table.table, table.keys.as_ref()?))).collect();
        let none = Vec::new();
        let params = parents.iter().map(|(table, _)| self.params(table, &locked, &ids, &none));
        let found = parents.iter().zip(params).map(|((_, keys), params)| self.query(keys, params));
        let mut keys: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((table, _), rows) in parents.iter().zip(try_join_all(found).await?) {
            keys.insert(table.name, rows.iter().map(|row| row.get(0)).collect());
        }
        let of = |table: &Table| match table.key {
            Key::Parent { table, .. } => &keys[table],
            Key::User(_) => &none,
        };
        let deletes = self
            .tables
            .iter()
            .map(|Prepared { table, delete, .. }| self.query(delete, self.params(table, &locked, &ids, of(table))));
        try_join_all(deletes).await?;
        let mut all: Vec<&(dyn ToSql + Sync)> = vec![&locked, &ids, &self.realm];
        all.extend(
            self.tables.iter().filter(|table| parent(table.table)).map(|table| of(table.table) as &(dyn ToSql + Sync)),
        );
        let left = self.client.query(&self.left, &all).await?;
        anyhow::ensure!(left.is_empty(), "rows are left");
        self.client.batch_execute("COMMIT").await?;
        Ok(())
    }

    fn params<'a>(
        &'a self,
        table: &Table,
        locked: &'a Vec<String>,
        ids: &'a Vec<String>,
        keys: &'a Vec<String>,
    ) -> Vec<&'a (dyn ToSql + Sync)> {
        let ids: &(dyn ToSql + Sync) = match (table.key, table.family) {
            (Key::Parent { .. }, _) => keys,
            (Key::User(_), Family::Foreign) => locked,
            (Key::User(_), Family::Free) => ids,
        };
        std::iter::once(ids).chain(table.in_realm.then_some(&self.realm as &(dyn ToSql + Sync))).collect()
    }

    async fn query(
        &self,
        statement: &Statement,
        params: Vec<&(dyn ToSql + Sync)>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.client.query(statement, &params).await
    }
}

impl Prepared {
    async fn new(client: &Client, table: &'static Table) -> anyhow::Result<Self> {
        let (name, column, realm) = (table.name, table.column(), within(table, "$2"));
        let condition = format!("x.{column} = t.id{realm}");
        let delete =
            format!("DELETE FROM {name} x USING unnest($1::text[]) AS t(id) WHERE {condition} RETURNING x.{column}");
        let keys = match table.keys_for(TABLES.iter()).next() {
            Some(key) => {
                let find = format!("SELECT x.{key} FROM {name} x JOIN unnest($1::text[]) AS t(id) ON {condition}");
                Some(client.prepare(&find).await?)
            }
            None => None,
        };
        Ok(Self { table, delete: client.prepare(&delete).await?, keys })
    }
}

fn within(table: &Table, realm: &str) -> String {
    if table.in_realm { format!(" AND x.realm_id = {realm}::text") } else { String::new() }
}

fn parent(table: &Table) -> bool {
    matches!(table.key, Key::Parent { .. })
}

/// The count of what is left, as one statement: `$1` locked, `$2` all ids, `$3` the realm, then the keys of each child table.
fn left(tables: &[Prepared]) -> String {
    let mut next = 3;
    let selects = tables.iter().map(|Prepared { table, .. }| {
        let ids = match table.family {
            _ if parent(table) => {
                next += 1;
                next
            }
            Family::Foreign => 1,
            Family::Free => 2,
        };
        let (name, column, realm) = (table.name, table.column(), within(table, "$3"));
        format!(
            "SELECT x.{column}::text FROM {name} x JOIN unnest(${ids}::text[]) AS t(id) ON x.{column} = t.id{realm}"
        )
    });
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}
