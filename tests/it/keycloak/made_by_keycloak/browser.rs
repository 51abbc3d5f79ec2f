//! A browser that only fills in forms: the login, a new TOTP, the question for consent.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, Url, redirect};
use sha2::{Digest as _, Sha256};

const CALLBACK: &str = "http://127.0.0.1/back";
/// A login has three forms at most, each with a redirect or two.
const PAGES: usize = 12;

/// One visit: with cookies of its own.
pub struct Browser {
    http: reqwest::Client,
    /// By name. Keycloak marks them Secure; a real browser takes them on loopback all the same.
    cookies: Mutex<BTreeMap<String, String>>,
    realm: Url,
}

/// Who types.
pub struct Typing<'a> {
    pub name: &'a str,
    pub password: &'a str,
}

/// A form of a page.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
    text: String,
}

impl Browser {
    /// `realm` is its address, without a slash at the end.
    pub fn open(realm: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
        Ok(Self { http, cookies: Mutex::default(), realm: Url::parse(realm)? })
    }

    /// Logs in at a client, does what is asked for, consents, and exchanges the code for tokens.
    pub async fn log_in(&self, client: &str, scope: &str, typing: Typing<'_>) -> anyhow::Result<serde_json::Value> {
        let mut login = Url::parse(&format!("{}/protocol/openid-connect/auth", self.realm))?;
        login
            .query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("response_type", "code")
            .append_pair("scope", scope);
        let mut answer = self.get(login.as_str()).await?;
        for _ in 0..PAGES {
            if let Some(place) = answer.headers().get(LOCATION) {
                let place = self.realm.join(place.to_str()?)?;
                if let Some(code) = code_in(&place) {
                    return self.exchange(client, &code).await;
                }
                ensure!(place.host_str() == self.realm.host_str() && place.path() != "/back", "refused: {place}");
                answer = self.get(place.as_str()).await?;
                continue;
            }
            let form = Form::of(&answer.text().await?)?;
            answer = self.submit(&form, &typing).await?;
        }
        bail!("no end of forms")
    }

    async fn submit(&self, form: &Form, typing: &Typing<'_>) -> anyhow::Result<Response> {
        let mut fields = form.hidden.clone();
        let secret = form.hidden.iter().find(|(name, _)| name == "totpSecret").map(|(_, secret)| secret.clone());
        if let Some(secret) = secret {
            fields.extend([("totp".to_owned(), totp(&secret)?), ("userLabel".to_owned(), "telephone".to_owned())]);
        } else if form.text.contains("name=\"accept\"") {
            fields.push(("accept".to_owned(), "Yes".to_owned()));
        } else {
            // On one page, or with organizations on two.
            let known = [("username", typing.name), ("password", typing.password)];
            let asked = known.into_iter().filter(|(name, _)| form.text.contains(&format!("name=\"{name}\"")));
            let before = fields.len();
            fields.extend(asked.map(|(name, value)| (name.to_owned(), value.to_owned())));
            ensure!(fields.len() > before, "a form that nobody knows: {}", form.text);
        }
        let url = self.realm.join(&form.action)?;
        let call = self.http.post(url).header(COOKIE, self.cookies()).form(&fields);
        self.keep_cookies(call.send().await?)
    }

    async fn get(&self, url: &str) -> anyhow::Result<Response> {
        self.keep_cookies(self.http.get(url).header(COOKIE, self.cookies()).send().await?)
    }

    async fn exchange(&self, client: &str, code: &str) -> anyhow::Result<serde_json::Value> {
        let form =
            [("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("redirect_uri", CALLBACK)];
        let url = format!("{}/protocol/openid-connect/token", self.realm);
        let answer = self.http.post(url).form(&form).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the code: {status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&self, answer: Response) -> anyhow::Result<Response> {
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, value) =
                cookie.to_str()?.split(';').next().unwrap_or_default().split_once('=').context("cookie")?;
            cookies.insert(name.to_owned(), value.to_owned());
        }
        drop(cookies);
        Ok(answer)
    }
}

fn code_in(place: &Url) -> Option<String> {
    (place.path() == "/back")
        .then(|| place.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()))?
}

impl Form {
    /// The first form of the page that is sent by POST.
    fn of(page: &str) -> anyhow::Result<Self> {
        let forms = page.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap_or_default());
        for text in forms {
            let Some(action) = attribute(text, "action") else { continue };
            let inputs = text.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
            let hidden = inputs.filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
            let hidden =
                hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
            return Ok(Self { action, hidden: hidden.collect(), text: text.to_owned() });
        }
        bail!("a page without a form: {}", page.chars().take(2000).collect::<String>())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

/// RFC 6238 with SHA-256, as the realm's policy says.
fn totp(secret: &str) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a one-time password is a function of the calendar")]
    let step = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 30;
    let hash = hmac(secret.as_bytes(), &step.to_be_bytes());
    let offset = usize::from(hash[31] & 0xf);
    let word: [u8; 4] = hash[offset..offset + 4].try_into()?;
    Ok(format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000))
}

/// RFC 2104. The key is shorter than a block: Keycloak makes twenty characters.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad =
        |byte: u8| -> Vec<u8> { (0..64).map(|place| key.get(place).copied().unwrap_or_default() ^ byte).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}
