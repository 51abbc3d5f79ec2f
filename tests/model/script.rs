//! What can happen to a worker.

use proptest::prelude::*;
use user_purge_sync::pipeline::engine::StageName;

/// So few users that their events meet.
pub const USERS: u8 = 5;
pub const PARTITIONS: i32 = 2;

#[derive(Clone, Debug)]
pub enum Step {
    /// A delete event is published and delivered.
    Deliver {
        user: u8,
        partition: i32,
    },
    /// A resync event likewise.
    Resync {
        user: u8,
        partition: i32,
    },
    /// A resync of everybody: of an id list, or of a token range.
    ResyncAll {
        range: bool,
        partition: i32,
    },
    /// Bytes that are no event.
    Poison {
        partition: i32,
    },
    /// Sunbird deletes the user's account.
    Delete {
        user: u8,
    },
    /// Sunbird restores it.
    Restore {
        user: u8,
    },
    /// The oldest call that is under way is answered; `fault` picks how.
    Answer {
        newest: bool,
        fault: Fault,
    },
    /// The partition goes to another member and comes back from its committed offset.
    Revoke {
        partition: i32,
    },
    /// The same without a word.
    Lose {
        partition: i32,
    },
    /// Offsets are committed.
    Commit,
    Wait {
        seconds: u8,
    },
    /// The process is gone; a new one starts from what is committed.
    Crash,
    /// It is asked to go, and the next one starts; one stage's dependency may be away meanwhile.
    Close {
        away: Option<StageName>,
    },
    /// An operator sets a partition back to its beginning, between two processes.
    Rewind {
        partition: i32,
    },
    /// A running worker sets a partition back, because it was asked to.
    Replay {
        partition: i32,
    },
    /// Half of a partition's log is lost and written anew, between two processes.
    LoseEnd {
        partition: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The dependency is away.
    Away,
    /// The call fails as a whole, and the dependency is not to blame.
    Whole,
    /// 429.
    Throttled,
    /// A person must mend something.
    Held,
}

pub fn steps() -> impl Strategy<Value = Step> {
    let (user, partition) = (|| 0..USERS, || 0..PARTITIONS);
    prop_oneof![
        6 => (user(), partition()).prop_map(|(user, partition)| Step::Deliver { user, partition }),
        3 => (user(), partition()).prop_map(|(user, partition)| Step::Resync { user, partition }),
        2 => (any::<bool>(), partition()).prop_map(|(range, partition)| Step::ResyncAll { range, partition }),
        1 => partition().prop_map(|partition| Step::Poison { partition }),
        4 => user().prop_map(|user| Step::Delete { user }),
        2 => user().prop_map(|user| Step::Restore { user }),
        16 => (any::<bool>(), faults()).prop_map(|(newest, fault)| Step::Answer { newest, fault }),
        1 => partition().prop_map(|partition| Step::Revoke { partition }),
        1 => partition().prop_map(|partition| Step::Lose { partition }),
        3 => Just(Step::Commit),
        4 => (0_u8..90).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Crash),
        1 => prop::option::of(prop::sample::select(&StageName::ALL)).prop_map(|away| Step::Close { away }),
        1 => partition().prop_map(|partition| Step::Rewind { partition }),
        1 => partition().prop_map(|partition| Step::Replay { partition }),
        1 => partition().prop_map(|partition| Step::LoseEnd { partition }),
    ]
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        2 => Just(Fault::Away),
        1 => Just(Fault::Whole),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::Held),
    ]
}
