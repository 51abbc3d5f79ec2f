//! Keycloak's Admin API: ends access before a purge (`access`) and clears the user cache after it.
//!
//! The client's service account needs `manage-realm` (cache) and `manage-users` (sessions, consents, logout).

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::http_failure::{Subject, of_status, of_transport};
use super::token::Tokens;
use crate::adapters::secret::Secret;
use crate::adapters::tls::{Ends, Keys, Trust};
use crate::ports::{Blame, Disposition, Failure, UserCache};
use crate::settings::KeycloakSettings;

pub(super) const KEYS: Keys = Keys { ca_file: "keycloak.admin_api.ca_file", address: "keycloak.admin_api.url" };

/// A client of the configured realm's Admin API.
pub struct AdminApi {
    http: Client,
    realm: Url,
    tokens: Tokens,
    concurrency: usize,
    /// Bounds the calls of all blocks together.
    permits: Semaphore,
    ends: Ends,
}

impl AdminApi {
    /// Reads the certificates to trust; asks nobody.
    ///
    /// # Errors
    /// The address or the certificates cannot be used.
    pub fn try_new(settings: &KeycloakSettings) -> anyhow::Result<Self> {
        let api = &settings.admin_api;
        let base = Url::parse(&api.url).context("keycloak.admin_api.url")?;
        anyhow::ensure!(
            base.scheme() == "http" || base.scheme() == "https",
            "keycloak.admin_api.url: not http or https"
        );
        let ends = Ends::default();
        let builder = if base.scheme() == "https" {
            let trust = Trust::of(KEYS, api.ca_file.as_deref()).noting(&ends);
            Client::builder().tls_backend_preconfigured(trust.client_config().context(KEYS.ca_file)?)
        } else {
            // Without TLS no roots are needed, and a small image has none.
            Client::builder().tls_certs_only([])
        };
        let http = builder
            .timeout(api.timeout)
            // A redirect would turn a POST into a GET that succeeds.
            .redirect(redirect::Policy::none())
            .build()
            .context("keycloak.admin_api")?;
        let endpoint = below(&base, &["realms", &settings.realm, "protocol", "openid-connect", "token"]);
        let concurrency = api.concurrency.max(1);
        let file = api.client_secret_file.as_deref();
        let secret = Secret::of(&api.client_secret, "keycloak.admin_api.client_secret_file", file);
        Ok(Self {
            http,
            realm: below(&base, &["admin", "realms", &settings.realm]),
            tokens: Tokens::new(endpoint, api.client_id.clone(), secret),
            concurrency,
            permits: Semaphore::new(concurrency),
            ends,
        })
    }

    /// When the certificates of the Admin API end.
    pub fn certificates(&self) -> Ends {
        self.ends.clone()
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Reads something about a user; `None` when Keycloak does not know the user.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Failure> {
        match self.on_user(Method::GET, path).await? {
            Some(response) => Ok(Some(response.json().await.map_err(of_transport)?)),
            None => Ok(None),
        }
    }

    /// Does something to a user; that there is nothing to do it to is fine.
    pub(super) async fn act_on_user(&self, method: Method, path: &[&str]) -> Result<(), Failure> {
        self.on_user(method, path).await.map(drop)
    }

    async fn on_user(&self, method: Method, path: &[&str]) -> Result<Option<Response>, Failure> {
        let response = self.send(method, path).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            status => Err(of_status(status, response.headers(), Subject::User)),
        }
    }

    async fn on_realm(&self, method: Method, path: &[&str]) -> Result<(), Failure> {
        let response = self.send(method, path).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(of_status(response.status(), response.headers(), Subject::Realm))
    }

    /// One call. A token that Keycloak refuses (its keys were rotated, it restarted) is renewed once.
    async fn send(&self, method: Method, path: &[&str]) -> Result<Response, Failure> {
        let closed = |_| Failure::new(Disposition::Retry(Blame::Server), "closed");
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let url = below(&self.realm, path);
        let mut renewed = false;
        loop {
            let bearer = self.tokens.get(&self.http).await?;
            let mut request = self.http.request(method.clone(), url.clone()).bearer_auth(bearer.expose_secret());
            if method == Method::POST {
                request = request.header(CONTENT_LENGTH, 0);
            }
            let response = request.send().await.map_err(of_transport)?;
            if response.status() != StatusCode::UNAUTHORIZED || renewed {
                return Ok(response);
            }
            self.tokens.refused(&bearer).await;
            renewed = true;
        }
    }
}

/// Each part is one segment of the path, whatever it holds: `f:provider:a/b%` stays one id.
fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

impl UserCache for AdminApi {
    fn clear(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.on_realm(Method::POST, &["clear-user-cache"]).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.on_realm(Method::GET, &[]).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
        let base = Url::parse("http://keycloak/auth/").unwrap();
        let url = below(&base, &["users", "f:p:a/b%2F?#ü x", "logout"]);
        assert_eq!(url.path(), "/auth/users/f:p:a%2Fb%252F%3F%23%C3%BC%20x/logout");
        assert!(url.query().is_none() && url.fragment().is_none());
    }
}
