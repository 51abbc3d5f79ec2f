//! What each step does.

use super::worker::{Answer, HandingOver, Worker};
use super::world::{State, Step, World};

impl State {
    pub fn take(&mut self, world: &World, at: usize, step: Step) {
        let (group, worker) = (&mut self.group, &mut self.workers[at]);
        match step {
            Step::Deliver => worker.held.as_mut().expect("possible").deliver(group),
            Step::Settle(offset) => worker.held.as_mut().expect("possible").settle(offset, group),
            Step::Assign => worker.assign(group),
            Step::Revoke => {
                worker.epochs.count_change();
                worker.handing_over = Some(HandingOver::Draining);
            }
            Step::HandOver | Step::Forgo => {
                worker.end_epoch();
                self.given_up(at);
            }
            Step::Lose => {
                worker.end_epoch();
                worker.epochs.count_change();
                worker.generation = None;
            }
            Step::Tick => worker.tick(),
            Step::Answer => worker.answer(),
            Step::HearLoss => worker.held = worker.arriving.take(),
            Step::Take => worker.take(group),
            Step::Hear => worker.hear(),
            Step::GiveUpDoubt => worker.mailbox.give_up_doubt(),
            Step::Reach => self.reach(world, at, false),
            Step::ReachUnheard => self.reach(world, at, true),
            Step::NeverReach => {
                self.lost_answers += 1;
                worker.call.as_mut().expect("possible").answer = Some(Answer::Lost);
                self.hear(at);
            }
            Step::Join | Step::Expel | Step::Move => self.change_group(at, step),
            Step::Stop => (worker.running, self.stops) = (false, self.stops + 1),
            Step::Wake => (worker.running, worker.stood_still) = (true, true),
            Step::Crash => (*worker, self.crashes) = (Worker::new(None), self.crashes + 1),
        }
    }

    /// A commit that waited inside the client leaves it: with the generation it was given there, or that of now.
    fn reach(&mut self, world: &World, at: usize, is_unheard: bool) {
        let worker = &mut self.workers[at];
        let call = worker.call.as_mut().expect("possible");
        let generation = if world.stamps_late { worker.generation } else { call.generation };
        let answer = self.group.commit(at, generation, call);
        call.answer = Some(if is_unheard { Answer::Lost } else { answer });
        self.lost_answers += u8::from(is_unheard);
        self.hear(at);
    }

    /// Only a stopped process hears later.
    fn hear(&mut self, at: usize) {
        if self.workers[at].running {
            self.workers[at].hear();
        }
    }

    fn given_up(&mut self, at: usize) {
        let group = &mut self.group;
        if group.members[at] && self.workers[at].generation == Some(group.generation) {
            // Whoever has given something up joins anew, also when nobody is left to take it.
            group.owner = group.heir.take().or(group.owner);
            self.rebalance();
        }
    }

    fn change_group(&mut self, at: usize, step: Step) {
        match step {
            Step::Join => {
                self.group.members[at] = true;
                self.workers[at].generation = Some(self.group.generation);
            }
            Step::Move => {
                self.moves += 1;
                self.group.heir = Some(1 - at);
            }
            _ => {
                self.expulsions += u8::from(self.answers()[at]);
                self.group.members[at] = false;
            }
        }
        self.rebalance();
    }

    fn rebalance(&mut self) {
        // Whoever was expelled does not know it yet, and is no member until it joins anew.
        self.group.rebalance(self.answers());
        for at in (0..2).filter(|at| self.group.members[*at]) {
            self.workers[at].generation = Some(self.group.generation);
        }
    }
}
