//! The table of failures, and first contact with servers that refuse in every way but a real one.
//! (What a real Cassandra says is in `tests/it/cassandra`.)

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::errors::{
    BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError, DbError, ExecutionError, MetadataError,
    NewSessionError, OperationType, PeersMetadataError, PrepareError, RequestAttemptError, UseKeyspaceError,
};
use scylla::statement::Consistency;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::target::tests::settings;
use super::*;
use crate::adapters::tls::testing;
use crate::ports::Blame::{Call, Server};
use crate::ports::Disposition::{Hold, Reject, Retry};
use crate::settings::TlsSettings;

fn said(error: DbError) -> Trouble {
    ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, "zq".into())).into()
}

fn broken(error: ConnectionError) -> ConnectionPoolError {
    ConnectionPoolError::Broken { last_connection_error: error }
}

fn certificate() -> ConnectionError {
    let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    ConnectionError::IoError(Arc::new(io::Error::other(refused)))
}

fn read_failure() -> DbError {
    let consistency = Consistency::LocalQuorum;
    DbError::ReadFailure { consistency, received: 1, required: 2, numfailures: 1, data_present: false }
}

fn check(rows: Vec<(Trouble, Disposition, &str)>) {
    for (trouble, disposition, reason) in rows {
        let shown = format!("{trouble:?}");
        let failure = failure(trouble);
        assert_eq!((failure.disposition, failure.to_string().as_str()), (disposition, reason), "{shown}");
        assert!(failure.source.is_some(), "{shown}");
    }
}

#[test]
fn the_table_of_troubles_that_pass() {
    let consistency = Consistency::LocalQuorum;
    let refused = || ConnectionError::IoError(Arc::new(io::ErrorKind::ConnectionRefused.into()));
    let silent = BrokenConnectionErrorKind::KeepaliveTimeout(IpAddr::from([127, 0, 0, 1]));
    let unable = || "Unable to perform authentication: Cannot achieve consistency level QUORUM".to_owned();
    let attempt = RequestAttemptError::DbError;
    let rows: Vec<(Trouble, Disposition, &str)> = vec![
        (Trouble::Silence(Duration::from_secs(5)), Retry(Server), "timeout"),
        (ExecutionError::RequestTimeout(Duration::from_secs(5)).into(), Retry(Server), "timeout"),
        (ExecutionError::from(broken(ConnectionError::ConnectTimeout)).into(), Retry(Server), "timeout"),
        (
            said(DbError::ReadTimeout { consistency, received: 1, required: 2, data_present: true }),
            Retry(Server),
            "timeout",
        ),
        (ExecutionError::from(broken(refused())).into(), Retry(Server), "connection"),
        (ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing).into(), Retry(Server), "connection"),
        (PrepareError::from(broken(refused())).into(), Retry(Server), "connection"),
        (NewSessionError::from(MetadataError::from(broken(refused()))).into(), Retry(Server), "connection"),
        (
            ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(silent.into())).into(),
            Retry(Server),
            "connection",
        ),
        (NewSessionError::FailedToResolveAnyHostname(vec!["cassandra".into()]).into(), Retry(Server), "unresolved"),
        (ExecutionError::EmptyPlan.into(), Retry(Server), "no_node"),
        (NewSessionError::from(MetadataError::from(PeersMetadataError::EmptyPeers)).into(), Retry(Server), "no_node"),
        (said(DbError::Unavailable { consistency, required: 2, alive: 1 }), Retry(Server), "unavailable"),
        (said(DbError::Overloaded), Retry(Server), "overloaded"),
        (
            said(DbError::RateLimitReached { op_type: OperationType::Read, rejected_by_coordinator: true }),
            Retry(Server),
            "overloaded",
        ),
        (said(DbError::IsBootstrapping), Retry(Server), "bootstrapping"),
        (said(DbError::ServerError), Retry(Server), "server_error"),
        (said(read_failure()), Retry(Call), "read_failure"),
        (ExecutionError::from(attempt(DbError::AuthenticationError, unable())).into(), Retry(Server), "unavailable"),
        (ExecutionError::from(attempt(DbError::Unauthorized, unable())).into(), Retry(Server), "unavailable"),
        (ExecutionError::from(UseKeyspaceError::RequestTimeout(Duration::ZERO)).into(), Retry(Server), "timeout"),
    ];
    check(rows);
}

