//! Takes connections and speaks HTTP/1.1 on them, as the real service does.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::StandIn;
use crate::routes;

/// Play's own limit for a body.
const MAX_BODY: usize = 50 * 1024 * 1024;

/// The connection is to be closed without an answer: hyper does so when its service fails.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed without an answer")
    }
}

impl std::error::Error for Dropped {}

/// Serves every connection of `listener`, for good.
pub async fn serve(app: Arc<StandIn>, listener: TcpListener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers must not wait for an acknowledgement; where this fails the connection is gone anyway.
                stream.set_nodelay(true).ok();
                let app = Arc::clone(&app);
                let tasks = app.tasks.clone();
                tasks.spawn(serve_connection(app, stream));
            }
            // Out of file descriptors, for example: others may be closed soon.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Serves one connection until it ends; how it ends is the client's business.
pub async fn serve_connection(app: Arc<StandIn>, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { respond(app, request).await }
    });
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await.ok();
}

async fn respond(app: Arc<StandIn>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Dropped)?.to_bytes();
    let answer = routes::answer(&app, &Request::from_parts(head, body)).await?;
    Ok(app.header_case.apply(answer))
}
