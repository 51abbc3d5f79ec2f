//! A program that ends with its owner.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::eventually;

#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child =
            command.spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self(child))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// `TERM`, `INT`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status()?;
        ensure!(status.success(), "kill -s {name}: {status}");
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    pub(crate) async fn until_ended(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        eventually("the program ends", patience, async || self.0.try_wait().ok().flatten()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A program that has ended by itself cannot be killed, and needs not.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
