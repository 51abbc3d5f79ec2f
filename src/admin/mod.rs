//! Health, metrics and the page over HTTP, on a thread and a runtime of their own: they answer while the pipeline is stuck.

mod health;
mod hour;
pub mod overview;
mod page;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use self::overview::Overview;
use crate::metrics::Metrics;
pub use health::Health;

/// What there is to be seen.
#[derive(Clone)]
pub struct Shown {
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
    pub overview: Arc<Overview>,
}

/// Serves until the process ends; returns where, since `listen` may say port 0.
///
/// # Errors
/// When `listen` is no address, or it cannot be bound: another process has the port.
pub fn serve(listen: &str, shown: Shown) -> anyhow::Result<SocketAddr> {
    let address: SocketAddr =
        listen.parse().with_context(|| format!("http.listen must be an address and a port, is {listen:?}"))?;
    // Order: bound here, so that a port in use ends the start and not a thread that nobody watches.
    let listener = TcpListener::bind(address)
        .with_context(|| format!("nothing can be served at {address}; choose another http.listen"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(answer(listener, routes(shown))) {
            tracing::error!(%error, "health and metrics are served no more");
        }
    })?;
    Ok(bound)
}

async fn answer(listener: TcpListener, routes: Router) -> std::io::Result<()> {
    axum::serve(tokio::net::TcpListener::from_std(listener)?, routes).await
}

fn routes(shown: Shown) -> Router {
    page::routes()
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/ready", get(ready))
        .route("/startupz", get(started))
        .with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], shown.metrics.render())
}

async fn live(State(shown): State<Shown>) -> impl IntoResponse {
    verdict(shown.health.live(), "the poll thread is silent")
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    verdict(shown.health.ready(), "not a member of the consumer group, or stopping")
}

async fn started(State(shown): State<Shown>) -> impl IntoResponse {
    verdict(shown.health.started(), "starting")
}

fn verdict(good: bool, otherwise: &'static str) -> (StatusCode, &'static str) {
    if good { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, otherwise) }
}
