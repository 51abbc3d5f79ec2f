//! Keycloak: its PostgreSQL schema and its Admin API.
//!
//! `tables` is what we know of the schema, `schema` what is found in the live one, `purge` the way of one block: guards,
//! access, the transaction. `authz` and `trail` are its parts beyond the map. No other module of the worker knows a table or a path of Keycloak.

mod access;
mod admin_api;
mod ancient;
mod authz;
mod block;
mod canary;
mod connect;
mod connection;
mod ending;
mod failure;
mod fuses;
mod http_failure;
mod id_forms;
mod names;
mod policies;
mod protect;
mod purge;
mod schema;
mod statements;
pub mod tables;
mod token;
mod traces;
mod trail;
mod transaction;

pub use admin_api::AdminApi;
pub use canary::{Canary, Patience};
pub use connection::table_map;
pub use purge::PgIdentityStore;
pub use schema::{MapRow, SchemaError, SchemaWarning, TableMap};
