//! Keycloak's Admin API as the administrator of one realm calls it.

use anyhow::{Context as _, ensure};
use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::Stack;
use crate::accounts::administrator;

/// A realm, and everything in it by its path below `/admin/realms/{realm}`.
#[derive(Debug)]
pub struct RealmAdmin {
    http: reqwest::Client,
    stack: Stack,
    realm: String,
    token: Mutex<String>,
}

impl RealmAdmin {
    /// # Errors
    /// When Keycloak does not answer, or knows no such administrator.
    pub async fn connect(stack: &Stack, realm: &str) -> anyhow::Result<Self> {
        let admin = Self {
            http: reqwest::Client::new(),
            stack: stack.clone(),
            realm: realm.to_owned(),
            token: Mutex::default(),
        };
        admin.renew().await?;
        Ok(admin)
    }

    /// A new realm, as an administrator imports one.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn create_realm(stack: &Stack, realm: &Value) -> anyhow::Result<Self> {
        let admin = Self::connect(stack, realm["realm"].as_str().context("a realm has a name")?).await?;
        admin.send(Method::POST, format!("{}/admin/realms", stack.keycloak.url), Some(realm)).await?;
        // The token knows only the realms that were there before.
        admin.renew().await?;
        Ok(admin)
    }

    /// Major and minor version of the server.
    ///
    /// # Errors
    /// When Keycloak does not tell.
    pub async fn version(&self) -> anyhow::Result<(u32, u32)> {
        let url = format!("{}/admin/serverinfo", self.stack.keycloak.url);
        let info: Value = self.send(Method::GET, url, None).await?.json().await?;
        let told = info["systemInfo"]["version"].as_str().context("no version")?;
        let mut numbers = told.split('.').map(str::parse);
        let (major, minor) = (numbers.next().context("no major")??, numbers.next().context("no minor")??);
        Ok((major, minor))
    }

    /// # Errors
    /// When Keycloak refuses.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(Method::GET, self.url(path), None).await?.json().await?)
    }

    /// Gives back the id of what was made: from the answer's place, or from its body.
    ///
    /// # Errors
    /// When Keycloak refuses.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<String> {
        let answer = self.send(Method::POST, self.url(path), Some(body)).await?;
        if let Some(place) = answer.headers().get(LOCATION) {
            return Ok(place.to_str()?.rsplit('/').next().unwrap_or_default().to_owned());
        }
        let made: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        let id = made["id"].as_str().or_else(|| made["_id"].as_str());
        Ok(id.unwrap_or_default().to_owned())
    }

    /// # Errors
    /// When Keycloak refuses.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<()> {
        let token = self.token.lock().await.clone();
        let answer = self.http.post(self.url(path)).bearer_auth(token).form(form).send().await?;
        told(answer, path).await.map(drop)
    }

    /// # Errors
    /// When Keycloak refuses.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.send(Method::PUT, self.url(path), Some(body)).await.map(drop)
    }

    /// # Errors
    /// When Keycloak refuses.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, self.url(path), None).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!(
            "{}/admin/realms/{}{}{path}",
            self.stack.keycloak.url,
            self.realm,
            if path.is_empty() { "" } else { "/" }
        )
    }

    async fn send(&self, method: Method, url: String, body: Option<&Value>) -> anyhow::Result<Response> {
        for renewed in [false, true] {
            let token = self.token.lock().await.clone();
            let mut call = self.http.request(method.clone(), &url).bearer_auth(token);
            if let Some(body) = body {
                call = call.json(body);
            }
            let answer = call.send().await?;
            if answer.status() != StatusCode::UNAUTHORIZED || renewed {
                return told(answer, &format!("{method} {url}")).await;
            }
            self.renew().await?;
        }
        unreachable!("the second answer is returned")
    }

    async fn renew(&self) -> anyhow::Result<()> {
        *self.token.lock().await = administrator(&self.http, &self.stack).await?;
        Ok(())
    }
}

/// What went wrong stands in the body.
async fn told(answer: Response, what: &str) -> anyhow::Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.text().await.unwrap_or_default();
    ensure!(status.is_success(), "{what}: {status}: {}", body.chars().take(300).collect::<String>());
    unreachable!("the status is no success")
}
