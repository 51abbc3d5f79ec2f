//! In which form commands answer.

use clap::ValueEnum;

/// The form of what a command prints at its end, on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines and tables for people.
    #[default]
    Text,
    /// One JSON document for programs; what is told meanwhile goes to standard error.
    Json,
}
