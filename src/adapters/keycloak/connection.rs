//! Connections to Keycloak's PostgreSQL: each used by one call at a time, checked when new, thrown away when in doubt.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::maybe_done;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};
use tokio_util::task::AbortOnDropHandle;

use super::connect::connect_bounded;
use super::failure::{of_postgres, silent};
use super::schema::{Intent, STAMP, Schema, SchemaWarning, Survey, TableMap, ghosts};
use super::statements::{Effect, Statements};
use crate::adapters::tls::Ends;
use crate::ports::{Blame, Disposition, Failure};
use crate::settings::{KeycloakSettings, PurgeMode, PurgeSettings};

/// How long a new connection may take, name look-up and handshakes included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How much later than its own timeout the server may answer before it counts as hanging.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How long the schema is believed to be what it was. An upgrade of Keycloak is noticed at once; a table that somebody else
/// makes is not.
const TRUST: Duration = Duration::from_hours(1);

/// At most so many connections as the configuration says, opened when they are needed.
pub(super) struct Connections {
    settings: KeycloakSettings,
    intent: Intent,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    told: Mutex<Told>,
    ends: Ends,
}

/// What the log has been told.
#[derive(Default)]
struct Told {
    warnings: BTreeSet<SchemaWarning>,
    /// When users of former components were last looked for: that may be a long read.
    ghosts: Option<Instant>,
}

/// A connection taken for one call. Dropping it closes it, and the server rolls back: a call that is cut anywhere leaves
/// nothing half done.
pub(super) struct Lease<'a> {
    connection: Connection,
    connections: &'a Connections,
    _permit: SemaphorePermit<'a>,
}

/// One checked connection with its prepared statements.
pub(super) struct Connection {
    client: Client,
    _driver: AbortOnDropHandle<()>,
    pub schema: Schema,
    pub statements: Statements,
    pub effect: Effect,
    begin: String,
    patience: Duration,
    checked: Instant,
}

/// One statement of a pipeline.
pub(super) struct Call<'a> {
    statement: &'a Statement,
    params: Vec<&'a (dyn ToSql + Sync)>,
}

impl<'a> Call<'a> {
    pub(super) fn new(statement: &'a Statement, params: Vec<&'a (dyn ToSql + Sync)>) -> Self {
        Self { statement, params }
    }

    async fn send(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        client.query(self.statement, &self.params).await
    }
}

impl Connections {
    pub(super) fn new(settings: KeycloakSettings, intent: Intent, limit: usize) -> Self {
        let permits = Semaphore::new(limit.max(1));
        Self { settings, intent, idle: Mutex::default(), permits, told: Mutex::default(), ends: Ends::default() }
    }

    /// When the certificates of the database end.
    pub(super) fn certificates(&self) -> Ends {
        self.ends.clone()
    }

    /// Takes an idle connection, or opens one and runs the start-up checks on it.
    pub(super) async fn take(&self) -> Result<Lease<'_>, Failure> {
        let permit = self.permits.acquire().await.map_err(|_| silent())?;
        let connection = match self.idle_connection() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(Lease { connection, connections: self, _permit: permit })
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.client.is_closed() && connection.checked.elapsed() < TRUST);
        idle.pop()
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let connection = Connection::open(&self.settings, self.intent, &self.ends).await?;
        self.tell(&connection.schema.warnings);
        if self.ghosts_are_due() {
            let looking = ghosts(&connection.client, &self.settings, &connection.schema.realm_id);
            self.tell(&timeout(CONNECT_PATIENCE, looking).await.map_err(|_| silent())??);
        }
        Ok(connection)
    }

    fn ghosts_are_due(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.ghosts.is_none_or(|looked| looked.elapsed() >= TRUST);
        if is_due {
            told.ghosts = Some(Instant::now());
        }
        is_due
    }

    /// Each warning once: connections come and go.
    fn tell(&self, warnings: &[SchemaWarning]) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if told.warnings.insert(warning.clone()) {
                tracing::warn!(dependency = "keycloak database", "{warning}");
            }
        }
    }
}

