//! The worker and the stand-in as processes that outlive the demo, so that they can be looked at when it is over.
//! `make down` (`deploy/local/demo/down`) ends them: it finds their pids and folders here.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that stays when this one ends.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    folder: PathBuf,
}

impl Process {
    /// Starts a program that was built beside this one.
    pub fn start(state: &Path, (name, program): (&'static str, &str), arguments: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name(program);
        let (folder, log) = (state.join(name), state.join(format!("{name}.log")));
        fs::create_dir_all(&folder)?;
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(&program)
            .args(arguments)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // Neither Ctrl-C nor the end of the terminal is meant for it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        fs::write(folder.join("pid"), format!("{}\n", child.id()))?;
        Ok(Self { name, child, log, folder })
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until `url` answers well; an early end of the process is told with the last line it said.
    pub async fn await_answer(&mut self, url: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while !reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success()) {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} ended: {status}: {}", self.name, said.lines().last().unwrap_or("it said nothing"));
            }
            if begin.elapsed() > PATIENCE {
                bail!("{} does not answer at {url}; its log is {}", self.name, self.log.display());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Asks it to end, and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !asked.success() {
            bail!("cannot signal {}", self.name);
        }
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                bail!("{} does not end; its log is {}", self.name, self.log.display());
            }
            tokio::time::sleep(PAUSE).await;
        }
        fs::remove_file(self.folder.join("pid"))?;
        Ok(())
    }
}
