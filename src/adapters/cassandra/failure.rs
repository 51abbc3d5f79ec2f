//! What a failure of the driver or of Cassandra asks for.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError, MetadataError,
    MetadataFetchErrorKind, NewSessionError, NextPageError, NextRowError, PrepareError, RequestAttemptError,
    RequestError, UseKeyspaceError,
};

use super::login::PASSWORD_FILE;
use super::target::KEYS;
use crate::adapters::tls;
use crate::ports::Blame::{Call, Server};
use crate::ports::Disposition::{self, Hold, Retry};
use crate::ports::Failure;

/// What was being done when the driver failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Connect(#[from] NewSessionError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Execute(#[from] ExecutionError),
    /// The answer has not the shape that the statement asks for.
    #[error("the answer has another shape than the statement: {0}")]
    Shape(Box<dyn std::error::Error + Send + Sync>),
    /// One row that cannot be read though its columns have the right types.
    #[error("a row cannot be read: {0}")]
    Row(Box<dyn std::error::Error + Send + Sync>),
    /// A bound of ours, around what the driver does not bound.
    #[error("no answer in {0:?}")]
    Silence(std::time::Duration),
}

/// What each trouble asks for.
///
/// | the driver or Cassandra says | disposition | reason |
/// | --- | --- | --- |
/// | no answer in `cassandra.timeout`, connecting takes too long, `ReadTimeout` | Retry, server | `timeout` |
/// | refused, reset, broken, no connection in the pool, keep-alive lost | Retry, server | `connection` |
/// | no host of `cassandra.hosts` resolves | Retry, server | `unresolved` |
/// | no node to send to (the names of nodes are not known yet) | Retry, server | `no_node` |
/// | `Unavailable`: too few replicas for the consistency level | Retry, server | `unavailable` |
/// | `Overloaded`, `RateLimitReached` | Retry, server | `overloaded` |
/// | `IsBootstrapping` | Retry, server | `bootstrapping` |
/// | `ServerError`, an answer that makes no sense | Retry, server | `server_error` |
/// | `ReadFailure`: the replicas stumble over this row | Retry, call | `read_failure` |
/// | one row that cannot be decoded | Reject | `unreadable_row` |
/// | wrong user or password, none given | Hold | `credentials` |
/// | the same, but Cassandra could not read its own table of roles ("Unable to perform …") | Retry, server | `unavailable` |
/// | `Unauthorized` | Hold | `unauthorized` |
/// | a certificate that is not believed | Hold | `certificate` |
/// | a password that cannot be read from its file | Hold | `secret_file` |
/// | `Invalid`, `SyntaxError`, `ConfigError`: no such keyspace, table or column, no such level | Hold | `invalid_statement` |
/// | columns of other types than read | Hold | `columns` |
/// | anything else | Hold | `unnamed` |
pub(super) fn failure(trouble: impl Into<Trouble>) -> Failure {
    let trouble = trouble.into();
    if let Some(refusal) = refusal(&trouble) {
        return Failure::new(Hold, "certificate").because(refusal);
    }
    let (disposition, reason) = match &trouble {
        Trouble::Connect(error) => of_session(error),
        Trouble::Prepare(error) => of_prepare(error),
        Trouble::Execute(error) => of_execution(error),
        Trouble::Shape(_) => (Hold, "columns"),
        Trouble::Row(_) => (Disposition::Reject, "unreadable_row"),
        Trouble::Silence(_) => TIMEOUT,
    };
    Failure::new(disposition, reason).because(trouble)
}

