//! One user's ways into Keycloak, tried before and after.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use local_stack::{Accounts, Tokens};

const PASSWORD: &str = "demo-password";
const CLIENT: &str = "portal";
const AT_ONCE: usize = 8;

/// Somebody who has signed in, once as in a browser and once as in an app.
pub struct SignedIn {
    user: String,
    online: Tokens,
    offline: Tokens,
}

/// Whether each way in is open, as the table shows it.
pub struct Access {
    pub login: String,
    pub online: String,
    pub offline: String,
}

/// Gives federated users a password and has them sign in: Keycloak itself writes their rows.
pub async fn sign_in_all(accounts: &Accounts, users: &[String]) -> anyhow::Result<Vec<SignedIn>> {
    let ways = users.iter().map(|user| sign_in(accounts, user));
    let signed_in = futures::stream::iter(ways).buffered(AT_ONCE).try_collect();
    signed_in.await.context("Keycloak does not let a user sign in")
}

async fn sign_in(accounts: &Accounts, user: &str) -> anyhow::Result<SignedIn> {
    accounts.set_federated_password(user, PASSWORD).await?;
    let online = accounts.login(user, PASSWORD, CLIENT, false).await?;
    let offline = accounts.login(user, PASSWORD, CLIENT, true).await?;
    Ok(SignedIn { user: user.to_owned(), online, offline })
}

impl SignedIn {
    /// Order: tokens first, because a login would begin a new session.
    pub async fn try_access(&mut self, accounts: &Accounts) -> Access {
        let online = refreshed(accounts, &mut self.online).await;
        let offline = refreshed(accounts, &mut self.offline).await;
        let login = said(&accounts.login(&self.user, PASSWORD, CLIENT, false).await);
        Access { login, online, offline }
    }
}

/// A refreshed token takes the place of the old one, as in an app.
async fn refreshed(accounts: &Accounts, tokens: &mut Tokens) -> String {
    let answer = accounts.refresh(tokens, CLIENT).await;
    let said = said(&answer);
    if let Ok(next) = answer {
        *tokens = next;
    }
    said
}

fn said(answer: &anyhow::Result<Tokens>) -> String {
    match answer {
        Ok(_) => "yes".to_owned(),
        // The library's error begins with the HTTP status.
        Err(error) => format!("no ({})", error.to_string().split(' ').next().unwrap_or_default()),
    }
}
