//! Gates: when a partition is not read.

use super::engine::Engine;
use crate::domain::ids::Partition;

/// Delivered offsets above the frontier of one partition. The offset map of `design.md` 7 will have to fit what is
/// settled among them.
const WINDOW: usize = 20_000;

impl Engine {
    pub(super) fn mind_gate(&self, partition: Partition) {
        if let Some(state) = self.partitions.get(&partition) {
            let full = state.parked >= self.rules.parked || state.ledger.window() >= WINDOW;
            state.gate.set_closed(full || state.rejects.is_held() || state.revocation.is_some());
        }
    }
}