#[test]
fn the_table_of_troubles_that_stay() {
    let attempt = RequestAttemptError::DbError;
    check(vec![
        (Trouble::Row("short".into()), Reject, "unreadable_row"),
        (said(DbError::AuthenticationError), Hold, "credentials"),
        (said(DbError::Unauthorized), Hold, "unauthorized"),
        (ExecutionError::from(broken(certificate())).into(), Hold, "certificate"),
        (NewSessionError::from(MetadataError::from(broken(certificate()))).into(), Hold, "certificate"),
        (said(DbError::Invalid), Hold, "invalid_statement"),
        (said(DbError::SyntaxError), Hold, "invalid_statement"),
        (said(DbError::ConfigError), Hold, "invalid_statement"),
        (
            PrepareError::AllAttemptsFailed { first_attempt: attempt(DbError::Invalid, String::new()) }.into(),
            Hold,
            "invalid_statement",
        ),
        (Trouble::Shape("bigint".into()), Hold, "columns"),
        (said(DbError::Other(0x7777)), Hold, "unnamed"),
        (NewSessionError::EmptyKnownNodesList.into(), Hold, "unnamed"),
        (PrepareError::PreparedStatementIdsMismatch.into(), Hold, "unnamed"),
    ]);
}

#[test]
fn what_is_wrong_with_one_row_stays_with_it() {
    assert!(is_of_the_item(&failure(said(read_failure()))));
    assert!(is_of_the_item(&failure(Trouble::Row("short".into()))));
    assert!(!is_of_the_item(&failure(said(DbError::Overloaded))));
    assert!(!is_of_the_item(&failure(Trouble::Shape("bigint".into()))));
}

fn directory(port: u16, change: impl FnOnce(&mut CassandraSettings)) -> CassandraDirectory {
    let mut settings = settings();
    settings.hosts = vec!["127.0.0.1".into()];
    settings.port = port;
    settings.timeout = Duration::from_millis(300);
    change(&mut settings);
    CassandraDirectory::new(&settings).unwrap()
}

async fn probed(directory: &CassandraDirectory) -> (Disposition, String) {
    let failure = directory.probe().await.expect_err("nothing works here");
    (failure.disposition, failure.to_string())
}

/// A server that wants a password and says `refusal` to any.
async fn doorkeeper(refusal: &'static str) -> u16 {
    const STARTUP: u8 = 0x01;
    const OPTIONS: u8 = 0x05;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut header = [0; 9];
                while socket.read_exact(&mut header).await.is_ok() {
                    let length = u32::from_be_bytes(header[5..9].try_into().unwrap());
                    socket.read_exact(&mut vec![0; length as usize]).await.unwrap();
                    let (opcode, body) = match header[4] {
                        OPTIONS => (0x06, vec![0, 0]),
                        STARTUP => (0x03, text("org.apache.cassandra.auth.PasswordAuthenticator")),
                        _ => (0x00, [&0x0100_i32.to_be_bytes()[..], &text(refusal)].concat()),
                    };
                    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
                    let answer = [&[0x84, 0, header[2], header[3], opcode], &length[..], &body].concat();
                    socket.write_all(&answer).await.unwrap();
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_wrong_password_is_for_a_person_but_a_server_that_cannot_check_it_is_not() {
    let known = |settings: &mut CassandraSettings| settings.username = "sunbird".into();
    let wrong = doorkeeper("Provided username sunbird and/or password are incorrect").await;
    assert_eq!(probed(&directory(wrong, known)).await, (Hold, "credentials".into()));
    assert_eq!(probed(&directory(wrong, |_| ())).await, (Hold, "credentials".into()));
    let unable = doorkeeper("Unable to perform authentication: Cannot achieve consistency level QUORUM").await;
    assert_eq!(probed(&directory(unable, known)).await, (Retry(Server), "unavailable".into()));
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_for_a_person() {
    let port = testing::serve(vec![]);
    for pem in [testing::CA, testing::OTHER_CA] {
        let file = testing::pem_file(pem);
        let tls = TlsSettings { enabled: true, ca_file: Some(file.path().into()) };
        // Even the right authority's certificate is for `localhost`, and the driver wants the node's address in it.
        let directory = directory(port, |settings| settings.tls = tls);
        assert_eq!(probed(&directory).await, (Hold, "certificate".into()));
    }
}

#[tokio::test]
async fn a_host_that_refuses_or_has_no_address_is_an_outage() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refusing = directory(free, |_| ());
    assert_eq!(probed(&refusing).await, (Retry(Server), "connection".into()));
    // And it is tried again at each use.
    assert_eq!(probed(&refusing).await, (Retry(Server), "connection".into()));
    let nameless = directory(9042, |settings| settings.hosts = vec!["no-such-host.invalid".into()]);
    assert_eq!(probed(&nameless).await.0, Retry(Server));
}

#[tokio::test]
async fn a_host_that_says_nothing_holds_no_caller_longer_than_one_would_wait_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = directory(listener.local_addr().unwrap().port(), |_| ());
    let patience = silent.target.patience();
    let begun = Instant::now();
    let user = ObjectType::user();
    let ids = [UserId::parse("a").unwrap()];
    let calls = (0..20).map(|_| silent.lookup(&user, &ids));
    for result in futures::future::join_all(calls).await {
        assert_eq!(result.unwrap_err().disposition, Retry(Server));
    }
    assert!(begun.elapsed() < patience * 2, "{:?}", begun.elapsed());
}
