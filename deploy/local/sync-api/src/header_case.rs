//! The spelling of header names. Play and Kong write some names as `X-XSS-Protection`, others as `x-response-length`; hyper
//! writes lower case unless a response carries the spelling that hyper itself saw while reading. So one answer with all
//! names is read through hyper once, and every answer carries what was learned from it.

use anyhow::Context as _;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::http::Extensions;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Every header name that an answer can have, spelled as its real sender spells it.
const NAMES: [&str; 16] = [
    "Referrer-Policy",
    "X-Frame-Options",
    "X-XSS-Protection",
    "x-response-length",
    "X-Content-Type-Options",
    "Access-Control-Allow-Origin",
    "X-Permitted-Cross-Domain-Policies",
    "Content-Type",
    "Date",
    "Connection",
    "Server",
    "Retry-After",
    "X-RateLimit-Limit-hour",
    "X-RateLimit-Remaining-hour",
    "Location",
    "content-length",
];

/// What hyper keeps of the spelling: put it into a response's extensions.
#[derive(Clone)]
pub(crate) struct HeaderCase(Extensions);

impl HeaderCase {
    pub(crate) async fn learn() -> anyhow::Result<Self> {
        let (near, mut far) = tokio::io::duplex(4096);
        let (mut sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(near))
            .await
            .context("header names: handshake")?;
        let ask = async move { sender.send_request(Request::new(Empty::new())).await };
        let answer = async move {
            // Order: hyper takes an answer only after it has sent its request.
            far.read_u8().await?;
            far.write_all(spelled().as_bytes()).await?;
            // The rest of the request is taken until hyper closes, so that it never finds the pipe broken.
            tokio::io::copy(&mut far, &mut tokio::io::sink()).await
        };
        let (response, _, _) = tokio::join!(ask, connection, answer);
        Ok(Self(response.context("header names: answer")?.into_parts().0.extensions))
    }

    pub(crate) fn apply<B>(&self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().extend(self.0.clone());
        response
    }
}

fn spelled() -> String {
    let headers: String = NAMES.iter().map(|name| format!("{name}: 0\r\n")).collect();
    // "Connection: 0" says nothing, and the body is empty.
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
}
