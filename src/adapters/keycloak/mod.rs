//! Keycloak: its PostgreSQL schema and its Admin API.
//!
//! `tables` is what we know of the schema, `schema` what is found in the live one, `purge` the way of one block: guards,
//! access, the transaction. No other module of the worker knows a table or a path of Keycloak.

mod access;
mod admin_api;
mod authz;
mod block;
mod canary;
mod connection;
mod ending;
mod failure;
mod fuses;
mod http_failure;
mod id_forms;
mod protect;
mod purge;
mod schema;
mod statements;
pub mod tables;
mod token;
mod transaction;

pub use admin_api::AdminApi;
pub use canary::{Canary, Patience};
pub use purge::PgIdentityStore;
pub use schema::SchemaError;
