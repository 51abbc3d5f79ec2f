//! An operator sets a partition back: with a tool of Kafka's between two processes, or by `replay` under a running one.

use std::time::Duration;

use tokio::sync::oneshot;
use user_purge_sync::domain::ids::Partition;
use user_purge_sync::domain::metadata::Metadata;
use user_purge_sync::domain::record::{OutputRecord, OutputTopic};
use user_purge_sync::domain::replay::{ReplayId, ReplayMark};
use user_purge_sync::ports::log::Arrival;

use super::Play;
use super::answers::source;

impl Play {
    /// The partition leaves and comes back, as in a rebalance.
    pub(super) fn revoke(&mut self, partition: Partition) {
        let (answer, mut answered) = oneshot::channel();
        let partitions = vec![(partition, self.epochs[&partition])];
        self.engine.arrive(Arrival::Revoking { partitions, answer }, self.now);
        self.turn();
        self.wait(Duration::from_secs(3));
        let points = answered.try_recv().expect("a revocation is answered by its deadline");
        self.check_commit(points);
    }

    pub(super) fn rewind(&mut self, partition: Partition) {
        // Whether the tool keeps the metadata or not: what it says belongs to its own offset.
        let (offset, metadata) = self.committed.remove(&partition).unwrap();
        self.committed.insert(partition, (0, if offset > 0 { metadata } else { String::new() }));
        self.replays.remove(&partition);
        self.told.retain(|(told, _), _| *told != partition);
        self.crash();
    }

    /// The owner lets go of the partition, commits elsewhere and takes it on again, half as far as it was.
    pub(super) fn replay(&mut self, partition: Partition) {
        self.revoke(partition);
        let new = self.committed[&partition].0 / 2;
        let id = ReplayId::parse(&format!("r{}", self.next_epoch)).unwrap();
        self.replays.remove(&partition);
        let replay = ReplayMark::of(id, new, self.delivered[&partition]);
        self.replays.extend(replay.clone().map(|mark| (partition, mark)));
        self.committed.insert(partition, (new, Metadata { settled: None, replay }.encode(new)));
        self.told.retain(|(told, offset), _| *told != partition || *offset < new);
        self.assign(partition);
    }

    /// What a replay tells again carries its name, whoever tells it; what comes after does not.
    pub(super) fn check_mark(&self, record: &OutputRecord) {
        if record.topic != OutputTopic::Status {
            return;
        }
        let Some((partition, offset)) = source(record) else { return };
        let mark = self.replays.get(&partition).filter(|mark| offset < mark.until);
        let value: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
        let told = value["edata"]["replayId"].as_str();
        assert_eq!(told, mark.map(|mark| mark.id.as_str()), "a replay's statuses are marked: {partition:?} {offset}");
    }
}
