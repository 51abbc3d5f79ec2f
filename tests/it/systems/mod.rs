//! The whole worker on the whole stack.

mod answers;
mod crashes;
mod guards;
mod long_outages;
mod members;
mod outages;
mod smoke;
mod starts;
