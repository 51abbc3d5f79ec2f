//! The world: one module per technology. Each fills a role of `ports.rs` and maps its failures to dispositions.

pub mod cassandra;
pub mod kafka;
pub mod keycloak;
pub mod search;
pub mod secret;
pub mod sync_api;
pub mod tls;
