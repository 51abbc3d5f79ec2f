use std::process::ExitCode;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = user_purge_sync::settings::Settings::load(None, std::env::vars())?;
    user_purge_sync::telemetry::init(&settings.log)?;
    user_purge_sync::adapters::tls::install_provider();
    user_purge_sync::commands::run::run(settings).await
}
