//! Cases beside which nothing else may run: they kill a service, stop it or have it refuse everybody, or measure speed.

mod broker;
mod cassandra;
mod intake;
mod kafka;
mod limits;
mod made;
mod postgres;
mod refusals;
