//! What tests found: a line each, from which `docs/faults.md` and `docs/schemas.md` are made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::stack::programs;

/// Where they stand: `target/tmp/{suite}.jsonl`.
///
/// # Errors
/// When the running program does not know where it is.
pub fn file(suite: &str) -> anyhow::Result<PathBuf> {
    Ok(programs()?.join(format!("../tmp/{suite}.jsonl")))
}

/// # Errors
/// When the file cannot be written.
pub fn append(suite: &str, result: &Value) -> anyhow::Result<()> {
    let file = file(suite)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    writeln!(OpenOptions::new().create(true).append(true).open(file)?, "{result}")?;
    Ok(())
}
