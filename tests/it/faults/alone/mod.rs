//! Cases beside which nothing else may run: they kill a service, stop it or have it refuse everybody, measure speed, or count
//! what is in a table.

mod broker;
mod cassandra;
mod intake;
mod kafka;
mod limits;
mod made;
mod postgres;
mod ranges;
mod refusals;
