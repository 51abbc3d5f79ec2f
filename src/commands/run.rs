//! The composition root: builds the adapters and wires them. Not built yet.

use std::process::ExitCode;
use std::sync::Arc;

use super::check::Probe;
use super::reachable;
use crate::cli::CheckArgs;
use crate::ports::Publisher;
use crate::settings::Settings;

/// The worker.
///
/// # Errors
/// Always: the pipeline is not built yet.
#[expect(clippy::unused_async, reason = "the pipeline will be awaited here")]
pub async fn run(_settings: Settings) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the pipeline is not built yet")
}

/// What `check` asks.
///
/// # Errors
/// When an adapter cannot be built from these settings.
pub fn probes(settings: &Settings, _args: &CheckArgs) -> anyhow::Result<Vec<Probe>> {
    Ok(reachable::probes(settings))
}

/// Where `submit` publishes.
///
/// # Errors
/// Always: the producer is not wired yet.
pub fn publisher(_settings: &Settings) -> anyhow::Result<Arc<dyn Publisher>> {
    anyhow::bail!("the pipeline is not built yet")
}
