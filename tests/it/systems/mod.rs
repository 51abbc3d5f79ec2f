//! The whole worker on the whole stack.

mod access;
mod answers;
mod crashes;
mod guards;
mod halves;
mod members;
mod memory;
mod modes;
mod outages;
mod oversized;
mod playback;
mod proxy;
mod ranges;
mod smoke;
mod starts;
mod variants;
