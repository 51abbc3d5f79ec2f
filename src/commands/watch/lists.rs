//! The success and the failure csv, a line for every user who has ended.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::WatchArgs;
use crate::commands::BadInput;
use crate::domain::tally::{Ended, Tally, is_failure};

const HEADER: [&str; 6] = ["userId", "outcome", "reason", "stage", "attempts", "time"];

/// A csv file, and how many users it holds.
#[derive(Serialize)]
pub(super) struct Listed {
    path: PathBuf,
    users: u64,
}

impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} holds {} users", self.path.display(), self.users)
    }
}

/// Writes those that are asked for and says how many lines each has.
pub(super) fn write(args: &WatchArgs, tally: &Tally) -> anyhow::Result<Vec<Listed>> {
    let mut written = Vec::new();
    for (path, failures) in [(&args.success, false), (&args.failure, true)] {
        let Some(path) = path else { continue };
        let lines = tally.lines().into_iter().filter(|(_, ended)| is_failure(ended.status) == failures);
        let users = write_one(path, lines).with_context(|| BadInput(path.display().to_string()))?;
        written.push(Listed { path: path.clone(), users });
    }
    Ok(written)
}

fn write_one<'a>(path: &Path, lines: impl Iterator<Item = (&'a str, &'a Ended)>) -> io::Result<u64> {
    let mut writer = csv::Writer::from_writer(File::create(path)?);
    writer.write_record(HEADER)?;
    let mut count = 0;
    for (user, Ended { status, reason, stage, attempts, ets }) in lines {
        let (attempts, time) = (attempts.to_string(), time(*ets));
        writer.write_record([user, status.name(), reason, stage.unwrap_or_default(), &attempts, &time])?;
        count += 1;
    }
    writer.flush()?;
    Ok(count)
}

/// As in logs: RFC 3339, to the millisecond, UTC.
fn time(ets: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(ets).unwrap_or_default());
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}
