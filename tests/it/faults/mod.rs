//! Services that are killed and come back, one test after the other: `make test` gives them a stack of their own.
//!
//! `STACK=faults STACK_PORT_OFFSET=5000 cargo test --test it -- --test-threads=1 faults::`

mod cassandra;
mod intake;
mod kafka;
mod postgres;
