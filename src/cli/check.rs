//! What `check` can be asked.

use clap::{Args, ValueEnum};

#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync check
  user-purge-sync check keycloak                  every table that is purged, by what, in which order, and why
  user-purge-sync check --create-topics --partitions 8")]
pub struct CheckArgs {
    /// Look closer at one dependency.
    #[arg(value_enum, conflicts_with = "create_topics")]
    pub subject: Option<CheckSubject>,

    /// Create the topics that are missing: status kept 400 days, failed 30, request and delay 7, control 1.
    #[arg(long)]
    pub create_topics: bool,

    /// Partitions of the topics that are created.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "create_topics", value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: i32,

    /// Create the topic of the deletion API as well. It belongs to Sunbird.
    #[arg(long, requires = "create_topics")]
    pub with_delete_topic: bool,
}

/// What `check` can say more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckSubject {
    /// The tables of Keycloak's database that know a user, against the live one: nothing is changed.
    Keycloak,
}
