//! Services that are killed and come back, networks that fail, workers that die: `make test` gives them stacks of their own.
//!
//! `STACK=faults STACK_PORT_OFFSET=3000 cargo test --test it -- --test-threads=1 faults::`; only what is not in [`alone`] may have
//! more threads.
//!
//! The suite of `docs/faults.md`: each case is a [`case::Case`] that says its promise, its fault and its oracle, played as a
//! [`storm::Storm`]. `FAULTS=whole` plays it in full, `FAULTS_SEED` in another order.

mod access;
mod alone;
mod case;
mod endings;
mod frontiers;
mod members;
mod odd_answers;
mod operators;
mod oracles;
mod people;
mod portions;
mod processes;
mod records;
mod storm;
mod sync_api;
