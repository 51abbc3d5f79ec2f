//! From start to end: a first signal lets the worker drain, a second one, or too long a drain, makes it hurry.
//!
//! A value that is handed down, never a static: a test has as many lives as it likes.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two ways to be told to stop. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    drain: CancellationToken,
    hurry: CancellationToken,
}

impl Lifecycle {
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when no new work is to be begun: what is under way may finish.
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when nothing is to be waited for any more. Never before `drain`.
    pub fn hurry(&self) -> &CancellationToken {
        &self.hurry
    }

    /// Listens for SIGTERM and SIGINT until the process ends; must run inside a runtime.
    ///
    /// # Errors
    /// When the system refuses to hand out signals.
    pub fn listen(&self, shutdown_timeout: Duration) -> std::io::Result<()> {
        let signals = arriving()?;
        #[expect(clippy::disallowed_methods, reason = "lives as long as the process: nothing waits for it to end")]
        tokio::spawn(self.clone().follow(signals, shutdown_timeout));
        Ok(())
    }

    async fn follow(self, mut signals: BoxStream<'static, &'static str>, shutdown_timeout: Duration) {
        let Some(name) = signals.next().await else { return };
        tracing::info!(signal = name, "stopping: what is under way may finish");
        self.drain.cancel();
        tokio::select! {
            Some(name) = signals.next() => tracing::warn!(signal = name, "stopping at once"),
            () = tokio::time::sleep(shutdown_timeout) => tracing::warn!("shutdown_timeout is over: stopping at once"),
        }
        self.hurry.cancel();
    }
}

/// The names of the signals that ask the process to end, as they come.
fn arriving() -> std::io::Result<BoxStream<'static, &'static str>> {
    let both = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(stream::unfold(both, async |(mut term, mut int)| {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        Some((name, (term, int)))
    })
    .boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);

    fn kill(signal: &str) {
        let own_pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &own_pid]).status().unwrap().success());
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_hurries() {
        let lifecycle = Lifecycle::new();
        lifecycle.listen(SHUTDOWN_TIMEOUT).unwrap();
        assert!(!lifecycle.drain().is_cancelled());
        kill("-TERM");
        lifecycle.drain().cancelled().await;
        assert!(!lifecycle.hurry().is_cancelled());
        kill("-INT");
        lifecycle.hurry().cancelled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_takes_too_long_is_hurried() {
        let lifecycle = Lifecycle::new();
        let begun = tokio::time::Instant::now();
        let one_signal = stream::iter(["SIGTERM"]).chain(stream::pending());
        lifecycle.clone().follow(one_signal.boxed(), SHUTDOWN_TIMEOUT).await;
        assert_eq!(begun.elapsed(), SHUTDOWN_TIMEOUT);
        assert!(lifecycle.hurry().is_cancelled());
    }
}
