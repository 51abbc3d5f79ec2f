//! The whole worker on the whole stack.

mod access;
mod answers;
mod crashes;
mod guards;
mod halves;
mod long_outages;
mod lost_answers;
mod members;
mod memory;
mod modes;
mod outages;
mod outlook;
mod oversized;
mod page;
mod playback;
mod ranges;
mod receipts;
mod redrive;
mod replay;
mod smoke;
mod starts;
mod status;
mod submit;
mod variants;
mod watch;
