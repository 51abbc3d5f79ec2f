//! Controls: users that are known to be there, so that a probe of the Sync API proves something.
//!
//! An outage behind the service looks like success with every id refused (`facts/sunbird.md` 2.6): only a user who
//! came back true before, or whom the table has just named, tells the two apart.

use std::collections::VecDeque;

use super::engine::{Effect, Engine, Now, StageName};
use crate::domain::ids::UserId;
use crate::ports::{Blame, CallResult, Disposition, Failure, Synced};

/// Users per probe.
const CONTROLS: usize = 3;
/// Users asked of the table when no control is at hand: some may be in the stages themselves.
pub const DRAWN: usize = 12;

#[derive(Debug, Default)]
pub struct Controls {
    /// Came back true, newest last.
    proved: VecDeque<UserId>,
    /// Named by the table.
    drawn: Vec<UserId>,
}

impl Controls {
    pub fn proved(&mut self, user: UserId) {
        if self.proved.contains(&user) {
            return;
        }
        if self.proved.len() == CONTROLS {
            self.proved.pop_front();
        }
        self.proved.push_back(user);
    }

    fn candidates(&self) -> impl Iterator<Item = &UserId> {
        self.proved.iter().rev().chain(&self.drawn)
    }
}

impl Engine {
    /// Controls have no item in the stages, wherever there are such users: their lines are free, and the probe holds
    /// them meanwhile.
    pub(super) fn probe_sync(&mut self, now: Now) {
        let mut controls: Vec<UserId> = Vec::new();
        for user in self.controls.candidates() {
            if controls.len() < CONTROLS && !controls.contains(user) && self.lines.hold_for_probe(user) {
                controls.push(user.clone());
            }
        }
        if !controls.is_empty() {
            self.effects.push(Effect::ProbeSync(controls));
        } else if self.controls.drawn.is_empty() {
            self.effects.push(Effect::Draw);
        } else {
            // All of them are in work: draw others at the next probe.
            self.controls.drawn.clear();
            let waiting = self.waiting_controls();
            if waiting.is_empty() {
                self.probed(StageName::Sync, None, now);
            } else {
                self.effects.push(Effect::ProbeSync(waiting));
            }
        }
    }

    /// Where everybody is in work, who waits in the stage is a control: lookup has just read the row, and behind an
    /// open breaker no call can overlap with the probe. Without them a small table would never come back from an outage.
    fn waiting_controls(&self) -> Vec<UserId> {
        if self.sync.breaker.is_closed() {
            return Vec::new();
        }
        let waiting = self.sync.waiting().into_iter().filter_map(|key| self.items.get(&key));
        let users = waiting.filter(|item| item.object_type.is_user() && !item.abandoned);
        users.map(|item| item.user.clone()).take(CONTROLS).collect()
    }

    pub(super) fn drawn(&mut self, drawn: Result<Vec<UserId>, Failure>, now: Now) {
        self.controls.drawn = drawn.unwrap_or_default();
        if self.controls.drawn.is_empty() { self.probed(StageName::Sync, None, now) } else { self.probe_sync(now) }
    }

    /// One control that comes back true: the service works. None: it is away, whatever it says.
    pub(super) fn sync_probed(&mut self, controls: &[UserId], answer: CallResult<Synced>, now: Now) {
        let lost = answer.as_ref().is_err_and(Failure::leaves_in_doubt);
        for user in controls {
            self.release_control(user, lost, now);
        }
        let verdict = answer.and_then(|answers| {
            let works = answers.iter().any(Result::is_ok);
            if works { Ok(()) } else { Err(Failure::new(Disposition::Retry(Blame::Server), "controls_not_indexed")) }
        });
        self.probed(StageName::Sync, Some(verdict), now);
    }

    /// Also what a probe does may land after its answer was lost: who waits for this user waits for that, and an item
    /// of this user's own is synced again.
    fn release_control(&mut self, user: &UserId, lost: bool, now: Now) {
        let own = self.lines.holder(user).filter(|_| lost).and_then(|key| self.items.get_mut(&key));
        if let Some(item) = own {
            item.answer_lost = true;
        }
        let keep = lost.then(|| now.at + self.rules.ambiguity);
        if let Some(next) = self.lines.release_by_probe(user, keep) {
            self.start_lookup(next, now);
        }
    }

    pub(super) fn probed(&mut self, stage: StageName, verdict: Option<Result<(), Failure>>, now: Now) {
        match stage {
            StageName::Lookup => {
                for ended in self.lookup.probed(verdict, now.at) {
                    self.look_ended(ended, now);
                }
            }
            StageName::Sync => {
                for ended in self.sync.probed(verdict, now.at) {
                    self.sync_ended(&ended, now);
                }
            }
            StageName::Purge => {
                for ended in self.purge.probed(verdict, now.at) {
                    self.purge_ended(ended, now);
                }
            }
            StageName::Clear => {
                for ended in self.clear.probed(verdict, now.at) {
                    self.clear_ended(&ended, now);
                }
            }
        }
    }
}
