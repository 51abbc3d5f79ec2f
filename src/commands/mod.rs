//! What a person runs: one file per command. `run` is the composition root, the only place that builds the adapters.

pub mod answer;
pub mod audit;
mod calendar;
pub mod canary_log;
pub mod check;
pub mod check_keycloak;
pub mod config;
mod id_file;
mod life;
pub mod observe;
pub mod orders;
pub mod outlook;
mod patience;
pub mod reachable;
pub mod redrive;
mod renewal;
pub mod replay;
mod ring;
pub mod rules;
pub mod run;
pub mod shell;
pub mod status;
pub mod submit;
pub mod watch;
pub mod world;

use std::process::ExitCode;

use crate::adapters::kafka::ClientError;
use crate::ports::{Disposition, Failure};
use crate::settings::SettingsError;

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// `audit`: Keycloak still knows somebody who is deleted. `watch`: somebody is PARTIAL or FAILED.
    /// `redrive`: a failed record is open. `status`: something of the user is left, or failed.
    Left,
    /// Wrong usage or configuration.
    Usage,
    /// A dependency does not answer: trying again may help.
    Unreachable,
    /// A person must mend something first.
    Held,
}

/// What a person gave cannot be used; names it, and stands above the error that says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

impl Exit {
    /// For an error that reached the top.
    pub fn of(error: &anyhow::Error) -> Self {
        let is_property = error.chain().filter_map(|cause| cause.downcast_ref()).any(ClientError::is_of_properties);
        if is_property || error.is::<SettingsError>() || error.is::<BadInput>() { Self::Usage } else { Self::Held }
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure.disposition {
            Disposition::Retry(_) => Self::Unreachable,
            Disposition::Reject | Disposition::Hold => Self::Held,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            // As `grep` and `diff` say that they found something: no failure of the command.
            Exit::Left => 1,
            // The numbers of sysexits.h: EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE.
            Exit::Usage => 64,
            Exit::Unreachable => 69,
            Exit::Held => 70,
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::adapters::kafka::topic_admin::TopicError;

    #[test]
    fn a_property_that_kafkas_clients_refuse_is_wrong_configuration() {
        let refused = || ClientError::Refused { property: "fetch.foo".to_owned(), problem: "no such".to_owned() };
        let [direct, within] = [anyhow::Error::new(refused()), anyhow::Error::new(TopicError::Client(refused()))];
        for error in [direct, within] {
            assert_eq!(Exit::of(&Err::<(), _>(error).context("no worker").unwrap_err()), Exit::Usage);
        }
        let absent = ClientError::Unreadable {
            property: "sasl.password".to_owned(),
            path: "/nowhere".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        assert_eq!(Exit::of(&anyhow::Error::new(TopicError::Client(absent))), Exit::Held, "as every file of a secret");
    }
}
