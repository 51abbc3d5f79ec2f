//! Tests against the real stack (`deploy/local/stack up`): one binary, so that it is linked once.
//!
//! A test whose service is absent fails; it never skips. Each test makes its own users, topics and groups.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and tests spawn at will"
)]

mod browser;
mod cassandra;
mod door;
mod faults;
mod kafka;
mod keycloak;
mod program;
mod scene;
mod speed;
mod systems;
mod tls;
