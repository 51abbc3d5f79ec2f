//! What `status` can be asked.

use clap::Args;

use super::redrive::user;
use super::when::When;
use crate::domain::ids::UserId;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync status 02c4e0dc-3e25-4f7d-b811-242c73e24a01
  user-purge-sync status 02c4e0dc-3e25-4f7d-b811-242c73e24a01 --since 180d
                                                  the topics are read from there on, about 100,000 records a second")]
pub struct StatusArgs {
    /// The user's id.
    #[arg(value_name = "USER", value_parser = user)]
    pub user: UserId,

    /// How far back the topics are read: so long ago (24h), or a time (2026-11-28T14:00:00Z).
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = When::parse)]
    pub since: When,
}
