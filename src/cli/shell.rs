//! What makes the program comfortable in a shell: completions and man pages, made from the command line itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync completions bash > /etc/bash_completion.d/user-purge-sync
  user-purge-sync completions zsh > \"${fpath[1]}/_user-purge-sync\"
  user-purge-sync completions fish > ~/.config/fish/completions/user-purge-sync.fish
  source <(user-purge-sync completions bash)      for this shell only")]
pub struct CompletionsArgs {
    /// Whose completions.
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  user-purge-sync man | man -l -                  read the first page
  user-purge-sync man /usr/local/share/man/man1   a page for every command")]
pub struct ManArgs {
    /// Write a page for every command into this folder; without it the first page is printed.
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
