//! What `audit` can be asked.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync audit                           the whole table
  user-purge-sync audit --output ids.csv --protected kept.csv
  user-purge-sync submit delete-user --file ids.csv
  user-purge-sync audit --file purged.csv         was all of them purged?")]
pub struct AuditArgs {
    /// Ids of users; without them, and without a file, all users of the table.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// A csv file of ids; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub file: Option<PathBuf>,

    /// Write the ids of those of whom something is left, for submit --file.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write the ids of those who are protected, and what protects them.
    #[arg(long, value_name = "FILE")]
    pub protected: Option<PathBuf>,
}
