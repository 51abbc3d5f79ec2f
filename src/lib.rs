//! A Kafka worker that re-indexes and purges deleted Sunbird users.
//!
//! Four rings, each knowing only the ones before it: `domain` (pure), `pipeline` (the way of one event),
//! `adapters` (the world), `commands` (what a person runs).

pub mod adapters;
pub mod admin;
pub mod cli;
pub mod commands;
pub mod domain;
pub mod lifecycle;
pub mod metrics;
pub mod pipeline;
pub mod ports;
pub mod settings;
pub mod telemetry;
