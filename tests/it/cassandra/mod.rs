//! The Cassandra adapter against the real Cassandra of `deploy/local/stack`. Without it these tests fail.

mod contact;
mod lookup;
mod outage;
mod ranges;
pub mod support;
