//! The Sync API, Keycloak's Admin API and the search index over https with a private authority, and secrets in files.
//! Behind the TLS server are the stand-in and the real Keycloak.

use std::path::PathBuf;

use local_stack::users::new_ids;
use local_stack::{Stack, StandIn, Users, eventually};
use user_purge_sync::adapters::keycloak::AdminApi;
use user_purge_sync::adapters::search::UserIndex;
use user_purge_sync::adapters::sync_api::SyncApi;
use user_purge_sync::domain::ids::{ObjectType, UserId};
use user_purge_sync::ports::{Disposition, Failure, SearchIndex as _, Synced, UserCache as _};
use user_purge_sync::settings::{KeycloakSettings, SearchSettings, Settings, SyncSettings};

use crate::keycloak::stack::settings as keycloak_settings;
use crate::program;
use crate::scene::PATIENCE;
use crate::tls::certificates::Authority;
use crate::tls::front::Front;
use crate::tls::mounted::Mounted;

/// Two authorities, and the files of a worker that believes the first.
struct Trust {
    ca: Authority,
    other: Authority,
    mounted: Mounted,
}

impl Trust {
    fn new() -> Self {
        let trust = Self { ca: Authority::new("gateway"), other: Authority::new("gateway 2"), mounted: Mounted::new() };
        trust.mount(&trust.ca, "");
        trust
    }

    fn mount(&self, authority: &Authority, secret: &str) {
        self.mounted.update(&[("ca.pem", authority.certificate()), ("secret", secret)]);
    }

    fn ca_file(&self) -> Option<PathBuf> {
        Some(self.mounted.file("ca.pem"))
    }
}

fn held(failure: &Failure) -> String {
    assert_eq!(failure.disposition, Disposition::Hold, "{}", failure.story());
    failure.story()
}

/// Once it is held with these words: a connection that is cut tells so first.
async fn until_held<T>(words: &str, mut ask: impl AsyncFnMut() -> Result<T, Failure>) -> String {
    let mut last = String::new();
    let told = eventually(words, PATIENCE, async || {
        let failure = ask().await.err()?;
        last = failure.story();
        (failure.disposition == Disposition::Hold && last.contains(words)).then(|| last.clone())
    });
    told.await.unwrap_or_else(|error| panic!("{error:?}: {last}"))
}

async fn until_ok<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, Failure>) -> T {
    eventually(what, PATIENCE, async || ask().await.ok()).await.unwrap()
}

fn sync_settings(endpoint: &str) -> SyncSettings {
    let defaults = Settings::load(None, std::iter::empty()).unwrap().sync;
    SyncSettings { endpoint: endpoint.to_owned(), ..defaults }
}

