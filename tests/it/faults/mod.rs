//! Services that are killed and come back, one test after the other: `make test` gives them a stack of their own.
//!
//! `STACK=faults STACK_PORT_OFFSET=3000 cargo test --test it -- --test-threads=1 faults::`
//!
//! The suite of `docs/faults.md`: each case is a [`case::Case`] that says its promise, its fault and its oracle, played as a
//! [`storm::Storm`]. `FAULTS=whole` plays it in full, `FAULTS_SEED` in another order.

mod access;
mod broker;
mod case;
mod cassandra;
mod endings;
mod frontiers;
mod intake;
mod kafka;
mod limits;
mod made;
mod members;
mod odd_answers;
mod operators;
mod oracles;
mod people;
mod portions;
mod postgres;
mod processes;
mod ranges;
mod records;
mod refusals;
mod storm;
mod sync_api;
