//! Gates: when a partition is not read.

use super::engine::Engine;
use crate::domain::ids::Partition;
use crate::domain::offset_map::SPAN;

impl Engine {
    pub(super) fn mind_gate(&self, partition: Partition) {
        if let Some(state) = self.partitions.get(&partition) {
            // Further ahead no offset map could say what is settled.
            let full = state.parked >= self.rules.parked || state.ledger.span() >= SPAN;
            state.gate.set_closed(full || state.rejects.is_held() || state.revocation.is_some());
        }
    }
}
