//! `POST /v1/data/sync`: what the gateway lets through, what the behaviour makes of it, and the service's own answer.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::behaviour::{Behaviour, Mode};
use crate::request::{Operation, Refusal, SyncRequest};
use crate::server::Dropped;
use crate::sunbird::{self, Answer};
use crate::{StandIn, block, gateway, request};

pub(crate) async fn answer(app: &Arc<StandIn>, request: &Request<Bytes>) -> Result<Answer, Dropped> {
    let read = request::read(request);
    let ids = read.as_ref().map_or_else(|_| Vec::new(), SyncRequest::text_ids);
    let request_id =
        request.headers().get("x-request-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let call = app.calls.begin(request_id, ids);
    let answer = behave(app, request, read).await;
    call.end(answer.as_ref().map_or_else(|_| "closed".to_owned(), |answer| answer.status().as_u16().to_string()));
    answer
}

async fn behave(
    app: &Arc<StandIn>,
    request: &Request<Bytes>,
    read: Result<SyncRequest, Refusal>,
) -> Result<Answer, Dropped> {
    if let Some(refusal) = gateway::unauthorized(app.settings.api_key.as_deref(), request) {
        return Ok(refusal);
    }
    let behaviour = app.behaviour.claim();
    if let Some(pause) = behaviour.per_call {
        sleep(pause.0).await;
    }
    if is_too_large(app, &behaviour, request.body().len(), &read) {
        return Ok(gateway::too_large());
    }
    match (behaviour.mode, behaviour.status) {
        (Mode::Fail, Some(status)) => return Ok(gateway::failure(status, behaviour.retry_after, request)),
        (Mode::Close, _) => return Err(Dropped),
        (Mode::Hang, _) => match behaviour.after {
            Some(pause) => sleep(pause.0).await,
            None => std::future::pending().await,
        },
        _ => {}
    }
    match read {
        Ok(read) => serve(app, &sunbird::message_id(request), read, behaviour.mode).await,
        Err(refusal) => Ok(refusal.answer(request)),
    }
}

fn is_too_large(app: &StandIn, behaviour: &Behaviour, bytes: usize, read: &Result<SyncRequest, Refusal>) -> bool {
    let ids = read.as_ref().map_or(0, SyncRequest::id_count);
    let max_bytes = behaviour.max_bytes.or(app.settings.max_body);
    max_bytes.is_some_and(|max| bytes > max) || behaviour.max_ids.is_some_and(|max| ids > max)
}

/// The service's own way, with two ways of losing the answer on top.
async fn serve(app: &Arc<StandIn>, message_id: &str, read: SyncRequest, mode: Mode) -> Result<Answer, Dropped> {
    let operation = read.operation;
    let deadline = Instant::now() + app.settings.server_limit;
    let work = block::start(app, read);
    if mode == Mode::ApplyThenLoseAnswer {
        work.await.map_err(|_| Dropped)?.ok();
        return Err(Dropped);
    }
    if mode != Mode::Timeout && operation == Operation::Fire {
        return Ok(sunbird::accepted(message_id));
    }
    match timeout_at(deadline, work).await {
        Ok(Ok(Ok(done))) if mode != Mode::Timeout && operation == Operation::Verified => {
            Ok(sunbird::block_done(message_id, &done))
        }
        Ok(Ok(Ok(_))) => {
            sleep_until(deadline).await;
            Ok(sunbird::actor_failed(message_id))
        }
        _ => Ok(sunbird::actor_failed(message_id)),
    }
}
