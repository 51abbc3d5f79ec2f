//! The stand-in as a program: options, Cassandra in the background, a listener.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use sync_api_stand_in::cassandra::CassandraRows;
use sync_api_stand_in::options::Options;
use sync_api_stand_in::{StandIn, server};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // One line, whatever RUST_BACKTRACE says: whoever started it shows that line.
        Err(error) => {
            eprintln!("sync-api-stand-in: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let rows = Arc::new(CassandraRows::new(&options.cassandra, &options.keyspace));
    let app = StandIn::build(options.settings(), Arc::clone(&rows) as _).await?;
    // Whoever waits for this line may call at once: the listener is bound.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    drop(stdout);
    tokio::select! {
        never = rows.keep_connected() => match never {},
        never = server::serve(app, listener) => match never {},
    }
}
