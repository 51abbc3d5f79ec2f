//! Whether the addresses of the configuration answer at all: asked before any driver hides it behind its own words.

use std::io;
use std::time::Duration;

use futures::future::select_ok;
use tokio::net::TcpStream;

use super::check::Probe;
use crate::ports::{Blame, Disposition, Failure};
use crate::settings::{PurgeMode, Settings};

const PATIENCE: Duration = Duration::from_secs(5);

/// One probe for every address that these settings would use.
pub fn probes(settings: &Settings) -> Vec<Probe> {
    let mut addresses = Vec::new();
    for broker in settings.kafka.brokers.split(',') {
        addresses.push(("kafka", "kafka.brokers", broker.trim().to_owned()));
    }
    for host in &settings.cassandra.hosts {
        addresses.push(("cassandra", "cassandra.hosts, cassandra.port", with_port(host, settings.cassandra.port)));
    }
    addresses.extend(of_url("sync api", "sync.endpoint", &settings.sync.endpoint));
    if settings.purge.mode != Some(PurgeMode::Off) {
        let keycloak = &settings.keycloak;
        let database = with_port(&keycloak.host, keycloak.port);
        addresses.push(("keycloak database", "keycloak.host, keycloak.port", database));
        if keycloak.admin_api.enabled {
            addresses.extend(of_url("keycloak", "keycloak.admin_api.url", &keycloak.admin_api.url));
        }
    }
    addresses
        .into_iter()
        .map(|(name, keys, address)| Probe {
            name: format!("{name} at {address}"),
            keys,
            ask: Box::pin(async move { connect(&address).await.map_err(|error| unreachable().because(error)) }),
        })
        .collect()
}

/// Whether one of Kafka's brokers can be connected to.
pub(super) async fn kafka(settings: &Settings) -> Result<(), Failure> {
    any(settings.kafka.brokers.split(',').map(|broker| broker.trim().to_owned()), "kafka.brokers").await
}

/// Whether one of Cassandra's hosts can be connected to.
pub(super) async fn cassandra(settings: &Settings) -> Result<(), Failure> {
    let hosts = settings.cassandra.hosts.iter().map(|host| with_port(host, settings.cassandra.port));
    any(hosts, "cassandra.hosts, cassandra.port").await
}

/// What the last one said where none can.
async fn any(addresses: impl Iterator<Item = String>, keys: &str) -> Result<(), Failure> {
    let asked =
        addresses.map(|address| Box::pin(async move { connect(&address).await.map_err(|error| (address, error)) }));
    match select_ok(asked).await {
        Ok(_) => Ok(()),
        Err((address, error)) => Err(unreachable().because(format!("{address}: {error}; see {keys}"))),
    }
}

fn of_url(name: &'static str, key: &'static str, url: &str) -> Option<(&'static str, &'static str, String)> {
    let url = reqwest::Url::parse(url).ok()?;
    Some((name, key, format!("{}:{}", url.host_str()?, url.port_or_known_default()?)))
}

/// `host:port` as it is, a bare host with the default port; an IPv6 address without brackets is a bare host.
fn with_port(host: &str, port: u16) -> String {
    let bare_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    match host.rsplit_once(':') {
        Some((_, own)) if !bare_ipv6 && own.parse::<u16>().is_ok() => host.to_owned(),
        _ if bare_ipv6 => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

async fn connect(address: &str) -> io::Result<()> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing answers within 5 s")),
    }
}

fn unreachable() -> Failure {
    Failure::new(Disposition::Retry(Blame::Server), "unreachable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_bring_its_own_port() {
        for (host, address) in
            [("a", "a:9042"), ("a:1", "a:1"), ("::1", "[::1]:9042"), ("[::1]:1", "[::1]:1"), ("[::1]", "[::1]:9042")]
        {
            assert_eq!(with_port(host, 9042), address);
        }
    }

    #[test]
    fn only_what_the_settings_use_is_asked() {
        let names = |env: &[(&str, &str)]| -> Vec<String> {
            let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            probes(&Settings::load(None, env).unwrap()).into_iter().map(|probe| probe.name).collect()
        };
        let hosts = ("sunbird_cassandra_host", "c1,c2:1");
        assert_eq!(
            names(&[hosts, ("USER_PURGE_SYNC__PURGE__MODE", "off")]),
            ["kafka at kafka:9092", "cassandra at c1:9042", "cassandra at c2:1", "sync api at userorg-service:9000"]
        );
        let all = names(&[
            ("USER_PURGE_SYNC__KEYCLOAK__ADMIN_API__ENABLED", "true"),
            ("sunbird_sso_url", "https://sunbird.example/auth/"),
            ("sunbird_sso_client_id", "lms"),
            ("sunbird_sso_client_secret", "x"),
        ]);
        assert_eq!(all[3..], ["keycloak database at postgresql:5432", "keycloak at sunbird.example:443"]);
    }
}
