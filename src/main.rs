//! `user-purge-sync`: parses, loads, hands over to a command, and says how it ended.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use user_purge_sync::adapters::keycloak;
use user_purge_sync::cli::{CheckArgs, CheckSubject, Cli, Command, Format};
use user_purge_sync::commands::{self, Exit};
use user_purge_sync::settings::{self, Loaded, LogFormat};
use user_purge_sync::telemetry;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return if told.print().is_ok() && !told.use_stderr() { Exit::Done } else { Exit::Usage }.into(),
    };
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            // Where nobody reads standard error, the exit code still tells: no panic.
            writeln!(stderr(), "user-purge-sync: {error:#}").ok();
            Exit::of(&error).into()
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { config, format, command } = cli;
    // Order: the form of the log is a setting, so what is wrong with the settings goes to standard error as it is.
    let params = if let Command::Submit(args) = &command { args.context_params.as_slice() } else { &[] };
    let env = settings::with_context_params(settings::environment(), params)?;
    let mut loaded = match &command {
        // They need no settings, so wrong ones are not in their way.
        Command::Completions(_) | Command::Man(_) => Loaded::load(None, std::iter::empty())?,
        _ => Loaded::load(config.as_deref(), env.iter().cloned())?,
    };
    if matches!(command, Command::Run) {
        loaded.settings.purge_mode()?;
        telemetry::abort_on_panic();
    } else {
        loaded.settings.log.format = LogFormat::Text;
    }
    telemetry::init(&loaded.settings.log)?;
    if matches!(command, Command::Run | Command::Check(_)) {
        loaded.settings.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    }
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let ended = runtime.block_on(execute(command, format, loaded, &env));
    // Whoever still asks a Kafka that does not answer is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn execute(
    command: Command,
    format: Format,
    loaded: Loaded,
    env: &[(String, String)],
) -> anyhow::Result<ExitCode> {
    let settings = loaded.settings.clone();
    Ok(match command {
        Command::Run => return commands::run::run(settings).await,
        Command::Check(CheckArgs { subject: Some(CheckSubject::Keycloak), .. }) => {
            let found = keycloak::table_map(&settings.keycloak, &settings.purge).await;
            commands::check_keycloak::tell(&settings.keycloak, found, format, &mut stdout())?.into()
        }
        Command::Check(args) => {
            let probes = commands::world::probes(&settings, &args)?;
            commands::check::check(probes, format, &mut stdout()).await?.into()
        }
        Command::Audit(args) => {
            let mut input = std::io::BufReader::new(stdin());
            commands::audit::audit(&settings, &args, &mut input, (format, &mut stdout())).await?.into()
        }
        Command::Watch(args) => {
            let console =
                commands::watch::Console { output: &mut stdout(), interactive: stderr().is_terminal(), format };
            commands::watch::connect_and_watch(&settings, &args, console).await?.into()
        }
        Command::Config => commands::config::tell(&loaded, format, &mut stdout())?.into(),
        Command::Completions(args) => commands::shell::completions(&args, &mut stdout())?.into(),
        Command::Man(args) => commands::shell::man(&args, &mut stdout())?.into(),
        Command::Redrive(args) => commands::redrive::redrive(&settings, &args, (format, &mut stdout())).await?.into(),
        Command::Status(args) => commands::status::status(&settings, &args, (format, &mut stdout())).await?.into(),
        Command::Replay(args) => commands::replay::replay(&settings, &args, (format, &mut stdout())).await?.into(),
        Command::Submit(args) => commands::submit::connect_and_submit(&settings, args, format, env).await?.into(),
    })
}
