//! A calendar that can be set, for one program: `deploy/local/clock/shifted.c`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::stack::{programs, repository};

/// Of the workers that are started with its variables.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    shift: PathBuf,
}

impl Clock {
    /// # Errors
    /// When there is no C compiler.
    pub fn build() -> anyhow::Result<Self> {
        let folder = programs()?.join("../tmp");
        std::fs::create_dir_all(&folder)?;
        let name = format!("clock-{}", uuid::Uuid::new_v4().simple());
        let clock = Self { library: folder.join(format!("{name}.so")), shift: folder.join(name) };
        let source = repository().join("deploy/local/clock/shifted.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source);
        ensure!(compiler.status().context("cc")?.success(), "the shifted clock cannot be compiled");
        clock.shift(0)?;
        Ok(clock)
    }

    /// From now on it is so many seconds later than it is.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn shift(&self, seconds: i64) -> anyhow::Result<()> {
        // Never cut short: the file is mapped.
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&self.shift)?;
        Ok(file.write_all(&seconds.to_le_bytes())?)
    }

    /// # Errors
    /// When a path is no text.
    pub fn variables(&self) -> anyhow::Result<[(&'static str, String); 2]> {
        let text = |path: &PathBuf| path.to_str().map(str::to_owned).context("a path that is text");
        Ok([("LD_PRELOAD", text(&self.library)?), ("CLOCK_SHIFT_FILE", text(&self.shift)?)])
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Left behind they harm nobody.
        std::fs::remove_file(&self.library).ok();
        std::fs::remove_file(&self.shift).ok();
    }
}
