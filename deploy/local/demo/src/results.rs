//! What the cases of the fault suite found: a line each, from which `docs/faults.md` is made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::stack::programs;

/// Where they stand: `target/tmp/faults.jsonl`.
///
/// # Errors
/// When the running program does not know where it is.
pub fn file() -> anyhow::Result<PathBuf> {
    Ok(programs()?.join("../tmp/faults.jsonl"))
}

/// # Errors
/// When the file cannot be written.
pub fn append(result: &Value) -> anyhow::Result<()> {
    let file = file()?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    writeln!(OpenOptions::new().create(true).append(true).open(file)?, "{result}")?;
    Ok(())
}
