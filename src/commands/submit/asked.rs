//! What a person asked for, made one: the arguments, and what the old jobs' parameters add to them.

use std::fmt;
use std::io::BufRead;
use std::path::PathBuf;

use serde::Serialize;

use super::listed::{Found, Listed};
use crate::cli::SubmitArgs;
use crate::domain::event::Action;
use crate::domain::ids::ObjectType;
use crate::settings::{BatchJob, Settings};

/// The old parameters, where an argument does not say otherwise.
pub(super) fn with_old_parameters(mut args: SubmitArgs, job: BatchJob) -> SubmitArgs {
    args.rate = args.rate.or(job.rate);
    if args.table.is_none() && args.object_type.is_none() {
        (args.table, args.object_type) = (job.table, job.object_type);
    }
    if args.ids.is_empty() && args.file.is_none() && !args.all && !args.deleted {
        args.file = job.id_file;
        // As they did.
        args.all = args.file.is_none() && (job.is_meant || !args.context_params.is_empty());
    }
    args
}

/// Whom it is about.
pub(super) enum Scope {
    Listed(Listed),
    Table,
    Deleted,
}

/// What was found in a file of ids.
#[derive(Serialize)]
pub(super) struct FileRead {
    path: PathBuf,
    lines: u64,
    users: u64,
    repeats: u64,
    blank: u64,
    invalid: u64,
    header: bool,
}

impl fmt::Display for FileRead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, lines, users, repeats, blank, invalid, header } = self;
        let header = if *header { ", a header" } else { "" };
        let path = path.display();
        writeln!(
            formatter,
            "{path}: {lines} lines: {users} users, {repeats} repeats, {blank} blank, {invalid} invalid{header}"
        )
    }
}

/// The users asked for, and what their file holds. An error of the scope is why they cannot be submitted.
pub(super) fn scope(
    args: &SubmitArgs,
    input: &mut dyn BufRead,
) -> anyhow::Result<(Result<Scope, String>, Option<FileRead>)> {
    if args.all {
        return Ok((Ok(Scope::Table), None));
    }
    if args.deleted {
        return Ok((Ok(Scope::Deleted), None));
    }
    let (listed, Found { lines, repeats }) = match &args.file {
        Some(path) => Listed::open(path, input)?,
        None => Listed::typed(&args.ids),
    };
    let file = args.file.clone().map(|path| FileRead {
        path,
        lines: lines.count,
        users: listed.users,
        repeats,
        blank: lines.blank,
        invalid: lines.invalid,
        header: lines.header,
    });
    let scope = if lines.invalid > 0 {
        let place = if args.file.is_some() { "line" } else { "id" };
        Err(format!("{} invalid{}", lines.invalid, lines.told_invalid(place)))
    } else if listed.users == 0 {
        Err("no ids; give some, a file of them with --file, or --all or --deleted".to_owned())
    } else {
        Ok(Scope::Listed(listed))
    };
    Ok((scope, file))
}

/// The object type meant by `--object-type` and `--table`, or why there is none.
pub(super) fn object_type(settings: &Settings, args: &SubmitArgs) -> Result<ObjectType, String> {
    let action = Action::from(args.action);
    if args.all && action == Action::DeleteUser {
        return Err(
            "--all would look at every living user again and again; --deleted takes those with status 2".to_owned()
        );
    }
    if args.deleted && action == Action::RetireLocalUser {
        return Err("--deleted goes with delete-user and resync-user".to_owned());
    }
    let tables = &settings.cassandra.tables;
    let object_type = match (&args.object_type, &args.table) {
        (Some(object_type), _) => object_type,
        (None, None) => "user",
        (None, Some(table)) => {
            let mut types = tables.iter().filter(|(_, name)| *name == table).map(|(object_type, _)| object_type);
            match (types.next(), types.next()) {
                (Some(object_type), None) => object_type,
                (Some(_), Some(_)) => return Err(format!("{table} is the table of several types: add --object-type")),
                (None, _) => return Err(no_table(settings, "TYPE", table)),
            }
        }
    };
    if object_type != "user" && (action != Action::ResyncUser || args.deleted) {
        return Err("objects other than user go with resync-user only, and not with --deleted".to_owned());
    }
    match (tables.get(object_type), &args.table) {
        (None, None) => {
            let known: Vec<&str> = tables.keys().map(String::as_str).collect();
            Err(format!("--object-type {object_type} has no table in cassandra.tables; there are {}", known.join(", ")))
        }
        (Some(configured), Some(table)) if configured != table => Err(no_table(settings, object_type, table)),
        (None, Some(table)) => Err(no_table(settings, object_type, table)),
        (Some(_), _) => Ok(ObjectType::new(object_type)),
    }
}

/// The workers decide what they read, so that nobody can have another table taken for that of the users.
fn no_table(settings: &Settings, object_type: &str, table: &str) -> String {
    let tables = settings.cassandra.tables.iter();
    let known: Vec<String> = tables.map(|(object_type, table)| format!("{table} for {object_type}")).collect();
    let fix = if object_type == "user" {
        String::new()
    } else {
        format!("; set cassandra.tables.{object_type} = {table:?} for the workers and here")
    };
    format!("the workers do not read {table} for {object_type}. They read {}{fix}", known.join(", "))
}
