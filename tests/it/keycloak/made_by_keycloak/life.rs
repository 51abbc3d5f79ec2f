//! Everything that a user can have, made through Keycloak alone: its Admin API, its logins, its protection API.

use std::collections::BTreeMap;

use anyhow::Context as _;
use local_stack::Stack;
use serde_json::{Value, json};
use uuid::Uuid;

use super::browser::{Browser, Typing};
use super::lacks::Feature;
use super::realm::{MadeRealm, SECRET};

pub const PASSWORD: &str = "correct horse battery staple";

/// Where Keycloak keeps a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Local,
    Federated,
}

/// A user and what only the user knows.
pub struct Life {
    pub form: Form,
    /// What the worker is told.
    pub user: String,
    /// Keycloak's.
    pub id: String,
    pub name: String,
    pub email: String,
    /// Client, whether offline, refresh token.
    pub tokens: Vec<(&'static str, bool, String)>,
    /// As the tokens name them: before 25 the database knows only the offline ones.
    pub sessions: Vec<String>,
    /// Of a token of the resource server.
    pub sharing_token: String,
}

impl Life {
    pub async fn lead(realm: &MadeRealm, form: Form) -> anyhow::Result<Self> {
        let mut life = Self::begin(realm, form).await?;
        life.receive(realm).await.context("what administrators give")?;
        life.log_in_everywhere(realm).await.context("logins")?;
        life.use_a_browser(realm).await.context("the browser")?;
        life.fail_to_log_in(realm).await?;
        Ok(life)
    }

    async fn begin(realm: &MadeRealm, form: Form) -> anyhow::Result<Self> {
        let unique = Uuid::new_v4().to_string();
        let email = format!("{}@mail.test", &unique[..13]);
        let (user, id, name) = match form {
            Form::Local => {
                let name = format!("pupil-{}", &unique[..13]);
                let id = realm.admin.post("users", &json!({"username": name, "enabled": true})).await?;
                (id.clone(), id, name)
            }
            Form::Federated => (unique.clone(), format!("f:{}:{unique}", realm.component), unique),
        };
        Ok(Self { form, user, id, name, email, tokens: Vec::new(), sessions: Vec::new(), sharing_token: String::new() })
    }

    async fn receive(&self, realm: &MadeRealm) -> anyhow::Result<()> {
        let (admin, path) = (&realm.admin, self.path());
        self.change(realm, "attributes", attributes(realm, &self.id)).await.context("attributes")?;
        let password = json!({"type": "password", "value": PASSWORD, "temporary": false});
        admin.put(&format!("{path}/reset-password"), &password).await?;
        admin.post(&format!("{path}/role-mappings/realm"), &json!([realm.role])).await?;
        for (client, role) in [(&realm.client, &realm.client_role), (&realm.sharing, &realm.sharing_role)] {
            admin.post(&format!("{path}/role-mappings/clients/{client}"), &json!([role])).await?;
        }
        admin.put(&format!("{path}/groups/{}", realm.group), &json!({})).await?;
        let link = json!({"userId": format!("g-{}", self.name), "userName": self.email});
        admin.post(&format!("{path}/federated-identity/google"), &link).await.context("broker link")?;
        // Before any login: a federated user gets an attribute by it.
        admin.post(&format!("{path}/logout"), &json!({})).await?;
        self.join(realm).await
    }

    /// What only newer versions have.
    async fn join(&self, realm: &MadeRealm) -> anyhow::Result<()> {
        if let Some(organization) = &realm.organization {
            let members = format!("organizations/{organization}/members");
            let invitation = format!("{members}/invite-existing-user");
            realm.admin.post_form(&invitation, &[("id", &self.id)]).await.context("invitation")?;
            realm.admin.post(&members, &json!(self.id)).await.context("membership")?;
        }
        if let Some(workflow) = &realm.workflow {
            let path = format!("workflows/{workflow}/activate/USERS/{}", self.id);
            realm.admin.post(&path, &json!({})).await.context("workflow")?;
        }
        Ok(())
    }

