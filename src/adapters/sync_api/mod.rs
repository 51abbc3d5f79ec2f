//! Sunbird's Sync API over HTTP: fills the role [`SearchIndex`].
//!
//! Here is how a call is made; what its answer means is in `answer` and `failure`. Block sizes, splitting, retries and the breaker
//! are the pipeline's.

mod answer;
mod failure;
mod retry_after;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a server of tests spawns at will")]
mod stub;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_trust;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use self::answer::Answer;
use self::failure::{Trouble, failure};
use super::secret::Secret;
use super::tls::{Ends, Keys, Trust};
use crate::domain::ids::{ObjectType, UserId};
use crate::ports::{CallResult, Failure, SearchIndex, Synced};
use crate::settings::{SyncMode, SyncSettings};

const KEYS: Keys = Keys { ca_file: "sync.ca_file", address: "sync.endpoint" };

/// Establishing a connection takes no longer than this even when a whole call may: a silent host is an outage.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Shorter than any server on the way keeps an idle connection (gateway 60 s, service 75 s): a reused one is not dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The answer for a thousand ids takes 50 KB; whatever is larger than this is not one.
const MAX_BODY: usize = 8 * 1024 * 1024;

pub struct SyncApi {
    client: Client,
    endpoint: Url,
    api_key: Secret,
    mode: SyncMode,
    ends: Ends,
}

impl SyncApi {
    /// Checks the settings, reads the CA file and the key; nothing is connected before the first call.
    pub fn new(settings: &SyncSettings) -> anyhow::Result<Self> {
        let endpoint = endpoint(&settings.endpoint)?;
        let api_key = Secret::of(&settings.api_key, "sync.api_key_file", settings.api_key_file.as_deref());
        authorization(&api_key.read()?)?;
        let ends = Ends::default();
        let builder = Client::builder()
            .user_agent(concat!("user-purge-sync/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            // Half of the whole: so that a host that does not answer at all is told from a slow call.
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout / 2))
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A redirected POST would become a GET, and could carry the key to another host.
            .redirect(redirect::Policy::none())
            // Repeating is the pipeline's: it counts attempts and knows pauses.
            .retry(retry::never())
            // Only the configuration says where users' ids are sent, never a proxy variable of the environment.
            .no_proxy();
        let builder = if endpoint.scheme() == "https" {
            let trust = Trust::of(KEYS, settings.ca_file.as_deref()).noting(&ends);
            builder.tls_backend_preconfigured(trust.client_config().context(KEYS.ca_file)?)
        } else {
            // Without TLS no roots are needed, and a small image has none.
            builder.tls_certs_only([])
        };
        let client = builder.build().context("the HTTP client for sync.endpoint cannot be set up")?;
        Ok(Self { client, endpoint, api_key, mode: settings.mode, ends })
    }

    /// When the certificates of the Sync API end.
    pub fn certificates(&self) -> Ends {
        self.ends.clone()
    }

    pub fn speaks_tls(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// A question without users or key, for the handshake alone: whatever is answered, or not, is fine.
    ///
    /// # Errors
    /// When the service cannot be reached, or its certificate is not believed.
    pub async fn greet(&self) -> Result<(), Failure> {
        match self.client.head(self.endpoint.clone()).send().await {
            // Connected, and silent: what answers to no such question may still be the service.
            Err(error) if !error.is_timeout() || error.is_connect() => {
                Err(failure(Trouble::Transport(error), &ObjectType::user()))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn call(&self, request: &Request<'_>, request_id: &str) -> Result<Answer, Trouble> {
        let mut call = self.client.post(self.endpoint.clone()).json(request);
        let api_key = self.api_key.read().map_err(|error| Trouble::Key(error.into()))?;
        if let Some(bearer) = authorization(&api_key).map_err(Trouble::Key)? {
            call = call.header(AUTHORIZATION, bearer);
        }
        // An id that cannot be a header is left out: a trace is not worth a user's failure.
        if let Ok(id) = HeaderValue::from_str(request_id) {
            call = call.header("X-Request-ID", id);
        }
        Answer::read(call.send().await?, MAX_BODY).await
    }
}

impl SearchIndex for SyncApi {
    fn sync<'a>(
        &'a self,
        object_type: &'a ObjectType,
        ids: &'a [UserId],
        request_id: &'a str,
    ) -> BoxFuture<'a, CallResult<Synced>> {
        async move {
            let request = Request::new(self.mode, object_type, ids);
            let answer = self.call(&request, request_id).await.map_err(|trouble| failure(trouble, object_type))?;
            let read = match self.mode {
                SyncMode::Verify => answer.verified(ids),
                SyncMode::Fire => answer.accepted(ids),
            };
            read.map_err(|trouble| failure(trouble, object_type))
        }
        .boxed()
    }
}

/// The service's envelope; `operationFor` and `objectType` are always sent, for without them the newer service routes
/// the call elsewhere (`facts/sunbird.md` 2.2).
#[derive(Serialize)]
struct Request<'a> {
    params: serde_json::Map<String, serde_json::Value>,
    request: RequestBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody<'a> {
    object_type: &'a str,
    operation_for: &'static str,
    /// Absent: the service answers at once and works later.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_type: Option<&'static str>,
    object_ids: Vec<&'a str>,
}

impl<'a> Request<'a> {
    fn new(mode: SyncMode, object_type: &'a ObjectType, ids: &'a [UserId]) -> Self {
        Self {
            params: serde_json::Map::new(),
            request: RequestBody {
                object_type: object_type.as_str(),
                operation_for: "es",
                operation_type: match mode {
                    SyncMode::Verify => Some("sync"),
                    SyncMode::Fire => None,
                },
                object_ids: ids.iter().map(UserId::as_str).collect(),
            },
        }
    }
}

/// The text itself is in no error: a URL is where people put passwords.
fn endpoint(text: &str) -> anyhow::Result<Url> {
    ensure!(!text.is_empty(), "sync.endpoint is empty: it wants the whole address of the Sync API");
    let url = Url::parse(text).context("sync.endpoint is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("sync.endpoint must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("sync.endpoint must not hold credentials: use sync.api_key");
    }
    Ok(url)
}

/// In-cluster the service wants no key, and an empty one sends no header.
fn authorization(api_key: &SecretString) -> anyhow::Result<Option<HeaderValue>> {
    let api_key = api_key.expose_secret();
    if api_key.is_empty() {
        return Ok(None);
    }
    let mut bearer = HeaderValue::from_str(&format!("Bearer {api_key}"))
        .ok()
        .context("sync.api_key holds characters that no HTTP header can (a line break at its end?)")?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}
