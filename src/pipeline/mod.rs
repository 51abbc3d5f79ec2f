//! The way of one event, as a picture:
//!
//! ```text
//!  Kafka ─▶ intake ─▶ lookup ─┬─▶ sync  ─┐
//!             ▲               └─▶ purge ─┴─▶ settle ─▶ status, failed and delay topics
//!             └──────────── offsets ◀──────────┘
//! ```
//!
//! The [`engine::Engine`] decides, [`run`] acts: it hands arrivals, completions and the time to the engine and carries
//! out what the engine asks for.

mod answers;
mod branches;
pub mod breaker;
mod budget;
pub mod controls;
pub mod engine;
mod gates;
pub mod intake;
pub mod item;
pub mod limiter;
mod lines;
mod pages;
mod queue;
mod rebalance;
mod records;
mod rejects;
pub mod retry;
mod room;
pub mod run;
mod settle;
pub mod stage;
