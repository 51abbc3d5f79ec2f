//! The purge against a database that a real Keycloak made, and against that Keycloak.
//!
//! Needs the local stack. Every test makes its own users, so that all run side by side on one database.

mod access;
mod audit;
mod canary;
mod checks;
mod copy;
mod fuses;
mod harm_nobody;
mod kinds;
mod later;
mod leave_one_out;
mod leaves_nothing;
mod logins;
pub mod made_by_keycloak;
mod person;
mod protection;
mod role;
mod schema;
pub mod stack;
mod trail;
mod web;
