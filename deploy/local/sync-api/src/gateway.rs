//! What stands before the service in an installation: Kong (its plugins' messages) and the ingress (HTML). The texts are
//! those of the standard plugins of Kong 0.14, which Sunbird 8.0.0 installs; they were not recorded.

use hyper::header::AUTHORIZATION;
use hyper::{Request, Response, StatusCode};

use crate::sunbird::{self, Answer};

/// The key check of Kong's jwt plugin: whether `request` may pass, otherwise its answer.
pub(crate) fn unauthorized<B>(key: Option<&str>, request: &Request<B>) -> Option<Answer> {
    let key = key?;
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) if token.trim() == key => None,
        Some(_) => Some(kong(StatusCode::UNAUTHORIZED, "Bad token; invalid JSON")),
        None => Some(kong(StatusCode::UNAUTHORIZED, "Unauthorized")),
    }
}

pub(crate) fn too_large() -> Answer {
    kong(StatusCode::PAYLOAD_TOO_LARGE, "Request size limit exceeded")
}

/// The answer of mode `fail`.
pub(crate) fn failure<B>(status: u16, retry_after: Option<u64>, request: &Request<B>) -> Answer {
    let mut answer = match status {
        400 => sunbird::client_error(&sunbird::message_id(request), sunbird::BODY_INVALID),
        401 => kong(StatusCode::UNAUTHORIZED, "Unauthorized"),
        403 => kong(StatusCode::FORBIDDEN, "You cannot consume this service"),
        404 => kong(StatusCode::NOT_FOUND, "no API found with those values"),
        413 => too_large(),
        429 => rate_limited(),
        502 => nginx(StatusCode::BAD_GATEWAY),
        503 => nginx(StatusCode::SERVICE_UNAVAILABLE),
        _ => sunbird::actor_failed(&sunbird::message_id(request)),
    };
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert("retry-after", seconds.into());
    }
    answer
}

fn kong(status: StatusCode, message: &str) -> Answer {
    finish(Response::builder().status(status), message)
}

fn rate_limited() -> Answer {
    let response = Response::builder()
        .status(StatusCode::TOO_MANY_REQUESTS)
        .header("x-ratelimit-limit-hour", 5000)
        .header("x-ratelimit-remaining-hour", 0);
    finish(response, "API rate limit exceeded")
}

fn finish(response: hyper::http::response::Builder, message: &str) -> Answer {
    let body = format!(r#"{{"message":"{message}"}}"#);
    sunbird::finish(response.header("server", "kong/0.14.1"), "application/json; charset=utf-8", body)
}

fn nginx(status: StatusCode) -> Answer {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let title = title.replace("Unavailable", "Temporarily Unavailable");
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    sunbird::finish(Response::builder().status(status).header("server", "nginx"), "text/html", body)
}
