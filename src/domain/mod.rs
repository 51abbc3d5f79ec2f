//! What is true without the world: events, verdicts, outcomes, offsets.
//!
//! Everything here is a value or a pure function: no async, no I/O, and no clock (time comes in as an argument).
//! What waits, calls or retries belongs to `pipeline/`; what speaks a protocol belongs to `adapters/`.

pub mod control;
pub mod decode;
pub mod event;
pub mod failed;
pub mod ids;
pub mod join;
pub mod ledger;
pub mod metadata;
pub mod offset_map;
pub mod outcome;
pub mod pace;
pub mod page;
pub mod record;
pub mod replay;
pub mod report;
pub mod spent;
pub mod tally;
pub mod told;
pub mod verdict;
pub mod whereabouts;
