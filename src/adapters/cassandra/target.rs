//! Where Cassandra is and what is read there: the settings, checked, so that the rest can rely on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use scylla::statement::Consistency;

use crate::adapters::secret::Secret;
use crate::adapters::tls::{Ends, Keys, Trust};
use crate::domain::ids::ObjectType;
use crate::settings::CassandraSettings;

pub(super) const KEYS: Keys = Keys { ca_file: "cassandra.tls.ca_file", address: "cassandra.hosts" };

pub(super) struct Target {
    /// `host:port`; names are resolved when connecting, and again when every known address is dead.
    pub(super) nodes: Vec<String>,
    /// None: no authentication, as Sunbird's installers run it.
    pub(super) credentials: Option<(String, Secret)>,
    pub(super) keyspace: Identifier,
    tables: BTreeMap<ObjectType, Identifier>,
    pub(super) consistency: Consistency,
    /// None: no preference.
    pub(super) local_datacenter: Option<String>,
    /// Of one request.
    pub(super) timeout: Duration,
    /// Reads under way at once in one call.
    pub(super) concurrency: usize,
    pub(super) trust: Option<Arc<rustls::ClientConfig>>,
    /// When the certificates of the nodes end.
    pub(super) ends: Ends,
}

/// A name that can stand in a statement as it is: no quotes, no injection. All of Sunbird's are lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identifier(String);

impl Identifier {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(key: &str, name: &str) -> anyhow::Result<Self> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let goes_on_well =
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        ensure!(
            starts_well && goes_on_well,
            "{key}: {name:?} is not a name of Cassandra: a-z, 0-9 and _, not beginning with a digit"
        );
        Ok(Self(name.to_owned()))
    }
}

impl Target {
    pub(super) fn new(settings: &CassandraSettings) -> anyhow::Result<Self> {
        ensure!(!settings.hosts.is_empty(), "cassandra.hosts is empty");
        ensure!(!settings.timeout.is_zero(), "cassandra.timeout must be longer than 0");
        ensure!(settings.concurrency > 0, "cassandra.concurrency must be at least 1");
        let tables = settings
            .tables
            .iter()
            .map(|(object_type, table)| {
                let key = format!("cassandra.tables.{object_type}");
                Ok((ObjectType::new(object_type), Identifier::parse(&key, table)?))
            })
            .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        ensure!(tables.contains_key(&ObjectType::user()), "cassandra.tables names no table for the object type user");
        let tls = &settings.tls;
        let ends = Ends::default();
        // The driver knows nodes by their addresses alone, and certificates are made for names.
        let names = settings.hosts.iter().map(|host| name(host));
        let trust = Trust::of(KEYS, tls.ca_file.as_deref()).or_for(names).noting(&ends);
        let trust = tls.enabled.then(|| trust.client_config().context("cassandra.tls"));
        let password = Secret::of(&settings.password, "cassandra.password_file", settings.password_file.as_deref());
        Ok(Self {
            nodes: settings.hosts.iter().map(|host| node(host, settings.port)).collect::<anyhow::Result<_>>()?,
            credentials: (!settings.username.is_empty()).then(|| (settings.username.clone(), password)),
            keyspace: Identifier::parse("cassandra.keyspace", &settings.keyspace)?,
            tables,
            consistency: consistency(&settings.consistency_level)?,
            local_datacenter: Some(settings.local_datacenter.clone()).filter(|name| !name.is_empty()),
            timeout: settings.timeout,
            concurrency: settings.concurrency,
            trust: trust.transpose()?.map(Arc::new),
            ends,
        })
    }

    pub(super) fn table(&self, object_type: &ObjectType) -> Option<&Identifier> {
        self.tables.get(object_type)
    }

    /// For first contact: every node may be dead but the last, and then there are a few questions to ask.
    pub(super) fn patience(&self) -> Duration {
        let rounds = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX).saturating_add(2);
        self.timeout.saturating_mul(rounds)
    }
}

/// `host`, `host:port`, an IPv6 address with or without brackets.
fn node(host: &str, port: u16) -> anyhow::Result<String> {
    let wrong = || format!("cassandra.hosts: {host:?} is neither a host nor host:port");
    ensure!(
        !host.is_empty() && !host.contains(|letter: char| letter.is_whitespace() || "/,@".contains(letter)),
        wrong()
    );
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(format!("[{host}]:{port}"));
    }
    let after_address = host.rfind(']').map_or(host, |end| &host[end + 1..]);
    match after_address.split_once(':') {
        None => Ok(format!("{host}:{port}")),
        Some((_, own)) if own.parse::<u16>().is_ok_and(|own| own > 0) && !host.starts_with(':') => Ok(host.to_owned()),
        Some(_) => bail!(wrong()),
    }
}

