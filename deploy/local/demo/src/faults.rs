//! A stack whose services may be killed, because nobody else works on it: `STACK=faults`, or any name that begins so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::Stack;
use crate::stack::{repository, told_by, tool};

/// A service that a test may kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    Kafka,
    Cassandra,
    Postgres,
    Keycloak,
}

impl Service {
    /// Not Keycloak, whose schema comes with the database: a case that needs it starts it.
    const MOST: [Self; 3] = [Self::Kafka, Self::Cassandra, Self::Postgres];

    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Cassandra => "cassandra",
            Self::Postgres => "postgres",
            Self::Keycloak => "keycloak",
        }
    }
}

/// The stack that is told by `STACK`.
#[derive(Clone, Debug)]
pub struct Faults {
    pub stack: Stack,
}

impl Faults {
    /// Starts what does not run, whatever the test before has left.
    ///
    /// # Errors
    /// When the stack is one that others share, or does not start.
    pub fn up() -> anyhow::Result<Self> {
        Self::up_with(&Service::MOST.map(Service::name))
    }

    /// The same for Keycloak and its database.
    ///
    /// # Errors
    /// As for [`Faults::up`].
    pub fn up_with_keycloak() -> anyhow::Result<Self> {
        Self::up_with(&[Service::Postgres, Service::Keycloak].map(Service::name))
    }

    fn up_with(names: &[&str]) -> anyhow::Result<Self> {
        let name = std::env::var("STACK").unwrap_or_default();
        ensure!(
            name.starts_with("faults"),
            "no service of the stack {name:?} is killed, others may work on it: `make test` sets STACK=faults for these tests"
        );
        told_by(tool().arg("up").args(names))?;
        Ok(Self { stack: Stack::told()? })
    }

    /// `kill -9`; back when it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&self, service: Service) -> anyhow::Result<()> {
        told_by(tool().args(["down", "--kill", service.name()])).map(drop).with_context(|| format!("kill {service:?}"))
    }

    /// `STOP` or `CONT`: it stands still, its connections stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, service: Service, signal: &str) -> anyhow::Result<()> {
        let states = std::env::var_os("STACK_STATE").map(PathBuf::from);
        let states = states.unwrap_or_else(|| repository().join("deploy/local/.state"));
        let name = std::env::var("STACK").unwrap_or_default();
        let pid = states.join(name).join(service.name()).join("pid");
        let pid = std::fs::read_to_string(&pid).with_context(|| format!("{} is not there", pid.display()))?;
        told_by(Command::new("kill").args(["-s", signal, pid.trim()])).map(drop)
    }

    /// Back when it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, service: Service) -> anyhow::Result<()> {
        told_by(tool().args(["up", service.name()])).map(drop).with_context(|| format!("start {service:?}"))
    }
}
