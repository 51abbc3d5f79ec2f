//! Keycloak's database over TLS: what PostgreSQL calls verify-full, and a password that changes.

use std::path::{Path, PathBuf};

use local_stack::eventually;
use tokio_postgres::{Client, NoTls};
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::ports::{Disposition, Failure, IdentityStore, Purged};
use user_purge_sync::settings::{KeycloakSettings, PurgeMode, TlsSettings};

use crate::keycloak::stack::{order, purge, purge_settings, settings};
use crate::program;
use crate::scene::PATIENCE;
use crate::tls::certificates::{Authority, Folder, Identity};
use crate::tls::mounted::Mounted;
use crate::tls::own::Own;

/// Of the worker's role in the local stack.
const PASSWORD: &str = "purge-local";

struct Server {
    own: Own,
    superuser: Client,
    /// For other files than the worker's own.
    folder: Folder,
    mounted: Mounted,
    ca: Authority,
    other: Authority,
}

impl Server {
    /// A PostgreSQL with Keycloak's schema that shows a certificate for `localhost`.
    async fn up() -> Self {
        let own = Own::up("postgres");
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(own.value("POSTGRES_PORT").parse().unwrap()).dbname("keycloak").user("postgres");
        let (superuser, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let (ca, other) = (Authority::new("Sunbird's authority"), Authority::new("somebody else"));
        let server = Self { own, superuser, folder: Folder::new(), mounted: Mounted::new(), ca, other };
        server.mount(&server.ca, PASSWORD);
        let files = ["ssl_cert_file = 'tls.crt'", "ssl_key_file = 'tls.key'", "ssl = on"];
        server.write(&server.ca.server(&["localhost"]));
        for file in files {
            server.sql(&format!("ALTER SYSTEM SET {file}")).await;
        }
        server.reload().await;
        server
    }

    async fn sql(&self, statement: &str) {
        self.superuser.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    async fn reload(&self) {
        self.sql("SELECT pg_reload_conf()").await;
    }

    fn write(&self, identity: &Identity) {
        self.own.write("tls.crt", &identity.certificate);
        self.own.write("tls.key", &identity.key);
    }

    /// The server shows another certificate to whoever connects from now on.
    async fn show(&self, identity: &Identity) {
        self.write(identity);
        self.reload().await;
    }

    /// At `localhost`, believing the right authority.
    fn settings(&self) -> KeycloakSettings {
        KeycloakSettings {
            host: "localhost".to_owned(),
            port: self.own.value("POSTGRES_PORT").parse().unwrap(),
            tls: TlsSettings { enabled: true, ca_file: Some(self.mounted.file("ca.pem")) },
            ..settings()
        }
    }

    /// What the worker reads from now on.
    fn mount(&self, authority: &Authority, password: &str) {
        self.mounted.update(&[("ca.pem", authority.certificate()), ("password", password)]);
    }

    /// Everybody who is connected is thrown out, as when the server is restarted.
    async fn end_connections(&self) {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'user_purge_sync'";
        self.sql(others).await;
    }
}

fn store(settings: &KeycloakSettings) -> PgIdentityStore {
    PgIdentityStore::new(settings, &purge_settings(PurgeMode::Delete), None)
}

async fn refused(settings: &KeycloakSettings) -> String {
    held(store(settings).probe().await.expect_err("this server should not be believed"))
}

fn held(failure: Failure) -> String {
    assert_eq!(failure.disposition, Disposition::Hold, "{}", failure.story());
    failure.story()
}

/// The server hears of new files a moment after it is told.
async fn until_told(what: &str, store: &PgIdentityStore, words: &[&str]) -> String {
    let told = eventually(what, PATIENCE, async || {
        // A connection that is cut tells so first.
        let failure = store.probe().await.err().filter(|failure| failure.disposition == Disposition::Hold)?;
        let story = held(failure);
        words.iter().all(|word| story.contains(word)).then_some(story)
    });
    told.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_verified_in_full_and_follows_what_is_rotated() {
    let server = Server::up().await;
    let right = server.settings();
    let store = store(&right);
    eventually("the server speaks TLS", PATIENCE, async || store.probe().await.ok()).await.unwrap();
    assert_eq!(purge(&store, "nobody-1", PurgeKind::Full).await, Purged::Clean { rows: [].into(), residue: 0 });
    let encrypted =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'user_purge_sync'";
    assert!(server.superuser.query_one(encrypted, &[]).await.unwrap().get::<_, bool>(0));
    let noted = store.certificates().noted();
    // 2120-01-01.
    assert_eq!((noted.server, noted.authority), (Some(4_733_510_400), Some(4_733_510_400)));

    what_is_wrong_is_named(&server, &right).await;
    a_start_is_held(&server).await;
    a_certificate_that_is_replaced_is_followed(&server, &right).await;
    a_password_that_is_rotated_is_followed(&server, &right).await;
    a_server_that_wants_tls_says_so(&server, &right).await;
}

async fn what_is_wrong_is_named(server: &Server, right: &KeycloakSettings) {
    let wrong_host = KeycloakSettings { host: "127.0.0.1".to_owned(), ..right.clone() };
    assert_eq!(
        refused(&wrong_host).await,
        "certificate: keycloak.host: the certificate of 127.0.0.1 is for localhost, not for 127.0.0.1"
    );
    let tls =
        |path: Option<PathBuf>| KeycloakSettings { tls: TlsSettings { enabled: true, ca_file: path }, ..right.clone() };
    let other = server.folder.write("other.pem", server.other.certificate());
    assert_eq!(
        refused(&tls(Some(other.clone()))).await,
        format!(
            "certificate: keycloak.tls.ca_file: the certificate of localhost is signed by \"CN=Sunbird's authority\", \
             not by any of those in {}",
            other.display()
        )
    );
    let absent = refused(&tls(Some("/no/such.pem".into()))).await;
    assert!(absent.starts_with("certificate: keycloak.tls.ca_file: cannot read the CA file /no/such.pem"), "{absent}");
    // Rings of trust: a bundle of both believes it.
    let both = [server.other.certificate(), server.ca.certificate()].concat();
    let both = server.folder.write("both.pem", &both);
    store(&tls(Some(both))).probe().await.unwrap();
}

/// `check` says it, and the worker ends with it.
async fn a_start_is_held(server: &Server) {
    let other = server.folder.write("other.pem", server.other.certificate());
    let mut variables = program::variables("tls-held");
    for (key, value) in [
        ("HOST", "localhost".to_owned()),
        ("PORT", server.own.value("POSTGRES_PORT")),
        ("TLS__ENABLED", "true".to_owned()),
        ("TLS__CA_FILE", other.display().to_string()),
    ] {
        variables.push((format!("USER_PURGE_SYNC__KEYCLOAK__{key}"), value));
    }
    let ended = program::run(&variables, &["check"]).await;
    let line = ended.output.lines().find(|line| line.contains("keycloak's schema")).unwrap();
    assert!(line.starts_with("WRONG") && line.contains("keycloak.tls.ca_file: the certificate of localhost"), "{line}");
    assert_eq!(ended.code, 70, "{}", ended.output);
}

async fn a_certificate_that_is_replaced_is_followed(server: &Server, right: &KeycloakSettings) {
    let store = store(right);
    store.probe().await.unwrap();
    // The server's operator changes authority and certificate; ours follows later.
    server.show(&server.other.server(&["localhost"])).await;
    store.probe().await.expect("a connection that stands goes on");
    server.end_connections().await;
    until_told("the new certificate is refused", &store, &["keycloak.tls.ca_file", "somebody else"]).await;
    server.mount(&server.other, PASSWORD);
    store.probe().await.expect("the CA file is read again, without a restart");
    server.show(&server.other.expired_server(&["localhost"])).await;
    server.end_connections().await;
    let told = until_told("the certificate that is over is refused", &store, &["ended on"]).await;
    let expected =
        "certificate: keycloak.host: the certificate of localhost ended on 2021-01-01T00:00:00Z: renew it there";
    assert_eq!(told, expected);
    server.show(&server.ca.server(&["localhost"])).await;
    server.mount(&server.ca, PASSWORD);
    eventually("the renewed one is believed", PATIENCE, async || store.probe().await.ok()).await.unwrap();
}

async fn a_password_that_is_rotated_is_followed(server: &Server, right: &KeycloakSettings) {
    let file = server.mounted.file("password");
    let by_file = KeycloakSettings { password: "".into(), password_file: Some(file.clone()), ..right.clone() };
    let store = store(&by_file);
    store.probe().await.unwrap();
    server.sql("ALTER ROLE user_purge_sync PASSWORD 'rotated-zq'").await;
    store.probe().await.expect("a connection that stands goes on");
    server.end_connections().await;
    let words = ["keycloak.password: PostgreSQL answered FATAL 28P01"];
    until_told("the old password is refused", &store, &words).await;
    server.mount(&server.ca, "rotated-zq\n");
    store.probe().await.expect("the file is read again, without a restart");
    assert!(purge_of_one(&store).await, "and it works");
    server.mounted.update(&[("ca.pem", server.ca.certificate())]);
    server.end_connections().await;
    let told = until_told("the file is gone", &store, &["secret_file"]).await;
    assert!(told.contains(&named(&file)) && !told.contains("rotated-zq"), "{told}");
    server.sql("ALTER ROLE user_purge_sync PASSWORD 'purge-local'").await;
}

fn named(file: &Path) -> String {
    format!("keycloak.password_file: {} cannot be read", file.display())
}

async fn purge_of_one(store: &PgIdentityStore) -> bool {
    store.purge(&[order("nobody-2", PurgeKind::Full)]).await.is_ok()
}

/// The other way round too: neither side is spoken to in the clear against the other's will.
async fn a_server_that_wants_tls_says_so(server: &Server, right: &KeycloakSettings) {
    let refusing = "hostssl all all 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";
    server.own.write("pg_hba.conf", refusing);
    server.reload().await;
    let plain = KeycloakSettings { tls: TlsSettings { enabled: false, ca_file: None }, ..right.clone() };
    let words = ["keycloak.tls.enabled", "28000"];
    until_told("a connection in the clear is refused", &store(&plain), &words).await;
    store(right).probe().await.unwrap();
    server.sql("ALTER SYSTEM SET ssl = off").await;
    server.reload().await;
    until_told("a server without TLS is refused", &store(right), &["keycloak.tls.enabled: the server speaks no TLS"])
        .await;
}
