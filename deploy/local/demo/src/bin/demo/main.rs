//! `make demo`: two thousand users, real systems, one worker; and tables that say what became of them.
//!
//! Here is the story, a step a line. Who plays is in `cast`, what is published in `events`, what is shown in `report`.
#![forbid(unsafe_code)]

mod access;
mod cast;
mod events;
mod outcomes;
mod processes;
mod report;
mod screen;
mod seed;
mod watching;
mod worker;

use std::process::ExitCode;
use std::time::Instant;

use local_stack::{Accounts, KeycloakRows, Topics, Users};

use crate::cast::Cast;
use crate::worker::Site;

/// What the demo works with.
struct World {
    site: Site,
    users: Users,
    rows: KeycloakRows,
    accounts: Accounts,
    topics: Topics,
}

#[tokio::main]
async fn main() -> ExitCode {
    match play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::line(format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn play() -> anyhow::Result<()> {
    let begin = Instant::now();
    let world = World::connect().await?;
    let cast = Cast::new();

    screen::heading("Users, deleted and otherwise");
    let stand_in = worker::start_stand_in(&world.site).await?;
    let (mut witness, mut other) = seed::users(&world, &cast).await?;
    let before = report::Counts::take(&world, &cast).await?;
    let access_before = witness.try_access(&world.accounts).await;

    screen::heading("One user is purged by a worker that may not use Keycloak's Admin API");
    let without = watching::purge_without_step(&world, &cast, &mut other).await?;

    screen::heading("Everybody, by a worker that may");
    let worker = worker::start_worker(&world.site, true).await?;
    let run = watching::everybody(&world, &cast).await?;
    let access_after = witness.try_access(&world.accounts).await;

    screen::heading("Users, by what became of them");
    run.outcomes.show();
    report::poison(&run);
    screen::heading("Rows in Keycloak's database");
    before.show_against(&report::Counts::take(&world, &cast).await?);
    screen::heading("Can a deleted user still get in?");
    report::access(&access_before, &access_after, &without);
    screen::heading("Search index and speed");
    report::documents(&world, &cast).await?;
    report::speed(&run);
    screen::heading("Look around: worker and stack stay up until `make down`");
    report::places(&world, [&worker, &stand_in])?;
    screen::line(format!("the demo took {:.0} s", begin.elapsed().as_secs_f64()));
    Ok(())
}

impl World {
    async fn connect() -> anyhow::Result<Self> {
        let site = Site::load()?;
        let (users, rows) = (Users::connect(&site.stack).await?, KeycloakRows::connect(&site.stack).await?);
        let (accounts, topics) = (Accounts::connect(&site.stack).await?, Topics::of(&site.stack, &site.env)?);
        Ok(Self { site, users, rows, accounts, topics })
    }
}
