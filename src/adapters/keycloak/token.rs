//! The Admin API's access token: fetched with client credentials, kept until shortly before it expires.

use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::http_failure::{of_secret_file, of_token_status, of_transport};
use crate::adapters::secret::Secret;
use crate::ports::Failure;

/// A token is renewed when so much of its life is left, at most half of it.
const RENEW_BEFORE: Duration = Duration::from_secs(10);

/// Where tokens come from, and the current one.
pub(super) struct Tokens {
    endpoint: Url,
    client_id: String,
    client_secret: Secret,
    current: Mutex<Option<Token>>,
}

struct Token {
    bearer: SecretString,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(endpoint: Url, client_id: String, client_secret: Secret) -> Self {
        Self { endpoint, client_id, client_secret, current: Mutex::new(None) }
    }

    /// A token that is not about to expire. Calls that need a new one wait for the same.
    pub(super) async fn get(&self, http: &Client) -> Result<SecretString, Failure> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.bearer.clone());
        }
        let token = self.fetch(http).await?;
        Ok(current.insert(token).bearer.clone())
    }

    /// Forgets a token that Keycloak refused, unless another call has renewed it meanwhile.
    pub(super) async fn refused(&self, bearer: &SecretString) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.bearer.expose_secret() == bearer.expose_secret()) {
            *current = None;
        }
    }

    async fn fetch(&self, http: &Client) -> Result<Token, Failure> {
        let client_secret = self.client_secret.read().map_err(of_secret_file)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", client_secret.expose_secret()),
        ];
        let asked = Instant::now();
        let response = http.post(self.endpoint.clone()).form(&form).send().await.map_err(of_transport)?;
        if !response.status().is_success() {
            return Err(of_token_status(response.status(), response.headers()));
        }
        let answer: Answer = response.json().await.map_err(of_transport)?;
        let life = Duration::from_secs(answer.expires_in);
        Ok(Token { bearer: answer.access_token, renew_at: asked + life.saturating_sub(RENEW_BEFORE).max(life / 2) })
    }
}
