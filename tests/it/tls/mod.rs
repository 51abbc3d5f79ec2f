//! TLS and logins against real servers, with certificates made in the test: right, wrong, expired, and replaced while
//! the worker runs.

pub mod broker;
mod cassandra;
pub mod certificates;
mod front;
mod http;
mod kafka;
mod mounted;
mod own;
mod postgresql;
