//! What can happen, and when.

use stateright::{Model, Property};

use super::group::Group;
use super::worker::{Answer, HandingOver, Worker};

/// How much of each misfortune there is, and what is believed of librdkafka.
#[derive(Clone, Debug)]
pub struct World {
    pub log: &'static [i64],
    pub moves: u8,
    /// SIGSTOP past the session, and continued.
    pub stops: u8,
    /// Thrown out by the group although it runs: the network, or a broker that stood still.
    pub expulsions: u8,
    pub crashes: u8,
    pub lost_answers: u8,
    /// A commit that waits inside librdkafka gets the generation of the moment when it leaves: not seen, not disproved.
    pub stamps_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub group: Group,
    pub workers: [Worker; 2],
    /// How much of each there has been.
    pub moves: u8,
    pub stops: u8,
    pub expulsions: u8,
    pub crashes: u8,
    pub lost_answers: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The intake's: a record, an assignment, a revocation, its end, a loss.
    Deliver,
    Assign,
    Revoke,
    HandOver,
    /// The pipeline has not answered: the partition is given up all the same.
    Forgo,
    Lose,
    /// The pipeline's: an outcome is acknowledged, a point made, a revocation answered, a loss heard.
    Settle(i64),
    Tick,
    Answer,
    HearLoss,
    /// The committer's.
    Take,
    Hear,
    GiveUpDoubt,
    /// The broker's and the group's.
    Reach,
    ReachUnheard,
    NeverReach,
    Join,
    Expel,
    Move,
    /// The operator's and the kernel's.
    Stop,
    Wake,
    Crash,
}

type Action = (usize, Step);

/// What must be seen on the way, or the world is not what it should be.
pub const ALL_DONE: &str = "everything is settled and committed";
pub const SKIPPED: &str = "an owner skips what the one before had settled";
pub const REFUSED: &str = "a former owner's commit is refused";
pub const NEVER_SENT: &str = "a former owner's point is never sent";
pub const MOVED_MEANWHILE: &str = "the partition moves while a commit is under way";

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let workers = [Worker::new(Some(1)), Worker::new(Some(1))];
        let group = Group::new(self.log);
        vec![State { group, workers, moves: 0, stops: 0, expulsions: 0, crashes: 0, lost_answers: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..2 {
            let worker = &state.workers[at];
            self.group_steps(state, at, actions);
            if worker.running {
                intake_steps(state, at, actions);
                pipeline_steps(state, at, actions);
                committer_steps(worker, at, actions);
            }
        }
    }

    fn next_state(&self, state: &State, (at, step): Action) -> Option<State> {
        let mut next = state.clone();
        next.take(self, at, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("settled_before_committed", |_, state: &State| {
                !state.group.broken.settled_before_committed
            }),
            Property::always("a_stale_owner_is_harmless", |_, state: &State| {
                !state.group.broken.a_stale_owner_is_harmless
            }),
            Property::always("a_crash_redoes_little", |_, state: &State| !state.group.broken.a_crash_redoes_little),
            Property::sometimes(ALL_DONE, |_, state: &State| state.group.committed.0 == state.group.end()),
            Property::sometimes(SKIPPED, |_, state: &State| {
                state.workers.iter().filter_map(|worker| worker.held.as_ref()).any(|held| held.has_skipped)
            }),
            Property::sometimes(REFUSED, |_, state: &State| {
                state.workers.iter().any(|worker| worker.mailbox.was_fenced_since(0))
            }),
            Property::sometimes(NEVER_SENT, |_, state: &State| {
                state.workers.iter().any(|worker| worker.mailbox.dropped() > 0)
            }),
            Property::sometimes(MOVED_MEANWHILE, |_, state: &State| {
                state.calls().any(|(at, answer)| state.group.owner != Some(at) && answer.is_none())
            }),
        ]
    }
}

impl World {
    pub const fn of(log: &'static [i64]) -> Self {
        Self { log, moves: 0, stops: 0, expulsions: 0, crashes: 0, lost_answers: 0, stamps_late: false }
    }

