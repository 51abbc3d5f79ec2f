//! `deploy/compose.yaml` describes the services that `deploy/local/stack` starts: same versions, same ports.
//!
//! Read line by line: the file is ours, and its form is part of what is tested.

use std::collections::BTreeMap;

use user_purge_sync::settings::Settings;

use super::source::{read, root};

const COMPOSE: &str = "deploy/compose.yaml";

/// Numbered lines of the file whose trimmed text begins so, without that beginning.
fn lines_after(prefix: &str, text: &str) -> Vec<(usize, String)> {
    let lines = (1..).zip(text.lines());
    lines.filter_map(|(number, line)| Some((number, line.trim().strip_prefix(prefix)?.trim().to_owned()))).collect()
}

fn ports() -> BTreeMap<String, String> {
    let lines = read("deploy/local/ports.env");
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, port)| (name.to_owned(), port.to_owned())).collect()
}

/// The version that `deploy/local/pom.xml` names for a service.
fn version(service: &str) -> String {
    let (pom, tag) = (read("deploy/local/pom.xml"), format!("{service}.version>"));
    let after = pom.split(&format!("<{tag}")).nth(1).unwrap_or_else(|| panic!("deploy/local/pom.xml: no <{tag}"));
    after.split('<').next().unwrap().to_owned()
}

#[test]
fn the_images_have_the_versions_of_the_local_stack() {
    // The packages of the PostgreSQL binaries count their own builds: 11.22.0 is PostgreSQL 11.22.
    let postgres = version("postgres").rsplit_once('.').unwrap().0.to_owned();
    let images = BTreeMap::from([
        ("apache/kafka", version("kafka")),
        ("cassandra", version("cassandra")),
        ("postgres", postgres),
    ]);
    let text = read(COMPOSE);
    let mut seen: Vec<&str> = Vec::new();
    for (line, image) in lines_after("image:", &text) {
        let (name, tag) = image.split_once(':').unwrap_or_else(|| panic!("{COMPOSE}:{line}: {image} has no version"));
        let known =
            images.get_key_value(name).unwrap_or_else(|| panic!("{COMPOSE}:{line}: {name} is not of the stack"));
        assert_eq!(tag, known.1, "{COMPOSE}:{line}: {name}");
        seen.push(known.0);
    }
    for name in images.keys() {
        assert!(seen.contains(name), "{COMPOSE}: no image of {name}");
    }
    let keycloak = lines_after("args: {KEYCLOAK_VERSION:", &text);
    let [(line, tag)] = &keycloak[..] else { panic!("{COMPOSE}: KEYCLOAK_VERSION {keycloak:?}") };
    assert_eq!(tag.trim_end_matches('}'), version("keycloak"), "{COMPOSE}:{line}");
}

#[test]
fn the_published_ports_are_those_of_the_local_stack() {
    let (ports, text) = (ports(), read(COMPOSE));
    let mut published: Vec<(String, usize)> = Vec::new();
    for (line, list) in lines_after("ports:", &text) {
        for port in list.trim_matches(['[', ']']).split(',') {
            let parts: Vec<&str> = port.trim().trim_matches('"').split(':').collect();
            let ["127.0.0.1", host, _] = parts[..] else { panic!("{COMPOSE}:{line}: {port} is not only loopback") };
            published.push((host.to_owned(), line));
        }
    }
    for name in ["KAFKA_PORT", "CASSANDRA_PORT", "POSTGRES_PORT", "KEYCLOAK_PORT"] {
        let found = published.iter().position(|(port, _)| *port == ports[name]);
        published.remove(found.unwrap_or_else(|| panic!("{COMPOSE}: {name}={} is not published", ports[name])));
    }
    assert!(published.is_empty(), "{COMPOSE}: published, but not by the stack (port, line): {published:?}");
}

/// The variables are read as the worker reads them: a key that does not exist is found too.
#[test]
fn the_worker_is_told_the_addresses_of_the_services() {
    let (ports, text) = (ports(), read(COMPOSE));
    let variables = lines_after("USER_PURGE_SYNC__", &text).into_iter().map(|(line, rest)| {
        let (name, value) = rest.split_once(':').unwrap_or_else(|| panic!("{COMPOSE}:{line}: no value"));
        (format!("USER_PURGE_SYNC__{name}"), value.trim().trim_matches('"').to_owned())
    });
    let settings = Settings::load(None, variables).unwrap_or_else(|error| panic!("{COMPOSE}: {error}"));
    let at = |name: &str| format!("127.0.0.1:{}", ports[name]);
    let told = |endpoint: String, name: &str| assert!(endpoint.contains(&at(name)), "{COMPOSE}: {endpoint}, {name}");
    told(settings.kafka.brokers, "KAFKA_PORT");
    told(format!("{}:{}", settings.cassandra.hosts.join(","), settings.cassandra.port), "CASSANDRA_PORT");
    told(settings.sync.endpoint, "SYNC_API_PORT");
    told(format!("{}:{}", settings.keycloak.host, settings.keycloak.port), "POSTGRES_PORT");
    told(settings.keycloak.admin_api.url, "KEYCLOAK_PORT");
    let listeners = lines_after("KAFKA_ADVERTISED_LISTENERS:", &text);
    assert!(listeners.iter().all(|(_, value)| value.contains(&at("KAFKA_PORT"))), "{COMPOSE}: {listeners:?}");
}

/// A path that does not exist would be mounted as an empty folder.
#[test]
fn what_is_mounted_is_there() {
    for (line, list) in lines_after("volumes:", &read(COMPOSE)) {
        for mount in list.trim_matches(['[', ']']).split(',') {
            let from = mount.trim().trim_matches('"').split(':').next().unwrap();
            let path = root().join("deploy").join(from.trim_start_matches("./"));
            assert!(path.exists(), "{COMPOSE}:{line}: {} is not there", path.display());
        }
    }
}
