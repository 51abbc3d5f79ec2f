//! The tables at the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use local_stack::topics::{FAILED, STATUS};
use serde_json::Value;

use crate::World;
use crate::access::Access;
use crate::cast::Cast;
use crate::processes::Process;
use crate::screen::{self, count};
use crate::watching::Run;
use crate::{events, row, worker};

/// Rows by table: of those who have to go, of those whose local copy only has to go, and of those who stay.
pub struct Counts {
    gone: BTreeMap<&'static str, i64>,
    moved: BTreeMap<&'static str, i64>,
    kept: BTreeMap<&'static str, i64>,
}

impl Counts {
    pub async fn take(world: &World, cast: &Cast) -> anyhow::Result<Self> {
        let rows = &world.rows;
        Ok(Self {
            gone: rows.of(&cast.gone()).await?,
            moved: rows.of(&cast.moved).await?,
            kept: rows.of(&cast.kept()).await?,
        })
    }

    /// `self` is before, `after` after.
    pub fn show_against(&self, after: &Self) {
        let tables: BTreeSet<&str> =
            [&self.gone, &self.moved, &self.kept].into_iter().flat_map(BTreeMap::keys).copied().collect();
        let mut rows = vec![row![
            "table",
            "purged: before",
            "after",
            "moved to federation: before",
            "after",
            "kept: before",
            "after"
        ]];
        let of =
            |counts: &BTreeMap<&'static str, i64>, table: &str| count(counts.get(table).copied().unwrap_or_default());
        let pairs = [(&self.gone, &after.gone), (&self.moved, &after.moved), (&self.kept, &after.kept)];
        // The local accounts' tables first, so that one sees which half of the moved users stays.
        let (federated, local): (Vec<&str>, Vec<&str>) = tables.into_iter().partition(|table| is_federated(table));
        for table in local.into_iter().chain(federated) {
            let counts = pairs.iter().flat_map(|(before, after)| [of(before, table), of(after, table)]);
            rows.push(std::iter::once(table.to_owned()).chain(counts).collect());
        }
        let sums = pairs.iter().flat_map(|(before, after)| [sum(before), sum(after)]);
        rows.push(std::iter::once("together".to_owned()).chain(sums).collect());
        screen::table(&rows);
    }
}

fn is_federated(table: &str) -> bool {
    table.starts_with("fed_")
        || ["federated_user", "broker_link", "offline_user_session", "offline_client_session"].contains(&table)
}

fn sum(counts: &BTreeMap<&'static str, i64>) -> String {
    count(counts.values().sum::<i64>())
}

/// What else the topics held.
pub fn poison(run: &Run) {
    let failed_users = run.outcomes.failed();
    screen::line(format!(
        "failed topic: {} records = {failed_users} FAILED users + {} that were no event ({} poison records published)",
        run.failed,
        run.failed - i64::try_from(failed_users).unwrap_or_default(),
        events::poison(),
    ));
}

/// One user's ways in.
pub fn access(before: &Access, with: &Access, without: &Access) {
    let rows = [
        row!["a federated user's way in", "before", "after, with the Admin API step", "after, without it"],
        row!["login with the password", before.login, with.login, without.login],
        row!["refresh an online token", before.online, with.online, without.online],
        row!["refresh an offline token (apps keep it for weeks)", before.offline, with.offline, without.offline],
    ];
    screen::table(&rows);
    screen::line("without the step the rows are gone as well, but Keycloak keeps sessions in memory until it restarts");
}

/// What the index knows.
pub async fn documents(world: &World, cast: &Cast) -> anyhow::Result<()> {
    let url = format!("{}/documents", world.site.sync_api);
    let shown: Value = reqwest::get(&url).await?.json().await?;
    let of = |status: &str| count(shown["byStatus"][status].as_u64().unwrap_or_default());
    let documents = shown["documents"].as_u64().context("the stand-in counts its documents")?;
    screen::line(format!("{} users indexed: {} as deleted, {} as active", count(documents), of("2"), of("1")));
    let left_alone = cast.live.len() + cast.unknown.len();
    screen::line(format!("not indexed: the {left_alone} who are not deleted, or not in Cassandra"));
    Ok(())
}

pub fn speed(run: &Run) {
    let seconds = run.took.as_secs_f64();
    let (users, events) = (count(run.at_once), count(run.events));
    screen::line(format!(
        "{events} events; the {users} users that had to wait for no second look were done after {seconds:.1} s"
    ));
    screen::line(format!(
        "that is {:.0} events and {:.0} users a second, the settle delay included (the stand-in takes 8 ms a user, four blocks at once: 500 a second at most)",
        run.events as f64 / seconds,
        run.at_once as f64 / seconds,
    ));
}

/// Where everything can be seen.
pub fn places(world: &World, [worker, stand_in]: [&Process; 2]) -> anyhow::Result<()> {
    let address = world.site.worker_address()?;
    let (status, failed) = (world.topics.name(STATUS), world.topics.name(FAILED));
    let stack = &world.site.stack;
    let config = worker::config_file(&world.site);
    let rows = [
        row!["what", "where"],
        row!["metrics", format!("http://{address}/metrics    (also /livez, /readyz, /startupz)")],
        row!["statuses", format!("topic {status} on Kafka at {}", stack.kafka)],
        row!["failed records", format!("topic {failed}")],
        row!["worker's log", worker.log().display()],
        row!["its configuration", config.display()],
        row!["stand-in", format!("{}/documents, /calls; log {}", world.site.sync_api, stand_in.log().display())],
        row![
            "Keycloak",
            format!("{}/admin, {} / {}", stack.keycloak.url, stack.keycloak.admin_user, stack.keycloak.admin_password)
        ],
        row![
            "its database",
            format!(
                "{}:{}/{} as {}",
                stack.postgres.host, stack.postgres.port, stack.postgres.database, stack.postgres.admin_user
            )
        ],
        row!["Cassandra", format!("{}, table sunbird.user", stack.cassandra)],
    ];
    screen::table(&rows);
    Ok(())
}