impl Lease<'_> {
    /// Only for a connection that is in no transaction.
    pub(super) fn give_back(self) {
        self.connections.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection);
    }
}

impl std::ops::Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Connection {
    async fn open(settings: &KeycloakSettings, intent: Intent, ends: &Ends) -> Result<Self, Failure> {
        let opening = async {
            let checked = Instant::now();
            let (client, driver) = connect_bounded(settings, ends).await?;
            let schema = Schema::check(&client, settings, intent).await?;
            let effect = intent.effect;
            let statements = Statements::prepare(&client, &schema, settings.trail, effect).await?;
            let patience = settings.statement_timeout + GRACE;
            let begin = begin(settings, effect);
            Ok(Self { client, _driver: driver, schema, statements, effect, begin, patience, checked })
        };
        timeout(CONNECT_PATIENCE, opening).await.map_err(|_| silent())?
    }

    /// Fails when Keycloak was upgraded, or is being: what the start-up checks found is not true any more.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        let asked = timeout(self.patience, self.client.simple_query(&self.begin)).await.map_err(|_| silent())?;
        let stamp = asked.map_err(of_postgres)?.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        if stamp.as_deref() == Some(&self.schema.stamp) {
            return Ok(());
        }
        // Order: no rollback. The connection is thrown away, and the next one is checked.
        Err(Failure::new(Disposition::Retry(Blame::Server), "keycloak_upgraded").unheard())
    }

    pub(super) async fn commit(&self) -> Result<(), Failure> {
        self.execute("COMMIT").await
    }

    pub(super) async fn rollback(&self) -> Result<(), Failure> {
        self.execute("ROLLBACK").await
    }

    /// A statement without users.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        self.execute("SELECT 1").await
    }

    /// Sends all calls at once and gives back their rows; the server works them off in order.
    pub(super) async fn pipeline(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Row>>, Failure> {
        let mut sent: Vec<_> = calls.iter().map(|call| Box::pin(maybe_done(call.send(&self.client)))).collect();
        for call in &mut sent {
            // Order: a call is sent when it is polled first, so this is what puts children before their parents.
            let _answered = futures::poll!(call.as_mut());
        }
        let mut answers = Vec::with_capacity(sent.len());
        for mut call in sent {
            timeout(self.patience, call.as_mut()).await.map_err(|_| silent())?;
            let answer = call.as_mut().take_output().expect("it is done and its output is taken once");
            answers.push(answer.map_err(of_postgres)?);
        }
        Ok(answers)
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        timeout(self.patience, self.client.batch_execute(sql)).await.map_err(|_| silent())?.map_err(of_postgres)
    }
}

/// Read committed whatever the server's default: each statement must see what the lock has waited for.
fn begin(settings: &KeycloakSettings, effect: Effect) -> String {
    let access = match effect {
        Effect::Delete => "READ WRITE",
        Effect::Count => "READ ONLY",
    };
    let (statement, lock) = (settings.statement_timeout.as_millis(), settings.lock_timeout.as_millis());
    // A worker that hangs in the middle must not keep people from logging in.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED {access}; SET LOCAL lock_timeout = {lock}; \
         SET LOCAL statement_timeout = {statement}; SET LOCAL idle_in_transaction_session_timeout = {statement}; {STAMP}"
    )
}

/// The table map against the database that the settings mean.
///
/// # Errors
/// What makes it impossible to look; whatever else refuses is in the map.
pub async fn table_map(settings: &KeycloakSettings, purge: &PurgeSettings) -> Result<TableMap, Failure> {
    let effect = if purge.mode == Some(PurgeMode::DryRun) { Effect::Count } else { Effect::Delete };
    let intent = Intent::of(effect, purge);
    let looking = async {
        let (client, _driver) = connect_bounded(settings, &Ends::default()).await?;
        let mut survey = Survey::take(&client, settings, intent).await?;
        if let Some(realm) = &survey.realm {
            survey.warnings.extend(ghosts(&client, settings, &realm.id).await?);
        }
        Ok(TableMap::of(survey))
    };
    timeout(CONNECT_PATIENCE + GRACE, looking).await.map_err(|_| silent())?
}
