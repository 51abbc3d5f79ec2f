//! The rules between keys, and what single keys may hold. All complaints at once, each with its key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::keycloak_tables;
use super::load::Problem;
use super::properties::reserved_property;
use super::rules::{CallRate, Rules, is_directive, is_host, is_identifier, is_topic};
use super::{PurgeMode, Settings};

/// The batch job's block size, and what 0 or less means there (`facts/sunbird.md` 1.1).
const BATCH_JOB_BLOCK: i64 = 100;
const CONSISTENCY_LEVELS: [&str; 8] =
    ["ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "LOCAL_ONE"];

impl Settings {
    /// What is true of every configuration from here on: names are complete, bounds are bounds.
    pub(super) fn normalize(&mut self) {
        let topics = &mut self.topics;
        for name in [
            &mut self.kafka.group,
            &mut topics.delete,
            &mut topics.request,
            &mut topics.delay,
            &mut topics.status,
            &mut topics.failed,
            &mut topics.control,
        ] {
            *name = name.replace("{env}", &self.env);
        }
        if self.sync.block_size <= 0 {
            self.sync.block_size = BATCH_JOB_BLOCK;
        }
        let url = &mut self.keycloak.admin_api.url;
        url.truncate(url.trim_end_matches('/').len());
        self.cassandra.consistency_level.make_ascii_uppercase();
    }

    /// All that makes these settings unusable; empty when nothing does.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut rules = Rules::default();
        self.check_process(&mut rules);
        self.check_kafka(&mut rules);
        self.check_intake(&mut rules);
        self.check_cassandra(&mut rules);
        self.check_sync(&mut rules);
        self.check_search(&mut rules);
        self.check_purge(&mut rules);
        self.check_admin_api(&mut rules);
        self.check_waits(&mut rules);
        rules.problems
    }

    /// What works, but probably not as meant.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut rules = Rules::default();
        rules.require(
            self.sync.timeout > Duration::from_secs(10),
            "sync.timeout",
            "the Sync API answers a failure after 10 s only: with less than that its answer is never seen",
        );
        rules.require(
            !self.cassandra.username.is_empty() || self.cassandra.password.expose_secret().is_empty(),
            "cassandra.username",
            "is empty, so that cassandra.password is not used",
        );
        rules.require(
            self.purge.mode != Some(PurgeMode::Delete) || self.keycloak.admin_api.enabled,
            "keycloak.admin_api.enabled",
            "is false: tokens of purged users go on being refreshed until Keycloak restarts",
        );
        rules.problems
    }

    fn check_process(&self, rules: &mut Rules) {
        rules.require(is_topic(&self.env), "env", "must be of letters, digits, '.', '_' and '-'");
        rules.require(
            self.shutdown_timeout > self.drain_timeout,
            "shutdown_timeout",
            "must be longer than drain_timeout",
        );
        rules.require(
            self.http.listen.parse::<SocketAddr>().is_ok(),
            "http.listen",
            "must be an address and a port, such as 0.0.0.0:8080",
        );
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.level) {
            rules.fail("log.level", format!("is no filter: {error}"));
        }
        rules.require(
            self.log.level.split(',').all(is_directive),
            "log.level",
            "must be off, error, warn, info, debug, trace, or such after a module and '=', comma-separated",
        );
    }

    fn check_kafka(&self, rules: &mut Rules) {
        let kafka = &self.kafka;
        rules.require(
            !kafka.brokers.trim().is_empty() && kafka.brokers.split(',').all(|broker| is_host(broker, true)),
            "kafka.brokers",
            "must be host:port, comma-separated",
        );
        rules.require(!kafka.group.trim().is_empty(), "kafka.group", "must not be empty");
        rules.require(
            kafka.session_timeout > self.drain_timeout * 2,
            "kafka.session_timeout",
            "must be more than twice drain_timeout: a draining worker sends nothing",
        );
        rules.positive(kafka.commit_interval, "kafka.commit_interval");
        for (map, properties) in [("properties", &kafka.properties), ("property_files", &kafka.property_files)] {
            for property in properties.keys() {
                if let Some(reason) = reserved_property(property) {
                    rules.fail(&format!("kafka.{map}.{property}"), format!("cannot be set here: {reason}"));
                }
            }
        }
        for property in kafka.property_files.keys().filter(|property| kafka.properties.contains_key(*property)) {
            rules.fail(&format!("kafka.property_files.{property}"), "is in kafka.properties too: keep one".to_owned());
        }
        let topics = &self.topics;
        let names = [
            ("topics.delete", &topics.delete),
            ("topics.request", &topics.request),
            ("topics.delay", &topics.delay),
            ("topics.status", &topics.status),
            ("topics.failed", &topics.failed),
            ("topics.control", &topics.control),
        ];
        let mut taken = BTreeMap::new();
        for (key, name) in names {
            rules.require(is_topic(name), key, "must be of letters, digits, '.', '_' and '-', at most 249");
            if let Some(other) = taken.insert(name, key) {
                rules.fail(key, format!("is the same topic as {other}"));
            }
        }
    }

    fn check_intake(&self, rules: &mut Rules) {
        let intake = &self.intake;
        rules.within(intake.page, 1, 1000, "intake.page");
        rules.within(intake.budget, intake.page.saturating_mul(8), 10_000_000, "intake.budget");
        rules.require(intake.parked >= 1, "intake.parked", "must be at least 1");
        rules.within(intake.reject_limit, 1, 100_000, "intake.reject_limit");
        rules.require(
            self.guard.max_age > self.purge.linger,
            "guard.max_age",
            "must be longer than purge.linger, or every purge goes back to lookup",
        );
    }

    fn check_cassandra(&self, rules: &mut Rules) {
        let cassandra = &self.cassandra;
        rules.require(
            !cassandra.hosts.is_empty() && cassandra.hosts.iter().all(|host| is_host(host, false)),
            "cassandra.hosts",
            "must be at least one host or host:port",
        );
        rules.require(cassandra.port > 0, "cassandra.port", "must not be 0");
        rules.require(is_identifier(&cassandra.keyspace), "cassandra.keyspace", "must be of letters, digits and '_'");
        rules.require(
            CONSISTENCY_LEVELS.contains(&cassandra.consistency_level.as_str()),
            "cassandra.consistency_level",
            &format!("must be one of {}", CONSISTENCY_LEVELS.join(", ")),
        );
        for (object_type, table) in &cassandra.tables {
            let key = format!("cassandra.tables.{object_type}");
            rules.require(is_identifier(table), &key, "must be of letters, digits and '_'");
        }
        rules.one_of(&cassandra.password, cassandra.password_file.as_ref(), "cassandra.password");
        rules.require(
            cassandra.password_file.is_none() || !cassandra.username.is_empty(),
            "cassandra.password_file",
            "is not used: cassandra.username is empty, which means no authentication",
        );
        rules.positive(cassandra.timeout, "cassandra.timeout");
        rules.within(cassandra.block_size, 1, 1000, "cassandra.block_size");
        rules.within(cassandra.concurrency, 1, 256, "cassandra.concurrency");
    }

    fn check_sync(&self, rules: &mut Rules) {
        let sync = &self.sync;
        rules.url(&sync.endpoint, "sync.endpoint");
        rules.one_of(&sync.api_key, sync.api_key_file.as_ref(), "sync.api_key");
        rules.require(sync.block_size <= 1000, "sync.block_size", "must be at most 1000");
        rules.within(sync.concurrency, 1, 256, "sync.concurrency");
        rules.require(
            sync.max_calls.as_deref().is_none_or(|rate| CallRate::parse(rate).is_some()),
            "sync.max_calls",
            "must be calls per s, min or h, such as 100/s, 600/min or 5000/h",
        );
        rules.positive(sync.timeout, "sync.timeout");
        rules.require(sync.linger <= Duration::from_secs(10), "sync.linger", "must be at most 10s");
    }

    fn check_search(&self, rules: &mut Rules) {
        let search = &self.search;
        if let Some(endpoint) = &search.endpoint {
            rules.url(endpoint, "search.endpoint");
        }
        rules.require(is_topic(&search.index), "search.index", "must be of letters, digits, '.', '_' and '-'");
        rules.positive(search.timeout, "search.timeout");
    }

    fn check_purge(&self, rules: &mut Rules) {
        let (purge, keycloak) = (&self.purge, &self.keycloak);
        rules.within(purge.block_size, 1, 5000, "purge.block_size");
        rules.within(purge.concurrency, 1, 64, "purge.concurrency");
        rules.require(purge.linger <= Duration::from_secs(10), "purge.linger", "must be at most 10s");
        rules.positive(purge.canary_every, "purge.canary_every");
        rules.positive(keycloak.lock_timeout, "keycloak.lock_timeout");
        rules.require(
            keycloak.statement_timeout > keycloak.lock_timeout,
            "keycloak.statement_timeout",
            "must be longer than keycloak.lock_timeout",
        );
        let providers = keycloak.former_providers.iter().map(|provider| ("keycloak.former_providers", provider));
        for (key, provider) in providers.chain([("keycloak.provider_id", &keycloak.provider_id)]) {
            rules.require(!provider.contains(':'), key, "must be the component's id alone, without f: and user");
        }
        rules.one_of(&keycloak.password, keycloak.password_file.as_ref(), "keycloak.password");
        keycloak_tables::check(&keycloak.tables, rules);
        if matches!(purge.mode, None | Some(PurgeMode::Off)) {
            return;
        }
        for (key, value) in [
            ("keycloak.host", &keycloak.host),
            ("keycloak.database", &keycloak.database),
            ("keycloak.username", &keycloak.username),
            ("keycloak.schema", &keycloak.schema),
            ("keycloak.realm", &keycloak.realm),
            ("keycloak.provider_id", &keycloak.provider_id),
        ] {
            rules.require(!value.trim().is_empty(), key, "must not be empty when purge.mode is delete or dry-run");
        }
        rules.require(keycloak.port > 0, "keycloak.port", "must not be 0");
    }

    fn check_admin_api(&self, rules: &mut Rules) {
        let admin_api = &self.keycloak.admin_api;
        if !admin_api.enabled {
            return;
        }
        rules.url(&admin_api.url, "keycloak.admin_api.url");
        let has_secret = !admin_api.client_secret.expose_secret().is_empty() || admin_api.client_secret_file.is_some();
        for (key, is_set) in [
            ("keycloak.admin_api.client_id", !admin_api.client_id.is_empty()),
            ("keycloak.admin_api.client_secret", has_secret),
        ] {
            rules.require(is_set, key, "must not be empty when keycloak.admin_api.enabled is true");
        }
        let file = admin_api.client_secret_file.as_ref();
        rules.one_of(&admin_api.client_secret, file, "keycloak.admin_api.client_secret");
        rules.positive(admin_api.timeout, "keycloak.admin_api.timeout");
        rules.within(admin_api.concurrency, 1, 256, "keycloak.admin_api.concurrency");
    }

    fn check_waits(&self, rules: &mut Rules) {
        let retry = &self.retry;
        rules.require(retry.attempts >= 1, "retry.attempts", "must be at least 1");
        rules.positive(retry.time, "retry.time");
        rules.positive(retry.first_pause, "retry.first_pause");
        rules.require(
            retry.max_pause >= retry.first_pause,
            "retry.max_pause",
            "must not be shorter than retry.first_pause",
        );
        rules.positive(self.delay.after, "delay.after");
    }
}