/// The host without the port that it may bring.
fn name(host: &str) -> &str {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return host;
    }
    let host = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The levels that a read can have.
fn consistency(level: &str) -> anyhow::Result<Consistency> {
    Ok(match level.to_ascii_uppercase().as_str() {
        "ONE" => Consistency::One,
        "TWO" => Consistency::Two,
        "THREE" => Consistency::Three,
        "QUORUM" => Consistency::Quorum,
        "ALL" => Consistency::All,
        "LOCAL_QUORUM" => Consistency::LocalQuorum,
        "EACH_QUORUM" => Consistency::EachQuorum,
        "LOCAL_ONE" => Consistency::LocalOne,
        _ => bail!(
            "cassandra.consistency_level: {level:?} is not one of ONE, TWO, THREE, QUORUM, ALL, LOCAL_QUORUM, \
             EACH_QUORUM, LOCAL_ONE"
        ),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::settings::TlsSettings;

    pub(crate) fn settings() -> CassandraSettings {
        CassandraSettings {
            hosts: vec!["10.0.0.1".into()],
            port: 9042,
            username: String::new(),
            password: "".into(),
            password_file: None,
            keyspace: "sunbird".into(),
            consistency_level: "LOCAL_QUORUM".into(),
            local_datacenter: String::new(),
            tables: BTreeMap::from([("user".to_owned(), "user".to_owned())]),
            timeout: Duration::from_secs(5),
            block_size: 500,
            concurrency: 64,
            tls: TlsSettings { enabled: false, ca_file: None },
        }
    }

    fn refused(change: impl FnOnce(&mut CassandraSettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        format!("{:#}", Target::new(&settings).err().expect("the settings should be refused"))
    }

    #[test]
    fn hosts_get_the_port_they_do_not_have() {
        for (host, expected) in [
            ("cassandra", "cassandra:9042"),
            ("cassandra:9999", "cassandra:9999"),
            ("10.0.0.1", "10.0.0.1:9042"),
            ("::1", "[::1]:9042"),
            ("[::1]", "[::1]:9042"),
            ("[::1]:9999", "[::1]:9999"),
        ] {
            assert_eq!(node(host, 9042).unwrap(), expected);
        }
        for host in ["", " ", "a b", "a,b", "cql://a", "a:b", "a:0", "a:70000", ":9042", "me@a", "a:1:2"] {
            let message = node(host, 9042).expect_err(host).to_string();
            assert!(message.contains("cassandra.hosts"), "{message}");
        }
    }

    #[test]
    fn names_that_could_say_more_than_a_name_are_refused_with_their_key() {
        for name in ["", "User", "1user", "user;", "user--", "us er", "sunbird.user", "\"user\"", "üser"] {
            let table = refused(|settings| drop(settings.tables.insert("organisation".into(), name.into())));
            assert!(table.starts_with("cassandra.tables.organisation: "), "{table}");
            let keyspace = refused(|settings| settings.keyspace = name.into());
            assert!(keyspace.starts_with("cassandra.keyspace: "), "{keyspace}");
        }
        assert!(Identifier::parse("key", "_usr_external_identity2").is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        assert!(refused(|settings| settings.hosts.clear()).contains("cassandra.hosts"));
        assert!(refused(|settings| settings.tables.clear()).contains("cassandra.tables"));
        assert!(refused(|settings| settings.timeout = Duration::ZERO).contains("cassandra.timeout"));
        assert!(refused(|settings| settings.concurrency = 0).contains("cassandra.concurrency"));
        for level in ["", "ANY", "SERIAL", "local quorum"] {
            assert!(
                refused(|settings| settings.consistency_level = level.into()).contains("cassandra.consistency_level")
            );
        }
        let tls = TlsSettings { enabled: true, ca_file: Some("/no/such.pem".into()) };
        let message = refused(|settings| settings.tls = tls);
        assert!(message.contains("cassandra.tls") && message.contains("/no/such.pem"), "{message}");
    }

    #[test]
    fn an_empty_user_name_means_no_authentication() {
        let mut settings = CassandraSettings { password: "ignored".into(), ..settings() };
        assert!(Target::new(&settings).unwrap().credentials.is_none());
        settings.username = "sunbird".into();
        assert!(Target::new(&settings).unwrap().credentials.is_some());
    }

    #[test]
    fn levels_are_read_in_any_case() {
        for (level, expected) in [("local_quorum", Consistency::LocalQuorum), ("One", Consistency::One)] {
            assert_eq!(consistency(level).unwrap(), expected);
        }
    }
}
