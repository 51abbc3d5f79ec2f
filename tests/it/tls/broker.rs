//! A broker of a test's own, made of what the stack's is made of, that speaks TLS and asks who is there: one listener for
//! each kind of client.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use local_stack::{Stack, eventually};

use super::certificates::{Authority, Folder};
use crate::scene::PATIENCE;

/// What all listeners but those of wrong certificates are called by.
pub const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
pub const USER: &str = "purger";
pub const PASSWORD: &str = "hunter2-first";

/// Whom a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// The test's helpers, without TLS.
    Plain,
    Tls,
    /// Its certificate is another host's.
    OtherHost,
    Expired,
    /// Asks for the client's certificate.
    Mutual,
    /// Asks for [`USER`] and a password, again every 3 s.
    Scram,
    /// Asks for a token of the stack's Keycloak, again when it ends.
    Token,
}

impl Listener {
    const ALL: [Self; 7] =
        [Self::Plain, Self::Tls, Self::OtherHost, Self::Expired, Self::Mutual, Self::Scram, Self::Token];

    fn name(self) -> String {
        format!("{self:?}").to_uppercase()
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Plain => "PLAINTEXT",
            Self::Tls | Self::OtherHost | Self::Expired | Self::Mutual => "SSL",
            Self::Scram | Self::Token => "SASL_SSL",
        }
    }
}

pub struct Broker {
    stack: Stack,
    pub folder: Folder,
    ports: Vec<u16>,
    /// Lines of its properties after all others.
    further: &'static str,
    process: Option<Child>,
}

impl Broker {
    /// It runs when this returns. Everybody who is asked for by name believes `authority`.
    pub async fn start(authority: &Authority) -> Self {
        let ports = Listener::ALL.iter().map(|_| free_port()).chain([free_port()]).collect();
        let mut broker =
            Self { stack: Stack::load().unwrap(), folder: Folder::new(), ports, further: "", process: None };
        copy(&broker.stack.kafka_files.formatted.join("data"), &broker.folder.path().join("data"));
        broker.identify_by(authority);
        broker.start_process().await;
        broker
    }

    /// The stack with this broker in place of its own.
    pub fn stack(&self) -> Stack {
        Stack { kafka: self.at(Listener::Plain), ..self.stack.clone() }
    }

    /// What a client is told.
    pub fn at(&self, listener: Listener) -> String {
        format!("localhost:{}", self.port(listener))
    }

    /// Its certificates are new ones from now on, and whom it believes; it has to be started again for that.
    pub fn identify_by(&self, authority: &Authority) {
        self.folder.write("server.pem", &authority.server(&NAMES).both());
        self.folder.write("other.pem", &authority.server(&["kafka.example"]).both());
        self.folder.write("expired.pem", &authority.expired_server(&NAMES).both());
        self.folder.write("clients-ca.pem", authority.certificate());
    }

    /// With these properties too, from its next start on.
    pub fn configure(&mut self, further: &'static str) {
        self.further = further;
    }

    /// Nothing is given time: it is killed.
    pub async fn restart(&mut self) {
        self.kill();
        self.start_process().await;
    }

    /// [`USER`] may log in with this password from now on, and with no other.
    pub async fn set_password(&self, password: &str) {
        let mut command = self.stack.kafka_files.java(&["-XX:TieredStopAtLevel=1"]);
        command.args(["kafka.admin.ConfigCommand", "--bootstrap-server", &self.at(Listener::Plain), "--alter"]);
        command.args(["--entity-type", "users", "--entity-name", USER]);
        command.args(["--add-config", &format!("SCRAM-SHA-512=[password={password}]")]);
        let told = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(told.status.success(), "{told:?}");
    }

    async fn start_process(&mut self) {
        let config = self.folder.write("server.properties", &self.properties());
        let logging = self.stack.kafka_files.settings.join("log4j.properties");
        let log = self.folder.path().join("broker.log");
        let file = File::create(&log).unwrap();
        let tokens = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", self.keys_of_tokens());
        let memory =
            ["-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"];
        let mut command = self.stack.kafka_files.java(&memory);
        command.arg(tokens).arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.arg("kafka.Kafka").arg(config).stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let started = eventually("the broker has started", PATIENCE, async || {
            std::fs::read_to_string(&log).unwrap().contains("Kafka Server started").then_some(())
        });
        started.await.unwrap_or_else(|error| panic!("{error:?}\n{}", std::fs::read_to_string(&log).unwrap()));
    }

    fn port(&self, listener: Listener) -> u16 {
        self.ports[listener as usize]
    }

    fn keys_of_tokens(&self) -> String {
        let keycloak = &self.stack.keycloak;
        format!("{}/realms/{}/protocol/openid-connect/certs", keycloak.url, keycloak.realm)
    }

    /// The stack's own, with what is different here after it: of two lines with one name Java takes the last. The session is
    /// short since this one is killed and started again, which waits for its end, and never stands still.
    fn properties(&self) -> String {
        let common = std::fs::read_to_string(self.stack.kafka_files.settings.join("server.properties")).unwrap();
        let controller = self.ports[Listener::ALL.len()];
        let listed = |host: &str| Listener::ALL.map(|it| format!("{}://{host}:{}", it.name(), self.port(it))).join(",");
        let protocols = Listener::ALL.map(|it| format!("{}:{}", it.name(), it.protocol())).join(",");
        let folder = self.folder.path().display();
        let keys = self.keys_of_tokens();
        let text = format!(
            "\
{common}
controller.quorum.voters=1@127.0.0.1:{controller}
inter.broker.listener.name=PLAIN
listeners={},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={}
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
log.dirs={folder}/data
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
ssl.truststore.type=PEM
ssl.truststore.location={folder}/clients-ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.connections.max.reauth.ms=3000
listener.name.token.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.token.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.token.oauthbearer.sasl.server.callback.handler.class=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.token.oauthbearer.connections.max.reauth.ms=60000
sasl.oauthbearer.expected.audience=account
sasl.oauthbearer.jwks.endpoint.url={keys}
",
            listed("127.0.0.1"),
            listed("localhost"),
        );
        let key_stores = [
            (Listener::Tls, "server"),
            (Listener::OtherHost, "other"),
            (Listener::Expired, "expired"),
            (Listener::Mutual, "server"),
            (Listener::Scram, "server"),
            (Listener::Token, "server"),
        ];
        let key_stores = key_stores.map(|(listener, file)| {
            let prefix = format!("listener.name.{}.ssl.keystore", listener.name().to_lowercase());
            format!("{prefix}.type=PEM\n{prefix}.location={folder}/{file}.pem\n")
        });
        text + &key_stores.concat() + self.further
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Below those that the system gives to outgoing connections: a broker that is down keeps its port.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 400).unwrap() * 10;
    let candidates = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    candidates.take(1000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
