//! A service of a stack that one test has to itself, since it speaks TLS there: it begins empty and goes with its value.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Away from the ports of the stack that the other tests share, and of the other stacks beside it.
const APART: u16 = 37;

pub struct Own {
    service: &'static str,
    name: String,
    offset: u16,
    /// Settings of Cassandra that replace the stack's own.
    yaml: Option<PathBuf>,
}

impl Own {
    /// Starts it.
    pub fn up(service: &'static str) -> Self {
        let own = Self::named(service, None);
        own.start();
        own
    }

    /// Cassandra, with a file of settings that the stack's own give way to.
    pub fn cassandra(yaml: &Path) -> Self {
        let own = Self::named("cassandra", Some(yaml.to_owned()));
        own.start();
        own
    }

    fn named(service: &'static str, yaml: Option<PathBuf>) -> Self {
        let name = std::env::var("STACK").unwrap_or_else(|_| "default".to_owned());
        let offset: u16 = std::env::var("STACK_PORT_OFFSET").map_or(0, |offset| offset.parse().unwrap());
        Self { service, name: format!("{name}-own-{service}"), offset: offset + APART, yaml }
    }

    pub fn start(&self) {
        self.told(&["up", self.service]);
    }

    pub fn stop(&self) {
        self.told(&["down", self.service]);
    }

    /// What `deploy/local/stack env` says of it.
    pub fn value(&self, key: &str) -> String {
        let told = self.told(&["env"]);
        let found = told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {key} in {told}")).to_owned()
    }

    /// A file for the service alone, beside its data.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let data = Path::new(&self.value("STACK_STATE_FOLDER")).join(self.service).join("data");
        let (path, owner) = (data.join(name), fs::metadata(&data).unwrap());
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path
    }

    fn told(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(local().join("stack"));
        command.env("STACK", &self.name).env("STACK_PORT_OFFSET", self.offset.to_string()).args(arguments);
        if let Some(yaml) = &self.yaml {
            command.env("STACK_CASSANDRA_YAML", yaml);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.told(&["reset"]);
    }
}

fn local() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local")
}
