//! A Kafka worker that re-indexes and purges deleted Sunbird users.
//!
//! Four rings, each knowing only the ones before it: `domain` (pure), `pipeline` (the way of one event),
//! `adapters` (the world), `commands` (what a person runs).

pub mod adapters;
pub mod domain;
pub mod pipeline;
pub mod ports;
pub mod settings;
