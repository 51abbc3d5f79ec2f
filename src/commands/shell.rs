//! `completions` and `man`: made from the command line itself, so they cannot disagree with it. Need no configuration.

use std::fs;
use std::io::{self, Write};

use anyhow::Context as _;

use super::{BadInput, Exit};
use crate::cli::{Cli, CompletionsArgs, ManArgs};

/// Prints what a shell sources.
///
/// # Errors
/// When `output` cannot be written.
pub fn completions(args: &CompletionsArgs, output: &mut dyn Write) -> io::Result<Exit> {
    let mut script = Vec::new();
    let mut command = Cli::command_line();
    let name = command.get_name().to_owned();
    // Order: into memory first, since the generator panics where a pipe is closed early.
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output.write_all(&script)?;
    Ok(Exit::Done)
}

/// Prints the first page, or writes all of them into a folder.
///
/// # Errors
/// When the folder or `output` cannot be written.
pub fn man(args: &ManArgs, output: &mut dyn Write) -> anyhow::Result<Exit> {
    let Some(folder) = &args.folder else {
        clap_mangen::Man::new(Cli::command_line()).render(&mut *output)?;
        return Ok(Exit::Done);
    };
    let wrong = || BadInput(format!("{} cannot hold the pages", folder.display()));
    fs::create_dir_all(folder).with_context(wrong)?;
    clap_mangen::generate_to(Cli::command_line(), folder).with_context(wrong)?;
    let pages = fs::read_dir(folder).with_context(wrong)?.count();
    writeln!(output, "{} holds {pages} files", folder.display())?;
    Ok(Exit::Done)
}
