//! A member of a group that a test drives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use user_purge_sync::adapters::kafka::Intake;
use user_purge_sync::domain::ids::{Epoch, Partition};
use user_purge_sync::ports::log::{Arrival, Assignment, CommitPoint};
use user_purge_sync::ports::pulse::Pulse;

use super::harness::{partition, text};
use crate::scene::PATIENCE;

pub type Revoking = (Vec<(Partition, Epoch)>, oneshot::Sender<Vec<CommitPoint>>);

/// What a pipeline would be: takes arrivals, gives room back at once, and checks what always holds.
pub struct Member {
    pub intake: Intake,
    pub pulse: Arc<Pulse>,
    pub arrivals: mpsc::Receiver<Arrival>,
    pub owned: BTreeMap<Partition, Assignment>,
    /// The next offset that must come, per partition.
    pub read: BTreeMap<Partition, i64>,
    /// The first offset that came in the present epoch.
    pub first: BTreeMap<Partition, i64>,
    pub revoking: Option<Revoking>,
    pub lost: Vec<(Partition, Epoch)>,
    /// Gives no room back.
    pub withhold: bool,
}

impl Member {
    /// Takes arrivals until it is so.
    pub async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "never: {what}; read {:?}, owned {:?}", self.read, self.owned.keys());
            self.take_one(Duration::from_millis(10)).await;
        }
    }

    /// Takes arrivals for so long, and it stays so.
    pub async fn stays(&mut self, limit: Duration, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            self.take_one(Duration::from_millis(10)).await;
            assert!(is_so(self), "no longer: {what}");
        }
    }

    pub async fn until_owns(&mut self, partitions: usize) {
        self.until("it owns its partitions", |member| member.owned.len() == partitions).await;
    }

    pub fn epoch(&self, number: i32) -> Epoch {
        self.owned[&partition(number)].epoch
    }

    pub fn point(&self, number: i32, offset: i64) -> CommitPoint {
        CommitPoint { partition: partition(number), epoch: self.epoch(number), offset, metadata: String::new() }
    }

    async fn take_one(&mut self, limit: Duration) {
        if let Ok(arrival) = tokio::time::timeout(limit, self.arrivals.recv()).await {
            self.take(arrival.expect("the intake has ended"));
        }
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Assigned(assignments) => {
                for assignment in assignments {
                    self.read.remove(&assignment.partition);
                    self.first.remove(&assignment.partition);
                    let before = self.owned.insert(assignment.partition, assignment);
                    assert!(before.is_none(), "assigned twice");
                }
            }
            Arrival::Records { partition, epoch, records } => {
                let owned = &self.owned[&partition];
                assert_eq!(owned.epoch, epoch, "records of an epoch that is over");
                for record in &records {
                    self.first.entry(partition).or_insert(record.offset);
                    let next = self.read.entry(partition).or_insert(record.offset);
                    assert_eq!(
                        (record.offset, text(record)),
                        (*next, record.offset.to_string().as_str()),
                        "out of order"
                    );
                    *next += 1;
                }
                if !self.withhold {
                    owned.gate.give(records.len());
                }
            }
            Arrival::Revoking { partitions, answer } => {
                for (partition, _) in &partitions {
                    self.owned.remove(partition);
                }
                self.revoking = Some((partitions, answer));
            }
            Arrival::Lost { partitions } => {
                for (partition, _) in &partitions {
                    self.owned.remove(partition);
                }
                self.lost.extend(partitions);
            }
        }
    }
}
