//! What PostgreSQL's failures ask for: the only place that knows its error codes.
//!
//! The server's message and detail may quote values of rows, so they do not travel on: an error that leaves this module
//! says the code, the severity, the table, and which keys of the configuration it speaks of.

use std::io;

use tokio_postgres::error::{DbError, Error, SqlState};

use super::connect::KEYS;
use crate::adapters::secret::SecretUnreadable;
use crate::adapters::tls;
use crate::ports::{Blame, Disposition, Failure};

/// A failure of PostgreSQL, without anything that could be personal.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresError {
    #[error("{key}: PostgreSQL answered {severity} {code}{}", on(.table.as_deref()))]
    Server { key: &'static str, severity: String, code: String, table: Option<String> },
    #[error("keycloak.host, keycloak.port: {0}")]
    Connection(io::ErrorKind),
    #[error("keycloak.host, keycloak.port: the connection was closed")]
    Closed,
    #[error("keycloak.host, keycloak.port: no answer in time")]
    Silent,
    #[error("keycloak.tls: the handshake failed: {0}")]
    Handshake(rustls::Error),
    #[error("keycloak.tls.enabled: the server speaks no TLS")]
    NoTls,
    #[error("keycloak.tls.ca_file: {0}")]
    Authorities(String),
    #[error("keycloak.tls, keycloak.username: PostgreSQL and this client do not understand each other")]
    Protocol,
}

/// The one way from a failure of PostgreSQL to a [`Failure`].
///
/// | failure | disposition |
/// | --- | --- |
/// | connecting, I/O, connection closed, no answer in time | Retry (server) |
/// | 08 connection, 53 resources, 57P shutdown, 25006 read only | Retry (server) |
/// | 40P01 deadlock, 40001 serialization, 55P03 lock not available, 23503 foreign key, 57014 statement timeout | Retry (call) |
/// | 22021, 22P05: an id has a character that the database's encoding has not | Retry (call): splitting finds whose |
/// | 28 login, 3D000 database, 3F000 schema, 42P01 table, 42501 privilege | Hold |
/// | a certificate that is not believed, another failed TLS handshake, a server without TLS | Hold |
/// | anything nobody has named | Hold |
pub(super) fn of_postgres(error: Error) -> Failure {
    if error.is_closed() {
        return unreachable(PostgresError::Closed);
    }
    let Some(cause) = error.into_source() else { return misunderstood() };
    if let Some(server) = cause.downcast_ref::<DbError>() {
        return of_server(server.code(), server.severity(), table_of(server));
    }
    // The driver has no word for it but this sentence.
    if cause.to_string() == "server does not support TLS" {
        return Failure::new(Disposition::Hold, "tls").because(PostgresError::NoTls);
    }
    if let Some(refusal) = tls::refusal(&*cause, KEYS) {
        return Failure::new(Disposition::Hold, "certificate").because(refusal);
    }
    if let Some(handshake) = in_chain::<rustls::Error>(&*cause) {
        return Failure::new(Disposition::Hold, "tls").because(PostgresError::Handshake(handshake.clone()));
    }
    match in_chain::<io::Error>(&*cause) {
        Some(io) => unreachable(PostgresError::Connection(io.kind())),
        None => misunderstood(),
    }
}

/// No answer within a statement's time and a little more: the server hangs, or the network swallows packets.
pub(super) fn silent() -> Failure {
    unreachable(PostgresError::Silent)
}

/// The authorities to trust cannot be read.
pub(super) fn of_ca_file(error: &anyhow::Error) -> Failure {
    Failure::new(Disposition::Hold, "certificate").because(PostgresError::Authorities(format!("{error:#}")))
}

/// The password cannot be read.
pub(super) fn of_password_file(error: SecretUnreadable) -> Failure {
    Failure::new(Disposition::Hold, "secret_file").because(error)
}

fn of_server(code: &SqlState, severity: &str, table: Option<String>) -> Failure {
    let reason = format!("sqlstate_{}", code.code().to_lowercase());
    let (key, severity) = (key_of(code.code()), severity.to_owned());
    Failure::new(disposition_of(code.code()), reason).because(PostgresError::Server {
        key,
        severity,
        code: code.code().to_owned(),
        table,
    })
}

fn on(table: Option<&str>) -> String {
    table.map(|table| format!(" on {table}")).unwrap_or_default()
}

