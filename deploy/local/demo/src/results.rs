//! What tests found: a line each, from which `docs/faults.md` and `docs/schemas.md` are made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::stack::{programs, repository, told_by};

/// Where they stand: `target/tmp/{suite}.jsonl`.
///
/// # Errors
/// When the running program does not know where it is.
pub fn file(suite: &str) -> anyhow::Result<PathBuf> {
    Ok(programs()?.join(format!("../tmp/{suite}.jsonl")))
}

/// With the commit at which it was found: a case may be played again later than the others.
///
/// # Errors
/// When the file cannot be written.
pub fn append(suite: &str, mut result: Value) -> anyhow::Result<()> {
    // A copy without its history is tested too.
    let commit = told_by(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(repository()));
    result["commit"] = json!(commit.unwrap_or_default().trim());
    let file = file(suite)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    writeln!(OpenOptions::new().create(true).append(true).open(file)?, "{result}")?;
    Ok(())
}
