//! The stand-in for the Sync API as a program of its own.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::Stack;
use crate::process::Process;
use crate::stack::{programs, repository};

/// A running stand-in; ends when dropped.
#[derive(Debug)]
pub struct StandIn {
    process: Process,
    address: String,
    http: reqwest::Client,
}

impl StandIn {
    /// Starts it on a free port, in front of the stack's Cassandra. `arguments`: its options, `["--per-id", "0"]`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(stack: &Stack, arguments: &[&str]) -> anyhow::Result<Self> {
        let program = programs()?.join("sync-api-stand-in");
        if !program.exists() {
            build()?;
        }
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--cassandra", &stack.cassandra]).args(arguments);
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
        let stdout = process.child().stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ").context("its first line tells the address")?;
        Ok(Self { address: address.to_owned(), process, http: reqwest::Client::new() })
    }

    /// What the worker calls: `sync.endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url("/v1/data/sync")
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets how it behaves from now on: `deploy/local/sync-api/README.md`.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn behave(&self, behaviour: &Value) -> anyhow::Result<()> {
        let answer = self.http.put(self.url("/behaviour")).json(behaviour).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {body}");
        Ok(())
    }

    /// Normal again.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn behave_normally(&self) -> anyhow::Result<()> {
        self.http.delete(self.url("/behaviour")).send().await?.error_for_status()?;
        Ok(())
    }

    /// `GET /documents?ids=true`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn documents(&self) -> anyhow::Result<Value> {
        self.get("/documents?ids=true").await
    }

    /// Ids of the documents whose row had this status.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn documents_with_status(&self, status: i32) -> anyhow::Result<BTreeSet<String>> {
        let found = self.get(&format!("/documents?ids={status}")).await?;
        let ids = found["ids"].as_array().context("ids are a list")?;
        Ok(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }

    /// The document of one user, if there is one.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn document(&self, id: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.http.get(self.url(&format!("/documents/{id}"))).send().await?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    /// `GET /calls`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn calls(&self) -> anyhow::Result<Value> {
        self.get("/calls?last=1000").await
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.http.get(self.url(path)).send().await?.error_for_status()?.json().await?)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// `cargo test --test it` builds the worker only.
fn build() -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(repository()).args(["build", "--quiet", "-p", "sync-api-stand-in"]);
    if programs()?.ends_with("release") {
        command.arg("--release");
    }
    ensure!(command.status()?.success(), "sync-api-stand-in cannot be built");
    Ok(())
}
