//! The worker as a program of its own, told by environment alone.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::process::Process;
use crate::stack::programs;
use crate::{Stack, eventually};

const PREFIX: &str = "USER_PURGE_SYNC__";

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    log: PathBuf,
    http: reqwest::Client,
}

impl Worker {
    /// Starts it on the stack. `overrides`: settings without their prefix, `("SYNC__ENDPOINT", …)`; they win.
    ///
    /// Deletes without waiting for other jobs of Sunbird: `sync.settle_delay` is 0, `delay.after` 2 s.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(stack: &Stack, env: &str, overrides: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_within(stack, env, overrides, &[])
    }

    /// With further variables of its environment, as they are.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_within(
        stack: &Stack,
        env: &str,
        overrides: &[(&str, &str)],
        variables: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let program = match std::env::var_os("USER_PURGE_SYNC_BIN") {
            Some(program) => PathBuf::from(program),
            None => programs()?.join("user-purge-sync"),
        };
        let folder = folder()?;
        std::fs::create_dir_all(&folder)?;
        let log = folder.join(format!("{env}-{}.log", uuid::Uuid::new_v4().simple()));
        let file = File::create(&log)?;
        let mut command = Command::new(program);
        command.arg("run").stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        for (key, value) in settings(stack, env).into_iter().chain(owned(overrides)) {
            command.env(format!("{PREFIX}{key}"), value);
        }
        command.envs(variables.iter().map(|(key, value)| (key, value)));
        Ok(Self { process: Process::spawn(&mut command)?, log, http: reqwest::Client::new() })
    }

    /// # Errors
    /// When it has ended, or is not ready after `patience`; with the end of its log.
    pub async fn wait_ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let mut ended = None;
        let ready = eventually("the worker is ready", patience, async || {
            ended = self.process.child().try_wait().ok().flatten();
            (ended.is_some() || self.is_ready().await).then_some(())
        });
        ready.await.with_context(|| self.log_end())?;
        ensure!(ended.is_none(), "the worker has ended: {ended:?}\n{}", self.log_end());
        Ok(())
    }

    pub async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_ok()
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn term(&self) -> anyhow::Result<()> {
        self.process.signal("TERM")
    }

    /// `STOP`, `CONT`, `INT`.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        self.process.signal(name)
    }

    /// Ends it at once, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill9(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Waits for its end by itself.
    ///
    /// # Errors
    /// When it still runs after `patience`; with the end of its log.
    pub async fn until_ended(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let ended = self.process.until_ended(patience).await;
        ended.with_context(|| self.log_end())
    }

    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        self.get("/metrics").await
    }

    /// The sum of a metric's series whose labels contain every one of `labels`, such as `stage="sync"`.
    ///
    /// # Errors
    /// When it does not answer, or has no such series.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let metrics = self.metrics().await?;
        sum(&metrics, name, labels).with_context(|| format!("no {name} with {labels:?}"))
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The most memory it has ever had.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn peak_memory_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(peak.trim().trim_end_matches(" kB").trim().parse()?)
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(15)..].join("\n");
        format!("{}:\n{end}", self.log.display())
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let address = self.address().context("it has not told its address yet")?;
        let answer = self.http.get(format!("http://{address}{path}")).timeout(Duration::from_secs(5)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Where it is served: it chooses a free port and tells it when it runs.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("\"http\":\"")?;
        rest.split_once('"').map(|(address, _)| address.to_owned())
    }
}

/// Where the logs of all workers are.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(programs()?.join("../tmp/workers"))
}

/// Name and text of every log of an environment name, whether its worker still runs or not.
pub(crate) fn logs(env: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut logs = Vec::new();
    for file in std::fs::read_dir(folder()?)? {
        let (name, path) = file.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()))?;
        if name.starts_with(&format!("{env}-")) {
            let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
            logs.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(logs)
}

/// The environment in which the program finds the stack, for commands other than `run`.
#[must_use]
pub fn environment(stack: &Stack, env: &str) -> Vec<(String, String)> {
    settings(stack, env).into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect()
}

fn settings(stack: &Stack, env: &str) -> Vec<(String, String)> {
    let port = stack.postgres.port.to_string();
    owned(&[
        ("ENV", env),
        ("KAFKA__BROKERS", &stack.kafka),
        ("KAFKA__SESSION_TIMEOUT", "6s"),
        ("CASSANDRA__HOSTS", &stack.cassandra),
        ("KEYCLOAK__HOST", &stack.postgres.host),
        ("KEYCLOAK__PORT", &port),
        ("KEYCLOAK__DATABASE", &stack.postgres.database),
        ("KEYCLOAK__USERNAME", &stack.postgres.user),
        ("KEYCLOAK__PASSWORD", &stack.postgres.password),
        ("KEYCLOAK__REALM", &stack.keycloak.realm),
        ("KEYCLOAK__PROVIDER_ID", &stack.keycloak.provider_id),
        ("KEYCLOAK__ADMIN_API__URL", &stack.keycloak.url),
        ("KEYCLOAK__ADMIN_API__CLIENT_ID", &stack.keycloak.client_id),
        ("KEYCLOAK__ADMIN_API__CLIENT_SECRET", &stack.keycloak.client_secret),
        ("PURGE__MODE", "delete"),
        ("SYNC__SETTLE_DELAY", "0s"),
        ("DELAY__AFTER", "2s"),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("LOG__FORMAT", "json"),
    ])
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn sum(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let series =
        metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    let matching = series.filter(|line| labels.iter().all(|label| line.contains(label)));
    matching.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).reduce(|sum: f64, value: f64| sum + value)
}
