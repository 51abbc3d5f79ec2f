//! What works, but not as it should: told in the log and by `check keycloak`, never a reason to stop.

/// One of them, in words for the person who can mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SchemaWarning {
    #[error("{place} has no index that serves it: {cost}. Mend: {statement}")]
    NoIndex { place: String, cost: String, statement: String },
    #[error("{0} has a trigger of its own, {1}: what it writes elsewhere is not purged")]
    Trigger(String, String),
    #[error("{0} points to {1} and lets go when its row is deleted: what else such a row knows of the user stays")]
    LetsGo(String, String),
    #[error("{0} points to {1} and is ignored: users with rows there cannot be purged, and end FAILED")]
    Refuses(String, String),
    #[error("{0} points to {1}, but its rows go by another column: users whom it names in others' rows end FAILED")]
    SecondPointer(String, String),
    #[error("{0} may name another user than the one whose row it is: where it names somebody purged, it stays")]
    SecondName(String),
    #[error(
        "{0}: Keycloak has not used them since version 1, they are not empty and may name people. The worker leaves them; \
         once you have looked: TRUNCATE {0};"
    )]
    Ancient(String),
    #[error("keycloak.tables.{0}: there is no such table")]
    NoSuchTable(String),
    #[error(
        "federated_user holds {users} users of component {provider:?}, which the realm does not have any more. If they \
         are the same people: keycloak.former_providers = [{provider:?}]"
    )]
    Ghost { provider: String, users: i64 },
    #[error("whether federated_user holds users of former components could not be found out within {0} s")]
    GhostsUnknown(u64),
    #[error("keycloak.username lacks a right that deploy/keycloak-role.sql grants: {0}")]
    RightMissing(String),
    #[error("keycloak.username has a right that it should not have: {0}")]
    RightTooMuch(String),
}
