//! Which path leads where: the service's own, and those that a test looks at and turns.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::StandIn;
use crate::behaviour::Behaviour;
use crate::play;
use crate::server::Dropped;
use crate::sunbird::{self, Answer};
use crate::sync;

const SYNC: &str = "/v1/data/sync";
/// The path that Kong publishes; there only with a key, as without one there is no gateway.
const PUBLIC_SYNC: &str = "/api/data/v1/index/sync";
/// Calls that `GET /calls` shows unless `?last=` says otherwise.
const LAST_CALLS: usize = 20;

pub(crate) async fn answer(app: &Arc<StandIn>, request: &Request<Bytes>) -> Result<Answer, Dropped> {
    let path = request.uri().path();
    let has_gateway = app.settings.api_key.is_some();
    if request.method() == Method::POST && (path == SYNC || path == PUBLIC_SYNC && has_gateway) {
        return sync::answer(app, request).await;
    }
    Ok(control(app, request).unwrap_or_else(|| play::not_found(request)))
}

fn control(app: &StandIn, request: &Request<Bytes>) -> Option<Answer> {
    let path = request.uri().path();
    let answer = match (request.method().as_str(), path) {
        ("GET", "/documents") => ok(&app.documents.summary(query(request, "ids"))),
        ("DELETE", "/documents") => {
            app.documents.clear();
            ok(&app.documents.summary(None))
        }
        ("GET", "/calls") => {
            let last = query(request, "last").map_or(Ok(LAST_CALLS), str::parse);
            match last {
                Ok(last) => ok(&app.calls.summary(last)),
                Err(error) => refused(&format!("last: {error}")),
            }
        }
        ("DELETE", "/calls") => {
            app.calls.clear();
            ok(&app.calls.summary(0))
        }
        ("GET", "/behaviour") => ok(&*app.behaviour.current()),
        ("DELETE", "/behaviour") => told(app, Behaviour::default()),
        ("PUT", "/behaviour") => match Behaviour::parse(request.body()) {
            Ok(behaviour) => told(app, behaviour),
            Err(error) => refused(&error),
        },
        ("GET", _) => document(app, path.strip_prefix("/documents/")?),
        _ => return None,
    };
    Some(answer)
}

fn document(app: &StandIn, id: &str) -> Answer {
    match app.documents.get(id) {
        Some(document) => ok(&document),
        None => answer_json(StatusCode::NOT_FOUND, &json!({"error": format!("no document {id}")})),
    }
}

fn told(app: &StandIn, behaviour: Behaviour) -> Answer {
    app.behaviour.set(behaviour);
    ok(&*app.behaviour.current())
}

fn refused(error: &str) -> Answer {
    answer_json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

fn ok(value: &impl Serialize) -> Answer {
    answer_json(StatusCode::OK, value)
}

fn answer_json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_string(value).expect("maps have text keys only");
    sunbird::finish(Response::builder().status(status), "application/json", body)
}

fn query<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}