type Named = (Disposition, &'static str);

const TIMEOUT: Named = (Retry(Server), "timeout");
const CONNECTION: Named = (Retry(Server), "connection");
const UNNAMED: Named = (Hold, "unnamed");

/// Without the driver's words around it, which are many.
fn refusal(trouble: &Trouble) -> Option<tls::Refusal> {
    let (Trouble::Connect(NewSessionError::MetadataError(MetadataError::ConnectionPoolError(pool)))
    | Trouble::Prepare(PrepareError::ConnectionPoolError(pool))
    | Trouble::Execute(ExecutionError::ConnectionPoolError(pool))) = trouble
    else {
        return None;
    };
    match pool {
        ConnectionPoolError::Broken { last_connection_error: ConnectionError::IoError(error) } => {
            tls::refusal(&**error, KEYS)
        }
        _ => None,
    }
}

// The driver's errors do not all show what they wrap through `source`, so each kind is opened here by hand.

fn of_session(error: &NewSessionError) -> Named {
    match error {
        NewSessionError::FailedToResolveAnyHostname(_) => (Retry(Server), "unresolved"),
        NewSessionError::MetadataError(error) => of_metadata(error),
        NewSessionError::UseKeyspaceError(error) => of_use_keyspace(error),
        _ => UNNAMED,
    }
}

fn of_metadata(error: &MetadataError) -> Named {
    match error {
        MetadataError::ConnectionPoolError(error) => of_pool(error),
        MetadataError::FetchError(error) => match &error.error {
            MetadataFetchErrorKind::PrepareError(error) => of_attempt(error),
            MetadataFetchErrorKind::NextRowError(NextRowError::NextPageError(NextPageError::RequestFailure(error))) => {
                of_request(error)
            }
            _ => UNNAMED,
        },
        // A node that has just started knows no peers and no tokens yet.
        MetadataError::Peers(_) => (Retry(Server), "no_node"),
        _ => UNNAMED,
    }
}

fn of_request(error: &RequestError) -> Named {
    of_execution(&error.clone().into_execution_error())
}

fn of_execution(error: &ExecutionError) -> Named {
    match error {
        ExecutionError::EmptyPlan => (Retry(Server), "no_node"),
        ExecutionError::PrepareError(error) => of_prepare(error),
        ExecutionError::ConnectionPoolError(error) => of_pool(error),
        ExecutionError::LastAttemptError(error) => of_attempt(error),
        ExecutionError::RequestTimeout(_) => TIMEOUT,
        ExecutionError::UseKeyspaceError(error) => of_use_keyspace(error),
        ExecutionError::MetadataError(error) => of_metadata(error),
        _ => UNNAMED,
    }
}

fn of_prepare(error: &PrepareError) -> Named {
    match error {
        PrepareError::ConnectionPoolError(error) => of_pool(error),
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(first_attempt),
        _ => UNNAMED,
    }
}

fn of_use_keyspace(error: &UseKeyspaceError) -> Named {
    match error {
        UseKeyspaceError::RequestError(error) => of_attempt(error),
        UseKeyspaceError::RequestTimeout(_) => TIMEOUT,
        _ => UNNAMED,
    }
}

fn of_pool(error: &ConnectionPoolError) -> Named {
    match error {
        ConnectionPoolError::Broken { last_connection_error } => of_connection(last_connection_error),
        _ => CONNECTION,
    }
}

fn of_connection(error: &ConnectionError) -> Named {
    match error {
        ConnectionError::ConnectTimeout => TIMEOUT,
        ConnectionError::IoError(error) if tls::refusal(&**error, KEYS).is_some() => (Hold, "certificate"),
        ConnectionError::UseKeyspaceError(error) => of_use_keyspace(error),
        ConnectionError::ConnectionSetupRequestError(error) => match &error.error {
            ConnectionSetupRequestErrorKind::DbError(error, message) => of_database(error, message),
            ConnectionSetupRequestErrorKind::BrokenConnection(_) => CONNECTION,
            ConnectionSetupRequestErrorKind::StartAuthSessionError(said) if said.starts_with(PASSWORD_FILE) => {
                (Hold, "secret_file")
            }
            ConnectionSetupRequestErrorKind::MissingAuthentication
            | ConnectionSetupRequestErrorKind::StartAuthSessionError(_)
            | ConnectionSetupRequestErrorKind::AuthChallengeEvaluationError(_)
            | ConnectionSetupRequestErrorKind::AuthFinishError(_) => (Hold, "credentials"),
            _ => (Retry(Server), "server_error"),
        },
        _ => CONNECTION,
    }
}

fn of_attempt(error: &RequestAttemptError) -> Named {
    match error {
        RequestAttemptError::DbError(error, message) => of_database(error, message),
        RequestAttemptError::BrokenConnectionError(_) | RequestAttemptError::UnableToAllocStreamId => CONNECTION,
        RequestAttemptError::BodyExtensionsParseError(_)
        | RequestAttemptError::CqlResultParseError(_)
        | RequestAttemptError::CqlErrorParseError(_)
        | RequestAttemptError::UnexpectedResponse(_) => (Retry(Server), "server_error"),
        _ => UNNAMED,
    }
}

fn of_database(error: &DbError, message: &str) -> Named {
    match error {
        // Cassandra's own words when its table of roles cannot be read (3.11, 4.1 and 5.0 alike).
        DbError::AuthenticationError | DbError::Unauthorized if message.starts_with("Unable to perform") => {
            (Retry(Server), "unavailable")
        }
        DbError::AuthenticationError => (Hold, "credentials"),
        DbError::Unauthorized => (Hold, "unauthorized"),
        DbError::Unavailable { .. } => (Retry(Server), "unavailable"),
        DbError::ReadTimeout { .. } => TIMEOUT,
        DbError::Overloaded | DbError::RateLimitReached { .. } => (Retry(Server), "overloaded"),
        DbError::IsBootstrapping => (Retry(Server), "bootstrapping"),
        DbError::ServerError => (Retry(Server), "server_error"),
        DbError::ReadFailure { .. } => (Retry(Call), "read_failure"),
        DbError::Invalid | DbError::SyntaxError | DbError::ConfigError => (Hold, "invalid_statement"),
        _ => UNNAMED,
    }
}
