//! The process is asked to go.

use std::time::Duration;

use user_purge_sync::pipeline::engine::{Effect, StageName};

use super::Play;
use crate::script::Fault;

/// Five clears fail before the breaker opens, and each is waited for a second.
const LONGEST_DRAIN: Duration = Duration::from_secs(8);

impl Play {
    /// What can finish does, while one dependency may be away; nobody waits for the rest.
    pub fn close(&mut self, away: Option<StageName>) {
        let asked = self.now.at;
        self.engine.close(self.now, Duration::from_secs(25));
        self.turn();
        while !self.engine.is_drained(self.now) {
            self.go_on(away);
        }
        let took = self.now.at - asked;
        assert!(took < LONGEST_DRAIN, "what cannot finish is waited for: {took:?}");
        self.commit();
        self.crash();
    }

    /// All calls are answered, and a moment passes.
    pub fn go_on(&mut self, away: Option<StageName>) {
        while let Some(call) = self.calls.pop_front() {
            let fault = if away.is_some() && stage_of(&call) == away { Fault::Away } else { Fault::None };
            self.answer(call, fault);
        }
        self.wait(Duration::from_millis(100));
    }
}

fn stage_of(effect: &Effect) -> Option<StageName> {
    match effect {
        Effect::Lookup(..) => Some(StageName::Lookup),
        Effect::Sync(..) | Effect::ProbeSync(_) => Some(StageName::Sync),
        Effect::Purge(..) => Some(StageName::Purge),
        Effect::Clear(_) => Some(StageName::Clear),
        Effect::Probe(stage) => Some(*stage),
        Effect::Draw | Effect::ReadRange(..) | Effect::Publish(..) => None,
    }
}
