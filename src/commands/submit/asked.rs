//! What a person asked for, made one: the arguments, and what the old jobs' parameters add to them.

use super::Console;
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

/// The users asked for; a file tells what was found in it. An error is why they cannot be submitted.
pub(super) fn scope(args: &SubmitArgs, console: &mut Console<'_>) -> anyhow::Result<Result<Scope, String>> {
    if args.all {
        return Ok(Ok(Scope::Table));
    }
    if args.deleted {
        return Ok(Ok(Scope::Deleted));
    }
    let (listed, Found { lines, repeats }) = match &args.file {
        Some(path) => Listed::open(path, &mut *console.input)?,
        None => Listed::typed(&args.ids),
    };
    if let Some(path) = &args.file {
        let header = if lines.header { ", a header" } else { "" };
        let (count, blank, invalid) = (lines.count, lines.blank, lines.invalid);
        writeln!(
            console.output,
            "{}: {count} lines: {} users, {repeats} repeats, {blank} blank, {invalid} invalid{header}",
            path.display(),
            listed.users,
        )?;
    }
    if lines.invalid > 0 {
        let place = if args.file.is_some() { "line" } else { "id" };
        return Ok(Err(format!("{} invalid{}", lines.invalid, lines.told_invalid(place))));
    }
    if listed.users == 0 {
        return Ok(Err("no ids; give some, a file of them with --file, or --all or --deleted".to_owned()));
    }
    Ok(Ok(Scope::Listed(listed)))
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