    fn group_steps(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let (group, worker) = (&state.group, &state.workers[at]);
        let is_gone = !worker.running || worker.generation.is_none();
        // What befalls a worker that has nothing is no news.
        let has_work = worker.running && (worker.held.is_some() || worker.call.is_some());
        let moves = group.owner == Some(at)
            && group.heir.is_none()
            && group.members == [true; 2]
            && state.answers() == [true; 2]
            && worker.is_of_one_mind()
            && state.moves < self.moves;
        let reaches = worker.call.as_ref().is_some_and(|call| call.answer.is_none());
        let may_lose = reaches && state.lost_answers < self.lost_answers;
        let steps = [
            (reaches, Step::Reach),
            (may_lose, Step::ReachUnheard),
            (may_lose, Step::NeverReach),
            (group.members[at] && (is_gone || (has_work && state.expulsions < self.expulsions)), Step::Expel),
            (worker.running && worker.generation.is_none() && !group.members[at], Step::Join),
            (moves, Step::Move),
            (has_work && state.stops < self.stops, Step::Stop),
            (!worker.running && !group.members[at], Step::Wake),
            (has_work && state.crashes < self.crashes, Step::Crash),
        ];
        push(at, steps, actions);
    }
}

fn intake_steps(state: &State, at: usize, actions: &mut Vec<Action>) {
    let (group, worker) = (&state.group, &state.workers[at]);
    let is_member = group.members[at] && worker.generation == Some(group.generation);
    let reads = worker.is_of_one_mind() && worker.handing_over.is_none();
    let has_more = worker.held.as_ref().is_some_and(|held| held.undelivered(group).is_some());
    let owns = is_member && group.owner == Some(at);
    let steps = [
        (reads && has_more, Step::Deliver),
        (owns && worker.epoch().is_none() && worker.arriving.is_none(), Step::Assign),
        (owns && group.heir.is_some() && reads, Step::Revoke),
        (worker.handing_over == Some(HandingOver::Committing), Step::HandOver),
        (worker.handing_over == Some(HandingOver::Draining), Step::Forgo),
        (worker.generation.is_some() && !is_member, Step::Lose),
    ];
    push(at, steps, actions);
}

fn pipeline_steps(state: &State, at: usize, actions: &mut Vec<Action>) {
    let worker = &state.workers[at];
    let Some(held) = &worker.held else { return };
    // Of an ended epoch one more point is enough to see what becomes of it.
    let settles = worker.epoch() == Some(held.epoch);
    actions.extend(held.in_work().filter(|_| settles).map(|offset| (at, Step::Settle(offset))));
    // A point that replaces another one is as if the other had never been, unless that one has been sent before.
    let is_first = !worker.mailbox.has_pending() || state.lost_answers > 0;
    let steps = [
        (held.has_news() && is_first, Step::Tick),
        (worker.handing_over == Some(HandingOver::Draining) && worker.is_of_one_mind(), Step::Answer),
        (worker.epoch() != Some(held.epoch), Step::HearLoss),
    ];
    push(at, steps, actions);
}

fn committer_steps(worker: &Worker, at: usize, actions: &mut Vec<Action>) {
    let is_in_doubt = worker.mailbox.is_in_doubt(worker.epochs.changes);
    let steps = [
        (worker.call.is_none() && worker.mailbox.has_pending() && !is_in_doubt, Step::Take),
        (worker.call.as_ref().is_some_and(|call| call.answer.is_some()), Step::Hear),
        (is_in_doubt, Step::GiveUpDoubt),
    ];
    push(at, steps, actions);
}

fn push<const N: usize>(at: usize, steps: [(bool, Step); N], actions: &mut Vec<Action>) {
    actions.extend(steps.into_iter().filter(|(is_possible, _)| *is_possible).map(|(_, step)| (at, step)));
}

impl State {
    fn calls(&self) -> impl Iterator<Item = (usize, Option<Answer>)> {
        let call = |(at, worker): (usize, &Worker)| Some((at, worker.call.as_ref()?.answer));
        self.workers.iter().enumerate().filter_map(call)
    }

    /// Who takes part in a rebalance: librdkafka does so by itself, but not in a stopped process or after a crash.
    pub fn answers(&self) -> [bool; 2] {
        [0, 1].map(|at| self.workers[at].running && self.workers[at].generation.is_some())
    }
}