    async fn log_in_everywhere(&mut self, realm: &MadeRealm) -> anyhow::Result<()> {
        for client in ["portal", "mobile", "sharing"] {
            for scope in ["openid", "openid offline_access"] {
                let tokens =
                    grant(realm, client, &[("username", &self.name), ("password", PASSWORD), ("scope", scope)]).await?;
                self.note(client, scope.contains("offline"), &tokens);
                if client == "sharing" {
                    self.sharing_token = text(&tokens["access_token"]);
                }
            }
        }
        Ok(())
    }

    /// A TOTP by the required action, and a consent, online and offline.
    async fn use_a_browser(&mut self, realm: &MadeRealm) -> anyhow::Result<()> {
        self.change(realm, "requiredActions", json!(["CONFIGURE_TOTP"])).await?;
        let browser = Browser::open(&format!("{}/realms/{}", Stack::shared_database().keycloak.url, realm.name))?;
        for scope in ["openid", "openid offline_access"] {
            let typing = Typing { name: &self.name, password: PASSWORD };
            let tokens = browser.log_in("asking", scope, typing).await?;
            self.note("asking", scope.contains("offline"), &tokens);
        }
        self.change(realm, "requiredActions", json!(["UPDATE_PASSWORD"])).await
    }

    async fn fail_to_log_in(&self, realm: &MadeRealm) -> anyhow::Result<()> {
        let refused = grant(realm, "portal", &[("username", &self.name), ("password", "wrong")]).await;
        anyhow::ensure!(refused.is_err(), "a wrong password is good");
        Ok(())
    }

    /// One member of the user's representation; the others go back as they came.
    async fn change(&self, realm: &MadeRealm, member: &str, value: Value) -> anyhow::Result<()> {
        let mut user = realm.admin.get(&self.path()).await?;
        user[member] = value;
        for (key, value) in [("email", &*self.email), ("firstName", "Asha"), ("lastName", "Rao")] {
            user[key] = json!(value);
        }
        realm.admin.put(&self.path(), &user).await
    }

    fn note(&mut self, client: &'static str, offline: bool, tokens: &Value) {
        self.tokens.push((client, offline, text(&tokens["refresh_token"])));
        self.sessions.push(text(&tokens["session_state"]));
    }

    fn path(&self) -> String {
        format!("users/{}", self.id)
    }

    /// How many of the tokens are still good.
    pub async fn refreshed(&self, realm: &MadeRealm) -> usize {
        let mut good = 0;
        for (client, _, token) in &self.tokens {
            let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            good += usize::from(grant(realm, client, &form).await.is_ok());
        }
        good
    }
}

/// Short, long, and as long as this version allows.
fn attributes(realm: &MadeRealm, id: &str) -> Value {
    let longest = match (realm.version.has(Feature::LongAttributes), id.starts_with("f:")) {
        (true, _) => 5000,
        (false, true) => 2024,
        (false, false) => 255,
    };
    let long = |length: usize| format!("{id} ").chars().cycle().take(length).collect::<String>();
    json!({"phone": ["+91 98450 00000"], "about": [long(255)], "story": [long(longest)], "of": [id, "twice"]})
}

/// Tokens for a form; by password, unless it says otherwise.
pub async fn grant(realm: &MadeRealm, client: &str, form: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut form: BTreeMap<&str, &str> = form.iter().copied().chain([("client_id", client)]).collect();
    form.entry("grant_type").or_insert("password");
    if ["sharing", "user-purge-sync"].contains(&client) {
        form.insert("client_secret", SECRET);
    }
    let url = format!("{}/realms/{}/protocol/openid-connect/token", Stack::shared_database().keycloak.url, realm.name);
    let answer = reqwest::Client::new().post(url).form(&form).send().await?;
    let (status, body) = (answer.status(), answer.text().await?);
    anyhow::ensure!(status.is_success(), "{client}: {status}: {body}");
    Ok(serde_json::from_str(&body)?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
