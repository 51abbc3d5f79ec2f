//! The worker as the demo sets it up: what differs from the defaults, and why, in a file that stays to be read.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use local_stack::Stack;

use crate::processes::Process;

/// Seconds, so that a person does not wait for minutes. In production: 30 s, 10 min and 6 looks.
pub const SETTLE_DELAY: &str = "2s";
pub const DELAY_AFTER: &str = "10s";
pub const LOOKS: u32 = 2;

/// The stack, and what of it only the demo asks for.
pub struct Site {
    pub stack: Stack,
    pub env: String,
    pub state: PathBuf,
    pub sync_api: String,
}

impl Site {
    /// # Errors
    /// When the stack is not up.
    pub fn load() -> anyhow::Result<Self> {
        let stack = Stack::load()?;
        let answer = Command::new("deploy/local/stack").arg("env").output().context("call `make demo`")?;
        let text = String::from_utf8(answer.stdout)?;
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(str::to_owned).with_context(|| format!("`deploy/local/stack env` tells no {key}"))
        };
        let (env, sync_api) = (value("ENV_NAME")?, value("SYNC_API_URL")?);
        Ok(Self { stack, env, state: value("STACK_STATE_FOLDER")?.into(), sync_api })
    }

    /// The port after the stand-in's.
    pub fn worker_address(&self) -> anyhow::Result<String> {
        let (host, port) = self.sync_api_address()?.rsplit_once(':').context("SYNC_API_URL has no port")?;
        Ok(format!("{host}:{}", port.parse::<u16>()? + 1))
    }

    fn sync_api_address(&self) -> anyhow::Result<&str> {
        self.sync_api.strip_prefix("http://").context("SYNC_API_URL is no http address")
    }
}

/// Starts the stand-in for the Sync API.
pub async fn start_stand_in(site: &Site) -> anyhow::Result<Process> {
    let arguments = ["--listen", site.sync_api_address()?, "--cassandra", &site.stack.cassandra];
    let mut process = Process::start(&site.state, ("sync-api", "sync-api-stand-in"), &arguments)?;
    process.await_answer(&format!("{}/calls", site.sync_api)).await?;
    Ok(process)
}

/// Starts the worker with or without the step that ends access; returns when it is a member of its group.
pub async fn start_worker(site: &Site, admin_api: bool) -> anyhow::Result<Process> {
    let file = config_file(site);
    std::fs::create_dir_all(site.state.join("worker"))?;
    std::fs::write(&file, config(site, admin_api)?)?;
    let arguments = ["--config", &file.to_string_lossy(), "run"];
    let mut process = Process::start(&site.state, ("worker", "user-purge-sync"), &arguments)?;
    process.await_answer(&format!("http://{}/readyz", site.worker_address()?)).await?;
    Ok(process)
}

pub fn config_file(site: &Site) -> PathBuf {
    site.state.join("worker").join("worker.toml")
}

fn config(site: &Site, admin_api: bool) -> anyhow::Result<String> {
    let Site { stack, env, sync_api, .. } = site;
    let (postgres, keycloak) = (&stack.postgres, &stack.keycloak);
    Ok(format!(
        r#"# Written by `make demo`: the keys that differ from config/default.toml.
env = "{env}"
kafka.brokers = "{brokers}"
cassandra.hosts = ["{cassandra}"]
sync.endpoint = "{sync_api}/v1/data/sync"
sync.settle_delay = "{SETTLE_DELAY}" # 30s by default
delay.after = "{DELAY_AFTER}" # 10min by default
delay.looks = {LOOKS} # 6 by default
purge.mode = "delete"
http.listen = "{listen}"
log.format = "text"

[keycloak]
host = "{host}"
port = {port}
database = "{database}"
username = "{user}"
password = "{password}"
realm = "{realm}"
provider_id = "{provider}"

[keycloak.admin_api]
enabled = {admin_api}
url = "{url}"
client_id = "{client}"
client_secret = "{secret}"
"#,
        brokers = stack.kafka,
        cassandra = stack.cassandra,
        listen = site.worker_address()?,
        host = postgres.host,
        port = postgres.port,
        database = postgres.database,
        user = postgres.user,
        password = postgres.password,
        realm = keycloak.realm,
        provider = keycloak.provider_id,
        url = keycloak.url,
        client = keycloak.client_id,
        secret = keycloak.client_secret,
    ))
}
