//! The input side of Kafka as the pipeline sees it: what arrives, how it is held back, what is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::domain::event::Decoded;
use crate::domain::ids::{Epoch, Partition};

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
    /// The source record's key, for a failed record; none where it is too long to be one of ours.
    pub key: Option<Vec<u8>>,
    pub decoded: Decoded,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPoint {
    pub partition: Partition,
    pub epoch: Epoch,
    pub offset: i64,
    /// At most 4096 bytes; empty until the offset map of `design.md` 7 is written here.
    pub metadata: String,
}

/// Where offsets are committed: latest wins, nobody waits.
pub trait OffsetSink: Send + Sync + 'static {
    fn commit(&self, points: Vec<CommitPoint>);
}
