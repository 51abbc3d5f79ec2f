//! The input side of Kafka as the pipeline sees it: what arrives, how it is held back, what is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::domain::event::Decoded;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::offset_map::OffsetMap;
use crate::domain::replay::ReplayMark;

/// What the intake thread tells the pipeline, in the order in which it happened.
#[derive(Debug)]
pub enum Arrival {
    Assigned(Vec<Assignment>),
    /// Records of one partition, in offset order.
    Records {
        partition: Partition,
        epoch: Epoch,
        records: Vec<Delivery>,
    },
    /// These partitions go to another member as soon as `answer` has the last offsets to commit.
    Revoking {
        partitions: Vec<(Partition, Epoch)>,
        answer: oneshot::Sender<Vec<CommitPoint>>,
    },
    /// These are gone already.
    Lost {
        partitions: Vec<(Partition, Epoch)>,
    },
}

/// A partition that is ours from now on.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub partition: Partition,
    pub epoch: Epoch,
    /// What is settled above the committed offset; absent when nothing says so.
    pub settled: Option<OffsetMap>,
    /// What is told again on purpose.
    pub replay: Option<ReplayMark>,
    pub gate: Arc<Gate>,
}

/// A record, decoded on the intake thread so that no payload travels further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub offset: i64,
    /// The broker's or the producer's time of the record, milliseconds since 1970; `None` when it has none.
    pub timestamp: Option<i64>,
    /// Milliseconds since 1970 when the record was received: what `timestamp` is compared with.
    pub received: i64,
    /// The source record's key, for a failed record; see [`Delivery::key_of`].
    pub key: Option<Vec<u8>>,
    pub decoded: Decoded,
}

impl Delivery {
    /// The longest key that travels on. Longer ones are nobody's id, and a failed record that repeats one may be too
    /// large for Kafka: it would be sent again for ever, and its partition would never move.
    pub const LONGEST_KEY: usize = 1024;

    pub fn key_of(key: Option<&[u8]>) -> Option<Vec<u8>> {
        key.filter(|key| key.len() <= Self::LONGEST_KEY).map(<[u8]>::to_vec)
    }
}

/// Holds one partition back without pausing it: pausing throws prefetched records away (`facts/kafka.md` 8.8).
///
/// The intake thread takes room before it polls; the pipeline gives it back when a record is opened.
#[derive(Debug)]
pub struct Gate {
    room: AtomicUsize,
    closed: AtomicBool,
}

impl Gate {
    /// `room`: how many delivered records may wait unopened.
    pub fn new(room: usize) -> Self {
        Self { room: AtomicUsize::new(room), closed: AtomicBool::new(false) }
    }

    /// How many records may be polled now.
    pub fn room(&self) -> usize {
        if self.closed.load(Ordering::Acquire) { 0 } else { self.room.load(Ordering::Acquire) }
    }

    /// Intake thread only, at most what `room` said: it is the only one that takes.
    pub fn take(&self, records: usize) {
        self.room.fetch_sub(records, Ordering::AcqRel);
    }

    pub fn give(&self, records: usize) {
        self.room.fetch_add(records, Ordering::AcqRel);
    }

    /// A closed partition is not read at all, however much room it has.
    pub fn set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Release);
    }
}

/// The next offset to read of a partition, by whom, and what is settled above it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitPoint {
    pub partition: Partition,
    pub epoch: Epoch,
    pub offset: i64,
    /// A [`crate::domain::metadata::Metadata`], at most 4096 bytes; empty when there is nothing to say.
    pub metadata: String,
}

/// Where offsets are committed: latest wins, nobody waits.
pub trait OffsetSink: Send + Sync + 'static {
    fn commit(&self, points: Vec<CommitPoint>);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each method is one atomic step, `room` two: a record given between its two looks is seen or not, as if it had come
    /// before or after. So every order of the two threads is an order of whole methods, and all of them are played.
    #[test]
    fn in_every_order_of_its_two_threads_a_gate_holds_its_room() {
        const ROOM: usize = 2;
        const STEPS: u32 = 14;
        for order in (0_u32..1 << STEPS).filter(|order| order.count_ones() == STEPS / 2) {
            let gate = Gate::new(ROOM);
            let (mut seen, mut waiting, mut turn) = (None, 0, 0);
            for step in 0..STEPS {
                if order & (1 << step) != 0 {
                    match seen.take() {
                        None => seen = Some(gate.room()),
                        Some(room) => {
                            gate.take(room);
                            waiting += room;
                        }
                    }
                } else {
                    turn += 1;
                    match turn {
                        2 => gate.set_closed(true),
                        4 => gate.set_closed(false),
                        _ if waiting > 0 => {
                            gate.give(1);
                            waiting -= 1;
                        }
                        _ => {}
                    }
                }
                assert!(waiting <= ROOM, "{waiting} records wait unopened");
                let open = if (2..4).contains(&turn) { 0 } else { ROOM - waiting };
                assert_eq!(gate.room(), open, "in order {order:b}");
            }
        }
    }

    #[test]
    fn a_key_that_could_make_a_record_too_large_stays_behind() {
        let key = vec![b'k'; Delivery::LONGEST_KEY + 1];
        assert_eq!(Delivery::key_of(Some(&key)), None);
        assert_eq!(Delivery::key_of(Some(&key[1..])).as_deref(), Some(&key[1..]));
        assert_eq!(Delivery::key_of(None), None);
    }
}