async fn sync(api: &SyncApi, id: &UserId) -> Result<Synced, Failure> {
    api.sync(&ObjectType::user(), std::slice::from_ref(id), "tls").await?.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sync_api_is_verified_and_follows_what_is_rotated() {
    let (stack, trust) = (Stack::shared(), Trust::new());
    let (users, ids) = (Users::connect(stack).await.unwrap(), new_ids(1));
    users.put_all(&ids, 2).await.unwrap();
    let id = UserId::parse(&ids[0]).unwrap();
    let stand_in = StandIn::start(stack, &["--per-id", "0", "--api-key", "first"]).unwrap();
    let front = Front::start(stand_in.address(), &trust.ca.server(&["localhost"])).await;
    let endpoint = |host: &str| format!("https://{host}:{}/v1/data/sync", front.port());
    let right = SyncSettings {
        ca_file: trust.ca_file(),
        api_key_file: Some(trust.mounted.file("secret")),
        ..sync_settings(&endpoint("localhost"))
    };
    trust.mount(&trust.ca, "first\n");
    let api = SyncApi::new(&right).unwrap();
    // The stand-in has to find its Cassandra first, and says SUCCESS and false until then, as the real one does.
    let indexed = until_ok("the first sync", async || sync(&api, &id).await).await;
    assert_eq!(indexed, Synced::Indexed);
    assert_eq!(api.certificates().noted().server, Some(4_733_510_400));
    api.greet().await.unwrap();

    let wrong_host = SyncSettings { endpoint: endpoint("127.0.0.1"), ..right.clone() };
    let told = held(&sync(&SyncApi::new(&wrong_host).unwrap(), &id).await.unwrap_err());
    assert_eq!(told, "certificate: sync.endpoint: the certificate of 127.0.0.1 is for localhost, not for 127.0.0.1");
    let by_the_system = SyncSettings { ca_file: None, ..right.clone() };
    let told = held(&SyncApi::new(&by_the_system).unwrap().greet().await.unwrap_err());
    assert!(told.contains("sync.ca_file: ") && told.ends_with("not by any of the system's authorities"), "{told}");

    // An authority that is not believed any more is not resumed either.
    let asked = async || sync(&api, &id).await;
    trust.mount(&trust.other, "first");
    front.cut();
    until_held("sync.ca_file: the certificate of localhost is signed by \"CN=gateway\"", asked).await;
    trust.mount(&trust.ca, "first");
    until_ok("the authority is believed again", asked).await;

    // Rotated: a new authority, a certificate that is over, and the key.
    front.show(&trust.other.server(&["localhost"]));
    until_held("sync.ca_file: the certificate of localhost is signed by \"CN=gateway 2\"", asked).await;
    trust.mount(&trust.other, "first");
    until_ok("the authorities are read again, without a restart", asked).await;
    front.show(&trust.other.expired_server(&["localhost"]));
    until_held("sync.endpoint: the certificate of localhost ended on 2021-01-01T00:00:00Z: renew it there", asked)
        .await;
    front.show(&trust.other.server(&["localhost"]));
    trust.mount(&trust.other, "second-zq");
    let told = until_held("http_401: ", asked).await;
    assert_eq!(told, "http_401: sync.api_key is refused, or sync.endpoint wants one");
    trust.mount(&trust.other, "first");
    until_ok("the key is read again", asked).await;
    trust.mounted.update(&[("ca.pem", trust.other.certificate())]);
    let told = held(&asked().await.unwrap_err());
    assert!(told.starts_with("secret_file: sync.api_key_file: ") && told.contains("cannot be read"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_api_that_is_not_believed_holds_the_start_and_is_named_by_check() {
    let (stack, trust) = (Stack::shared(), Trust::new());
    let stand_in = StandIn::start(stack, &["--per-id", "0"]).unwrap();
    let front = Front::start(stand_in.address(), &trust.other.server(&["localhost"])).await;
    let topics = local_stack::Topics::create_new(stack, 1).await.unwrap();
    let mut variables = program::variables(&topics.env);
    let (endpoint, ca_file) =
        (format!("https://localhost:{}/v1/data/sync", front.port()), trust.mounted.file("ca.pem"));
    variables.push(("USER_PURGE_SYNC__SYNC__ENDPOINT".to_owned(), endpoint));
    variables.push(("USER_PURGE_SYNC__SYNC__CA_FILE".to_owned(), ca_file.display().to_string()));
    let told = "certificate: sync.ca_file: the certificate of localhost is signed by \\\"CN=gateway 2\\\"";
    let ended = program::run(&variables, &["check"]).await;
    let line = ended.output.lines().find(|line| line.contains("sync api's certificate")).unwrap();
    assert!(line.starts_with("WRONG") && line.contains(&told.replace('\\', "")), "{line}");
    assert_eq!(ended.code, 70, "{}", ended.output);
    let ended = program::run(&variables, &["run"]).await;
    let log = ended.output + &ended.errors;
    assert_eq!(ended.code, 70, "{log}");
    let line = log.lines().find(|line| line.contains("held at start"));
    assert!(line.is_some_and(|line| line.contains(told)), "{log}");
    topics.remove().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_is_verified_and_follows_what_is_rotated() {
    let trust = Trust::new();
    let plain = keycloak_settings();
    let address = plain.admin_api.url.strip_prefix("http://").unwrap();
    let (service, path) = address.split_once('/').unwrap();
    let front = Front::start(service, &trust.ca.server(&["localhost"])).await;
    let settings = |host: &str, secret: PathBuf| {
        let mut settings = KeycloakSettings { ..plain.clone() };
        settings.admin_api.url = format!("https://{host}:{}/{path}", front.port());
        settings.admin_api.ca_file = trust.ca_file();
        settings.admin_api.client_secret = "".into();
        settings.admin_api.client_secret_file = Some(secret);
        settings
    };
    let secret = trust.mounted.file("secret");
    trust.mount(&trust.ca, "purge-sync-local");
    let api = AdminApi::try_new(&settings("localhost", secret.clone())).unwrap();
    api.probe().await.unwrap();
    api.clear().await.unwrap();
    assert_eq!(api.certificates().noted().authority, Some(4_733_510_400));

    let told = held(&AdminApi::try_new(&settings("127.0.0.1", secret.clone())).unwrap().probe().await.unwrap_err());
    let url = "keycloak.admin_api.url: the certificate of";
    assert_eq!(told, format!("certificate: {url} 127.0.0.1 is for localhost, not for 127.0.0.1"));
    front.show(&trust.other.server(&["localhost"]));
    let asked = async || api.probe().await;
    until_held("keycloak.admin_api.ca_file: the certificate of localhost is signed by \"CN=gateway 2\"", asked).await;
    trust.mount(&trust.other, "wrong-zq");
    until_ok("the authority is read again; the token that is at hand is still good", asked).await;
    front.show(&trust.other.expired_server(&["localhost"]));
    let told = until_held("ended on", asked).await;
    assert_eq!(told, format!("certificate: {url} localhost ended on 2021-01-01T00:00:00Z: renew it there"));
    front.show(&trust.other.server(&["localhost"]));
    until_ok("the renewed one is believed", asked).await;
    // Another client begins without a token.
    let api = AdminApi::try_new(&settings("localhost", secret)).unwrap();
    let told = held(&api.probe().await.unwrap_err());
    assert!(told.contains("keycloak.admin_api.client_secret: Keycloak answered 40") && !told.contains("zq"), "{told}");
    trust.mount(&trust.other, "purge-sync-local\n");
    until_ok("the secret is read again", async || api.probe().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_index_is_verified() {
    let trust = Trust::new();
    // Whatever it is, it is not asked before it is believed.
    let stand_in = StandIn::start(Stack::shared(), &[]).unwrap();
    let front = Front::start(stand_in.address(), &trust.other.server(&["localhost"])).await;
    let defaults = Settings::load(None, std::iter::empty()).unwrap().search;
    let endpoint = Some(format!("https://localhost:{}", front.port()));
    let settings = SearchSettings { endpoint, ca_file: trust.ca_file(), ..defaults };
    let index = UserIndex::of(&settings).unwrap().unwrap();
    let user = UserId::parse("somebody").unwrap();
    let told = held(&index.document(&user).await.unwrap_err());
    assert!(told.starts_with("certificate: search.ca_file: the certificate of localhost is signed by"), "{told}");
    trust.mount(&trust.other, "");
    let believed = eventually("it is asked", PATIENCE, async || {
        let failure = index.document(&user).await.err()?;
        (failure.reason.to_string() == "http_404").then_some(())
    });
    believed.await.unwrap();
}