/// The server has a field for the table where a constraint speaks, and none where a right is missing.
fn table_of(error: &DbError) -> Option<String> {
    let missing_right = *error.code() == SqlState::INSUFFICIENT_PRIVILEGE;
    error.table().map(str::to_owned).or_else(|| missing_right.then(|| last_name(error.message()))?)
}

/// The message of a missing right ends with the name of what it is missing for, and holds no value of a row.
fn last_name(message: &str) -> Option<String> {
    let last = message.split_whitespace().next_back()?.trim_matches('"');
    let is_name = last.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    (is_name && !last.is_empty()).then(|| last.to_owned())
}

fn disposition_of(code: &str) -> Disposition {
    match code {
        "25006" => Disposition::Retry(Blame::Server),
        "40P01" | "40001" | "55P03" | "23503" | "57014" | "22021" | "22P05" => Disposition::Retry(Blame::Call),
        _ if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Disposition::Retry(Blame::Server),
        _ => Disposition::Hold,
    }
}

/// Which part of the configuration, or of the database, a code speaks of.
fn key_of(code: &str) -> &'static str {
    match code {
        "3D000" => "keycloak.database",
        "3F000" | "42P01" | "42703" => "keycloak.schema",
        "42501" => "keycloak.username lacks a right that deploy/keycloak-role.sql grants",
        // `pg_hba.conf` has no line for this role, from here, over such a connection.
        "28000" => "keycloak.username, keycloak.tls.enabled",
        _ if code.starts_with("28") => "keycloak.username, keycloak.password",
        _ => "keycloak.host",
    }
}

fn misunderstood() -> Failure {
    Failure::new(Disposition::Hold, "protocol").because(PostgresError::Protocol)
}

fn unreachable(error: PostgresError) -> Failure {
    let reason = match error {
        PostgresError::Silent => "timeout",
        _ => "connection",
    };
    Failure::new(Disposition::Retry(Blame::Server), reason).because(error)
}

fn in_chain<'a, E: std::error::Error + 'static>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(cause);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        // An io::Error does not name the error it wraps as its source, but that error's source.
        if let Some(found) = cause.downcast_ref::<io::Error>().and_then(|io| io.get_ref()?.downcast_ref::<E>()) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Disposition = Disposition::Retry(Blame::Server);
    const CALL: Disposition = Disposition::Retry(Blame::Call);

    #[test]
    fn each_code_asks_for_what_the_table_says() {
        let table = [
            ("08006", SERVER),
            ("08P01", SERVER),
            ("53300", SERVER),
            ("57P01", SERVER),
            ("57P03", SERVER),
            ("25006", SERVER),
            ("40P01", CALL),
            ("40001", CALL),
            ("55P03", CALL),
            ("23503", CALL),
            ("57014", CALL),
            ("22021", CALL),
            ("22P05", CALL),
            ("28P01", Disposition::Hold),
            ("28000", Disposition::Hold),
            ("3D000", Disposition::Hold),
            ("3F000", Disposition::Hold),
            ("42P01", Disposition::Hold),
            ("42501", Disposition::Hold),
            ("23505", Disposition::Hold),
            ("XX000", Disposition::Hold),
        ];
        for (code, disposition) in table {
            let failure = of_server(&SqlState::from_code(code), "ERROR", None);
            assert_eq!(failure.disposition, disposition, "{code}");
            assert_eq!(failure.reason.to_string(), format!("sqlstate_{}", code.to_lowercase()));
        }
    }

    #[test]
    fn what_a_person_can_mend_names_its_key() {
        for (code, key) in
            [("28P01", "keycloak.password"), ("3D000", "keycloak.database"), ("42P01", "keycloak.schema")]
        {
            let failure = of_server(&SqlState::from_code(code), "FATAL", None);
            assert!(failure.source.unwrap().to_string().contains(key), "{code}");
        }
    }

    #[test]
    fn a_missing_right_names_its_table_and_nothing_else() {
        assert_eq!(last_name("permission denied for table user_entity").as_deref(), Some("user_entity"));
        assert_eq!(last_name("keine Berechtigung für Schema \"public\"").as_deref(), Some("public"));
        for text in ["", "denied to Somebody", "denied for someone@example.org", "Key (username)=(jane)"] {
            assert_eq!(last_name(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_an_outage() {
        let refused = tokio_postgres::connect("host=127.0.0.1 port=1 user=u", tokio_postgres::NoTls).await;
        let failure = of_postgres(refused.err().unwrap());
        assert_eq!((failure.disposition, failure.reason.to_string()), (SERVER, "connection".to_owned()));
        assert_eq!(silent().disposition, SERVER);
    }
}
