//! The page: three files of this program and one document, nothing from elsewhere, and no browser may fetch it from there.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::Shown;

const HTML: &str = include_str!("page/overview.html");
const CSS: &str = include_str!("page/overview.css");

const SCRIPT: &str =
    concat!(include_str!("page/draw.js"), include_str!("page/plot.js"), include_str!("page/overview.js"));

/// Only what this port serves is loaded, and text that is not ours cannot become script: reasons come from dependencies.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Shown> {
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", HTML)))
        .route("/overview.css", get(async || file("text/css; charset=utf-8", CSS)))
        .route("/overview.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/overview.json", get(overview))
}

async fn overview(State(shown): State<Shown>) -> impl IntoResponse {
    file("application/json", shown.overview.render(shown.health.ready()))
}

fn file(kind: &'static str, body: impl IntoResponse) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body)
}
