//! Stands in for Sunbird's Sync API: answers byte for byte like the recorded service, reads the users from the stack's
//! Cassandra, and can be told over HTTP to fail in every way that the real one, its stores and its gateway can.
//!
//! `sync` is the way of a call, `block` the work on its ids, `behaviour` what a test can turn; `sunbird`, `play` and
//! `gateway` write answers.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub mod behaviour;
mod block;
pub mod calls;
pub mod cassandra;
pub mod documents;
mod gateway;
mod hash_order;
mod header_case;
pub mod options;
mod play;
mod request;
mod routes;
pub mod rows;
pub mod server;
mod sunbird;
mod sync;

use behaviour::BehaviourSwitch;
use calls::CallLog;
use documents::Documents;
use header_case::HeaderCase;
use rows::RowSource;

/// What stays as it was started; `behaviour` is what can be turned.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time for an id whose row exists.
    pub per_id: Duration,
    /// Time for an id without a row.
    pub per_missing_id: Duration,
    /// After this long a call is answered 500 while its work goes on.
    pub server_limit: Duration,
    /// Blocks worked on at once; more wait in the order of their arrival.
    pub blocks: usize,
    /// With a key there is a gateway in front, which wants it as a bearer token.
    pub api_key: Option<String>,
    /// Largest body, in bytes, that the gateway lets through.
    pub max_body: Option<usize>,
}

impl Default for Settings {
    /// The real service on a development machine, without a gateway.
    fn default() -> Self {
        Self {
            per_id: Duration::from_millis(8),
            per_missing_id: Duration::from_millis(2),
            server_limit: Duration::from_secs(10),
            blocks: 4,
            api_key: None,
            max_body: None,
        }
    }
}

/// The whole of one stand-in.
pub struct StandIn {
    settings: Settings,
    rows: Arc<dyn RowSource>,
    behaviour: BehaviourSwitch,
    documents: Documents,
    calls: Arc<CallLog>,
    places: Semaphore,
    tasks: TaskTracker,
    header_case: HeaderCase,
}

impl StandIn {
    pub async fn build(settings: Settings, rows: Arc<dyn RowSource>) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            places: Semaphore::new(settings.blocks),
            settings,
            rows,
            behaviour: BehaviourSwitch::new(),
            documents: Documents::default(),
            calls: Arc::default(),
            tasks: TaskTracker::new(),
            header_case: HeaderCase::learn().await?,
        }))
    }
}
