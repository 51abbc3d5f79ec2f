//! Sunbird's search index, asked about one user. Read-only: what is in it is the Sync API's.
//!
//! Elasticsearch 6.8 and 7, and `OpenSearch`, which Sunbird runs (`facts/sunbird.md` 7.1), answer a search by ids alike.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;
use serde_json::json;

use super::tls::{self, Keys, Trust};
use crate::domain::ids::UserId;
use crate::ports::{Blame, Disposition, Failure};
use crate::settings::SearchSettings;

const KEYS: Keys = Keys { ca_file: "search.ca_file", address: "search.endpoint" };
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Two numbers of one document, and what the index says of itself.
const MAX_BODY: usize = 64 * 1024;

/// The index of users.
pub struct UserIndex {
    client: Client,
    url: Url,
}

/// What the index shows of a user, without anything personal: nothing else is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// As in Cassandra: 2 is deleted.
    pub status: Option<i64>,
    pub is_deleted: Option<bool>,
}

impl UserIndex {
    /// `None` where no endpoint is configured. Nothing is connected yet.
    ///
    /// # Errors
    /// When the endpoint, or the CA file, cannot be used.
    pub fn of(settings: &SearchSettings) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let url = format!("{}/{}/_search", endpoint.trim_end_matches('/'), settings.index);
        let url = Url::parse(&url).context("search.endpoint")?;
        let builder = Client::builder()
            .user_agent(concat!("user-purge-sync/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .redirect(redirect::Policy::none())
            // Only the configuration says where users' ids are sent, never a proxy variable of the environment.
            .no_proxy();
        let builder = if url.scheme() == "https" {
            let trust = Trust::of(KEYS, settings.ca_file.as_deref()).client_config();
            builder.tls_backend_preconfigured(trust.context(KEYS.ca_file)?)
        } else {
            builder.tls_certs_only([])
        };
        Ok(Some(Self { client: builder.build().context("search.endpoint")?, url }))
    }

    /// `None` when the index does not know the user.
    ///
    /// # Errors
    /// When it does not answer, or not as an index does.
    pub async fn document(&self, user: &UserId) -> Result<Option<Document>, Failure> {
        let question = json!({
            "size": 1,
            "_source": ["status", "isDeleted"],
            "query": {"ids": {"values": [user.as_str()]}},
        });
        let answer = self.client.post(self.url.clone()).json(&question).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer.status()));
        }
        let body = answer.bytes().await.map_err(unreachable)?;
        if body.len() > MAX_BODY {
            return Err(Failure::new(Disposition::Hold, "search_answer"));
        }
        let found: Answer = serde_json::from_slice(&body)
            .map_err(|error| Failure::new(Disposition::Hold, "search_answer").because(error))?;
        Ok(found.hits.hits.into_iter().next().map(|hit| hit.source))
    }
}

#[derive(Deserialize)]
struct Answer {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Document,
}

/// Without the address: it is in the configuration, and the error would repeat it.
fn unreachable(error: reqwest::Error) -> Failure {
    if let Some(refusal) = tls::refusal(&error, KEYS) {
        return Failure::new(Disposition::Hold, "certificate").because(refusal);
    }
    Failure::new(Disposition::Retry(Blame::Server), "search_unreachable").because(error.without_url())
}

/// 429 and 5xx pass; all else a person must mend: the name of the index, a right.
fn refused(status: StatusCode) -> Failure {
    let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let disposition = if passes { Disposition::Retry(Blame::Server) } else { Disposition::Hold };
    Failure::new(disposition, format!("http_{}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_a_person_must_mend() {
        let passing = Disposition::Retry(Blame::Server);
        for (status, disposition, reason) in [
            (503, passing, "http_503"),
            (429, passing, "http_429"),
            (401, Disposition::Hold, "http_401"),
            (404, Disposition::Hold, "http_404"),
            (302, Disposition::Hold, "http_302"),
        ] {
            let failure = refused(StatusCode::from_u16(status).unwrap());
            assert_eq!((failure.disposition, failure.story()), (disposition, reason.to_owned()));
        }
    }
}
