//! The local stack seen from Rust: its addresses, users with all their rows, events, statuses, and the programs around
//! them. For the tests against the real stack and for the demo; the worker never depends on it.

pub mod accounts;
pub mod clock;
pub mod events;
pub mod faults;
pub mod keycloak_rows;
pub mod offsets;
pub mod operator;
mod process;
pub mod realm_admin;
pub mod records;
pub mod results;
pub mod said;
pub mod stack;
pub mod stand_in;
pub mod topics;
pub mod users;
pub mod waiting;
pub mod worker;

pub use accounts::{Accounts, Tokens};
pub use clock::Clock;
pub use faults::{Faults, Service};
pub use keycloak_rows::KeycloakRows;
pub use records::{Records, Status, Statuses};
pub use stack::Stack;
pub use stand_in::StandIn;
pub use topics::Topics;
pub use users::Users;
pub use waiting::eventually;
pub use worker::Worker;
