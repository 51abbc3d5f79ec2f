//! The whole worker on the whole stack.

mod crashes;
mod guards;
mod members;
mod outages;
mod proxy;
mod smoke;
mod starts;
