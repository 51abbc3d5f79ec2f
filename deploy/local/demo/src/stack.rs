//! Where the services of the stack are.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};

const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses of a stack that is up.
#[derive(Clone, Debug)]
pub struct Stack {
    pub kafka: String,
    pub kafka_door: KafkaDoor,
    pub kafka_files: KafkaFiles,
    pub cassandra: String,
    pub postgres: Postgres,
    pub keycloak: Keycloak,
}

/// For a door between Kafka and its clients, who would otherwise be told its own address.
#[derive(Clone, Debug)]
pub struct KafkaDoor {
    /// Where the door leads: `host:port`.
    pub inner: String,
    /// Where it stands.
    pub port: u16,
}

/// What a broker of a test's own is started from.
#[derive(Clone, Debug)]
pub struct KafkaFiles {
    /// A folder of jars.
    pub jars: PathBuf,
    /// A folder with the `server.properties` and `log4j.properties` of the stack's own.
    pub settings: PathBuf,
    /// A folder whose `data` is formatted for one node that is broker and controller.
    pub formatted: PathBuf,
}

impl KafkaFiles {
    /// A Java with Kafka's classes, the broker and its tools.
    #[must_use]
    pub fn java(&self, options: &[&str]) -> Command {
        let java = std::env::var_os("JAVA_HOME").map_or("java".into(), |home| PathBuf::from(home).join("bin/java"));
        let mut command = Command::new(java);
        command.args(options).arg("-cp").arg(format!("{}/*", self.jars.display()));
        command
    }
}

#[derive(Clone, Debug)]
pub struct Postgres {
    pub host: String,
    pub port: u16,
    pub database: String,
    /// The role with only the rights that the purge needs.
    pub user: String,
    pub password: String,
    pub admin_user: String,
}

#[derive(Clone, Debug)]
pub struct Keycloak {
    /// With `/auth`.
    pub url: String,
    pub admin_user: String,
    pub admin_password: String,
    pub realm: String,
    pub provider_id: String,
    pub client_id: String,
    pub client_secret: String,
}

impl Stack {
    /// What `load` tells, asked once for all tests of a program.
    ///
    /// # Panics
    /// When it is not up: a test fails then, it is never skipped.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Self::load().unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// The same for tests that need Keycloak and its database alone: `stack up postgres keycloak`.
    ///
    /// # Panics
    /// When these two are not up.
    #[must_use]
    pub fn shared_database() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        let load = || -> anyhow::Result<Self> {
            let stack = Self::told()?;
            stack.require_up(&["postgres", "keycloak"])?;
            Ok(stack)
        };
        SHARED.get_or_init(|| load().unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// Asks `deploy/local/stack env`; `STACK` and its other variables pass through.
    ///
    /// # Errors
    /// When the stack cannot be asked, or one of its services does not answer.
    pub fn load() -> anyhow::Result<Self> {
        let stack = Self::told()?;
        stack.require_up(&["kafka", "cassandra", "postgres", "keycloak"])?;
        Ok(stack)
    }

    /// Where the services are, or would be.
    ///
    /// # Errors
    /// When the stack cannot be asked.
    pub fn told() -> anyhow::Result<Self> {
        Self::parse(&told_by(tool().arg("env"))?)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let values: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |key: &str| {
            let found = values.get(key).map(|value| (*value).to_owned());
            found.with_context(|| format!("`deploy/local/stack env` tells no {key}"))
        };
        Ok(Self {
            kafka: value("KAFKA_BROKERS")?,
            kafka_door: KafkaDoor {
                inner: format!("127.0.0.1:{}", value("KAFKA_INNER_PORT")?),
                port: value("KAFKA_DOOR_PORT")?.parse().context("KAFKA_DOOR_PORT")?,
            },
            kafka_files: KafkaFiles {
                jars: value("KAFKA_JARS")?.into(),
                settings: value("KAFKA_SETTINGS")?.into(),
                formatted: value("KAFKA_FORMATTED")?.into(),
            },
            cassandra: format!("{}:{}", value("CASSANDRA_HOST")?, value("CASSANDRA_PORT")?),
            postgres: Postgres {
                host: value("POSTGRES_HOST")?,
                port: value("POSTGRES_PORT")?.parse().context("POSTGRES_PORT")?,
                database: value("POSTGRES_DB")?,
                user: value("POSTGRES_USER")?,
                password: value("POSTGRES_PASSWORD")?,
                admin_user: value("POSTGRES_ADMIN_USER")?,
            },
            keycloak: Keycloak {
                url: value("KEYCLOAK_URL")?,
                admin_user: value("KEYCLOAK_ADMIN_USER")?,
                admin_password: value("KEYCLOAK_ADMIN_PASSWORD")?,
                realm: value("KEYCLOAK_REALM")?,
                provider_id: value("KEYCLOAK_PROVIDER_ID")?,
                client_id: value("KEYCLOAK_CLIENT_ID")?,
                client_secret: value("KEYCLOAK_CLIENT_SECRET")?,
            },
        })
    }

    fn require_up(&self, wanted: &[&str]) -> anyhow::Result<()> {
        let postgres = format!("{}:{}", self.postgres.host, self.postgres.port);
        let keycloak = self.keycloak.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let services =
            [("kafka", &*self.kafka), ("cassandra", &self.cassandra), ("postgres", &postgres), ("keycloak", keycloak)];
        for (name, address) in services.into_iter().filter(|(name, _)| wanted.contains(name)) {
            let socket: SocketAddr =
                address.to_socket_addrs()?.next().with_context(|| format!("{address} is no address"))?;
            TcpStream::connect_timeout(&socket, PATIENCE)
                .with_context(|| format!("{name} does not answer at {address}: `deploy/local/stack up`"))?;
        }
        Ok(())
    }

    /// The id that Keycloak gives a user of the federation.
    #[must_use]
    pub fn federated_id(&self, id: &str) -> String {
        format!("f:{}:{id}", self.keycloak.provider_id)
    }
}

/// `deploy/local/stack`, to be told what to do.
pub(crate) fn tool() -> Command {
    Command::new(repository().join("deploy/local/stack"))
}

/// What a command prints, or what it complains of.
pub(crate) fn told_by(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// The root of the working tree.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(3).expect("this package lies three folders below the root")
}

/// `target/debug` or `target/release`: where the running program was built.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("a program lies in a folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().context("deps lies in a folder")? } else { folder };
    Ok(folder.to_owned())
}
