//! When access is ended: before the rows go, again for whoever logs in meanwhile, and once more when the rows are gone.
//!
//! Keycloak finds an offline session by its row, and knows an online one, before 25, in its memory alone. So no row of a
//! session may go that Keycloak has not ended, and whoever logged in while the rows went is looked up afterwards.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::access::AccessEnd;
use super::admin_api::AdminApi;
use super::block::Block;
use super::connection::{Call, Connection};
use super::protect::{self, Look};
use crate::ports::Failure;

/// How long a login is under way, on a server that is busy with hashing passwords.
const FLIGHT: Duration = Duration::from_secs(2);
/// Looks at who is still logging in. What is later than all of them is the sweep's.
const LOOKS: usize = 5;

/// Of exactly those who are about to be purged, under each id that Keycloak knows. Whether one of them is there right now, and
/// may be logging in again: whoever deletes their own account is.
pub(super) async fn before(
    connection: &Connection,
    block: &mut Block<'_>,
    admin_api: &AdminApi,
) -> Result<bool, Failure> {
    protect::look(connection, block, Look::BeforeTheLock).await?;
    keep_the_heavy(connection, block).await?;
    let (ids, realm) = (block.ids(), &connection.schema.realm_id);
    let known = connection.pipeline(&[Call::new(&connection.statements.known, vec![&ids, realm])]).await?;
    let known: HashSet<String> = known.iter().flatten().map(|row| row.get(0)).collect();
    let Clients { mut of, online } = clients_of(connection, &ids).await?;
    let ends: Vec<_> = block
        .ids_to_end(&known)
        .into_iter()
        .map(|end| AccessEnd { clients: of.remove(&end.id).unwrap_or_default(), id: end.id, known: end.has_rows })
        .collect();
    end(block, admin_api, &ends).await?;
    Ok(online)
}

/// Of those who have a session again. The others are ended already.
pub(super) async fn again(connection: &Connection, block: &mut Block<'_>, admin_api: &AdminApi) -> Result<(), Failure> {
    let Clients { of, .. } = clients_of(connection, &block.ids()).await?;
    if of.is_empty() {
        return before(connection, block, admin_api).await.map(drop);
    }
    let ends: Vec<_> = of.into_iter().map(|(id, clients)| AccessEnd { id, clients, known: true }).collect();
    end(block, admin_api, &ends).await
}

/// Of those whose login was under way when their rows went: without a password nobody begins another. A local user has no
/// access any more as soon as the cache is cleared.
pub(super) async fn after(
    connection: &Connection,
    block: &mut Block<'_>,
    admin_api: &AdminApi,
    active: bool,
) -> Result<(), Failure> {
    let mut ids: Vec<String> = block.ids_to_end(&HashSet::new()).into_iter().map(|end| end.id).collect();
    if active {
        tokio::time::sleep(FLIGHT).await;
    }
    for _ in 0..LOOKS {
        let mut clients = clients_of(connection, &ids).await?.of;
        let ends: Vec<_> = ids
            .into_iter()
            .map(|id| AccessEnd { clients: clients.remove(&id).unwrap_or_default(), id, known: false })
            .collect();
        let results = admin_api.end_stragglers(&ends).await?;
        ids = Vec::new();
        for (end, result) in ends.into_iter().zip(results) {
            match result {
                Ok(true) => ids.push(end.id),
                Ok(false) => {}
                Err(failure) => block.fail(&end.id, failure),
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(FLIGHT).await;
    }
    Ok(())
}

async fn end(block: &mut Block<'_>, admin_api: &AdminApi, ends: &[AccessEnd]) -> Result<(), Failure> {
    for (end, result) in ends.iter().zip(admin_api.end_access(ends).await?) {
        if let Err(failure) = result {
            block.fail(&end.id, failure);
        }
    }
    Ok(())
}

/// The clients of each user's sessions, as the database has them.
#[derive(Default)]
struct Clients {
    of: HashMap<String, Vec<String>>,
    /// One of the sessions is online: since Keycloak 25 they are in the database too.
    online: bool,
}

async fn clients_of(connection: &Connection, ids: &Vec<String>) -> Result<Clients, Failure> {
    let call = Call::new(&connection.statements.clients, vec![ids, &connection.schema.realm_id]);
    let mut clients = Clients::default();
    for row in connection.pipeline(&[call]).await?.iter().flatten() {
        clients.of.entry(row.get(0)).or_default().push(row.get(1));
        clients.online |= row.get::<_, bool>(2);
    }
    Ok(clients)
}

/// Order: before access is ended, since a logout writes rows and a revocation removes some; who is kept is kept whole.
async fn keep_the_heavy(connection: &Connection, block: &mut Block<'_>) -> Result<(), Failure> {
    if !block.has_max_rows() {
        return Ok(());
    }
    let (ids, realm) = (block.ids(), &connection.schema.realm_id);
    let weights = connection.pipeline(&[Call::new(&connection.statements.weights, vec![&ids, realm])]).await?;
    block.keep_those_of(weights.iter().flatten().map(|row| (row.get(0), row.get(1))));
    Ok(())
}
