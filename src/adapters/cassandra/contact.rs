//! First contact with Cassandra: a session, and the checks that must pass before anything is read through it.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::caching_session::CachingSession;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::DefaultRetryPolicy;

use super::failure::{Trouble, failure};
use super::login::Login;
use super::target::Target;
use crate::domain::ids::ObjectType;
use crate::ports::{Disposition, Failure};

/// Of statements: a few for each object type.
const CACHE: usize = 64;

/// A connection that a firewall forgot is noticed after this and the timeout of a request.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// As many names as a person wants to read.
const SHOWN: usize = 20;

/// The columns of the user table that are read, with their types. `id` must be the key.
const COLUMNS: [(&str, &str); 5] =
    [("id", "text"), ("status", "int"), ("isdeleted", "boolean"), ("rootorgid", "text"), ("managedby", "text")];

/// A session whose keyspace, user table and columns have been seen.
pub(super) async fn contact(target: &Target) -> Result<CachingSession, Failure> {
    let session = connect(target).await.map_err(failure)?;
    // Order: with a datacenter that does not exist no statement finds a node, the ones below neither.
    check_datacenter(target, &session)?;
    check_table(target, &session).await?;
    Ok(CachingSession::from(session, CACHE))
}

async fn connect(target: &Target) -> Result<Session, Trouble> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &target.local_datacenter {
        policy = policy.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(target.consistency)
        .request_timeout(Some(target.timeout))
        .load_balancing_policy(policy.build())
        // Bounded: each node at most once, all of it within the request's timeout. It hides the loss of one node of
        // several; pauses and further attempts are the pipeline's.
        .retry_policy(Arc::new(DefaultRetryPolicy::new()))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&target.nodes)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(target.timeout)
        .hostname_resolution_timeout(Some(target.timeout))
        .metadata_request_serverside_timeout(target.timeout)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(target.timeout)
        .keyspaces_to_fetch([target.keyspace.as_str()])
        // Routing needs the keyspace's replication, not every table's columns.
        .fetch_full_schema_metadata(false)
        .tls_context(target.trust.clone());
    if let Some((user, password)) = &target.credentials {
        builder = builder.authenticator_provider(Arc::new(Login::new(user, password)));
    }
    Ok(builder.build().await?)
}

fn check_datacenter(target: &Target, session: &Session) -> Result<(), Failure> {
    let Some(wanted) = &target.local_datacenter else { return Ok(()) };
    let state = session.get_cluster_state();
    let mut found: Vec<_> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.clone()).collect();
    found.sort();
    found.dedup();
    // None at all: the driver could not read them yet, and goes on trying.
    if found.is_empty() || found.contains(wanted) {
        return Ok(());
    }
    Err(hold("no_datacenter", format!("cassandra.local_datacenter: no {wanted:?} here; found: {}", list(&found))))
}

async fn check_table(target: &Target, session: &Session) -> Result<(), Failure> {
    let keyspace = target.keyspace.as_str();
    let keyspaces = names(session, "SELECT keyspace_name FROM system_schema.keyspaces", ()).await?;
    if !keyspaces.iter().any(|found| found == keyspace) {
        let others: Vec<_> = keyspaces.into_iter().filter(|name| !name.starts_with("system")).collect();
        let found = list(&others);
        return Err(hold("no_keyspace", format!("cassandra.keyspace: no {keyspace:?} here; found: {found}")));
    }
    let Some(table) = target.table(&ObjectType::user()) else { return Ok(()) };
    let table = table.as_str();
    let statement = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let tables = names(session, statement, (keyspace,)).await?;
    if !tables.iter().any(|found| found == table) {
        let found = list(&tables);
        return Err(hold("no_table", format!("cassandra.tables.user: no {keyspace}.{table} here; found: {found}")));
    }
    let missing = missing_columns(session, keyspace, table).await?;
    if !missing.is_empty() {
        let wanted = missing.join(", ");
        return Err(hold("no_column", format!("cassandra.tables.user: {keyspace}.{table} is no user table: {wanted}")));
    }
    Ok(())
}

/// What is wrong with the columns, one sentence each.
async fn missing_columns(session: &Session, keyspace: &str, table: &str) -> Result<Vec<String>, Failure> {
    let statement =
        "SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
    let result = session.query_unpaged(statement, (keyspace, table)).await.map_err(failure)?;
    let rows = result.into_rows_result().map_err(|error| failure(Trouble::Shape(error.into())))?;
    let found = rows
        .rows::<(String, String, String)>()
        .map_err(|error| failure(Trouble::Shape(error.into())))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failure(Trouble::Shape(error.into())))?;
    Ok(COLUMNS
        .iter()
        .filter_map(|(name, wanted)| match found.iter().find(|(column, _, _)| column == name) {
            None => Some(format!("no column {name}")),
            Some((_, found, _)) if found != wanted => Some(format!("{name} is {found}, not {wanted}")),
            Some((_, _, kind)) if *name == "id" && kind != "partition_key" => Some("id is not its key".to_owned()),
            Some(_) => None,
        })
        .collect())
}

async fn names(
    session: &Session,
    statement: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<Vec<String>, Failure> {
    let result = session.query_unpaged(statement, values).await.map_err(failure)?;
    let rows = result.into_rows_result().map_err(|error| failure(Trouble::Shape(error.into())))?;
    let mut names = rows
        .rows::<(String,)>()
        .map_err(|error| failure(Trouble::Shape(error.into())))?
        .map(|row| row.map(|(name,)| name))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failure(Trouble::Shape(error.into())))?;
    names.sort();
    Ok(names)
}

fn hold(reason: &'static str, what_was_found: String) -> Failure {
    Failure::new(Disposition::Hold, reason).because(what_was_found)
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ if names.len() > SHOWN => format!("{}, … ({} in all)", names[..SHOWN].join(", "), names.len()),
        _ => names.join(", "),
    }
}
