//! Users made and used through Keycloak itself: its Admin API and its logins.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::Stack;

/// Shorter than Keycloak's minute.
const GOOD: Duration = Duration::from_secs(40);

/// Keycloak as an administrator and as its users see it.
#[derive(Debug)]
pub struct Accounts {
    stack: Stack,
    http: reqwest::Client,
    /// Good for a minute, and when it was given.
    token: tokio::sync::Mutex<(String, Instant)>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
}

impl Accounts {
    /// # Errors
    /// When Keycloak does not answer, or knows no such administrator.
    pub async fn connect(stack: &Stack) -> anyhow::Result<Self> {
        let http = reqwest::Client::new();
        let token = administrator(&http, stack).await?;
        Ok(Self { stack: stack.clone(), http, token: tokio::sync::Mutex::new((token, Instant::now())) })
    }

    async fn bearer(&self) -> anyhow::Result<String> {
        let mut token = self.token.lock().await;
        if token.1.elapsed() > GOOD {
            *token = (administrator(&self.http, &self.stack).await?, Instant::now());
        }
        Ok(token.0.clone())
    }

    fn admin(&self, path: &str) -> String {
        format!("{}/admin/realms/{}/{path}", self.stack.keycloak.url, self.stack.keycloak.realm)
    }

    /// A local user with a password; gives back the id that Keycloak chose.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn create_local(&self, user_name: &str, password: &str) -> anyhow::Result<String> {
        let user = json!({
            "username": user_name,
            "enabled": true,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        });
        let answer = self.http.post(self.admin("users")).bearer_auth(self.bearer().await?).json(&user).send().await?;
        let answer = answer.error_for_status()?;
        let place = answer.headers().get("location").context("a new user has a location")?.to_str()?;
        Ok(place.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Keycloak's own deletion of a user; its answer, whatever it is.
    ///
    /// # Errors
    /// When Keycloak does not answer.
    pub async fn delete(&self, id: &str) -> anyhow::Result<u16> {
        let answer =
            self.http.delete(self.admin(&format!("users/{id}"))).bearer_auth(self.bearer().await?).send().await?;
        Ok(answer.status().as_u16())
    }

    /// Gives a user of the federation a password: Keycloak writes its `fed_user_*` rows. The user's name is its id.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn set_federated_password(&self, id: &str, password: &str) -> anyhow::Result<()> {
        let path = format!("users/{}/reset-password", self.stack.federated_id(id));
        let credential = json!({"type": "password", "value": password, "temporary": false});
        let answer =
            self.http.put(self.admin(&path)).bearer_auth(self.bearer().await?).json(&credential).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Logs a user in at a public client, `portal` or `mobile`.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn login(&self, user_name: &str, password: &str, client: &str, offline: bool) -> anyhow::Result<Tokens> {
        let scope = if offline { "openid offline_access" } else { "openid" };
        let form = [
            ("grant_type", "password"),
            ("client_id", client),
            ("username", user_name),
            ("password", password),
            ("scope", scope),
        ];
        self.token(&form).await
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn refresh(&self, tokens: &Tokens, client: &str) -> anyhow::Result<Tokens> {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", &tokens.refresh_token)];
        self.token(&form).await
    }

    async fn token(&self, form: &[(&str, &str)]) -> anyhow::Result<Tokens> {
        let keycloak = &self.stack.keycloak;
        let url = format!("{}/realms/{}/protocol/openid-connect/token", keycloak.url, keycloak.realm);
        let answer = self.http.post(url).form(form).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }
}

/// A token of the administrator of all realms. It lives for a minute.
pub(crate) async fn administrator(http: &reqwest::Client, stack: &Stack) -> anyhow::Result<String> {
    let keycloak = &stack.keycloak;
    let form = [
        ("grant_type", "password"),
        ("client_id", "admin-cli"),
        ("username", &keycloak.admin_user),
        ("password", &keycloak.admin_password),
    ];
    let url = format!("{}/realms/master/protocol/openid-connect/token", keycloak.url);
    let answer = http.post(url).form(&form).send().await?.error_for_status().context("keycloak's administrator")?;
    let tokens: Tokens = answer.json().await?;
    Ok(tokens.access_token)
}
