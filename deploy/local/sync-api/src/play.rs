//! Play's HTML pages: for a body that is not JSON, and for a path or method without a route.

use hyper::{Request, StatusCode};

use crate::sunbird::{Answer, html};

const PAGE: &str = include_str!("play_error_page.html");

pub(crate) fn not_found<B>(request: &Request<B>) -> Answer {
    page(StatusCode::NOT_FOUND, "Not Found", request, "")
}

/// `error` is where Jackson would stop reading `body`.
pub(crate) fn malformed_json<B>(request: &Request<B>, body: &[u8], error: &serde_json::Error) -> Answer {
    let (what, read) = if error.is_eof() {
        ("Unexpected end-of-input within/between Object entries".to_owned(), body.len())
    } else {
        // The real text depends on Jackson's state and is not reproduced.
        (format!("Unexpected character: {error}"), offset(body, error.line(), error.column()))
    };
    let before = &body[..read];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let detail = format!(
        " [Error decoding json body: com.fasterxml.jackson.core.JsonParseException: {what}\n at [Source: (akka.util.ByteIterator$ByteArrayIterator$$anon$1); line: {line}, column: {column}]]"
    );
    page(StatusCode::BAD_REQUEST, "Bad Request", request, &detail)
}

/// The byte before the one at 1-based `line` and `column`.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let starts =
        std::iter::once(0).chain(body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    let start = starts.take(line).last().unwrap_or(0);
    (start + column.saturating_sub(1)).min(body.len())
}

fn page<B>(status: StatusCode, title: &str, request: &Request<B>, detail: &str) -> Answer {
    let line = escape(&format!("{} {}", request.method(), request.uri()));
    // Order: what came from the caller goes in last, so that nothing in it is taken for a placeholder.
    let body = PAGE.replace("{title}", title).replace("{detail}", &escape(detail)).replace("{request}", &line);
    html(status, body)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}
