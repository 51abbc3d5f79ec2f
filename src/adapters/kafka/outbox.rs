//! The hand-over to the pipeline: bounded, in order, and never a reason to stop polling.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::domain::ids::{Epoch, Partition};
use crate::ports::log::Arrival;

/// Holds back what the pipeline has no room for yet. Whoever fills it stops reading records while it is not empty, so it
/// holds one batch and what rebalances say.
#[derive(Debug)]
pub(super) struct Outbox {
    pipeline: mpsc::Sender<Arrival>,
    held: VecDeque<Arrival>,
}

impl Outbox {
    pub(super) fn new(pipeline: mpsc::Sender<Arrival>) -> Self {
        Self { pipeline, held: VecDeque::new() }
    }

    /// Hands over what there is room for; `false` while something is left, or when the pipeline is gone.
    pub(super) fn hand_over(&mut self) -> bool {
        while let Some(arrival) = self.held.pop_front() {
            if let Err(TrySendError::Full(arrival) | TrySendError::Closed(arrival)) = self.pipeline.try_send(arrival) {
                self.held.push_front(arrival);
                return false;
            }
        }
        !self.pipeline.is_closed()
    }

    pub(super) fn push(&mut self, arrival: Arrival) {
        self.held.push_back(arrival);
        self.hand_over();
    }

    /// Records of these epochs that were not handed over are not delivered: their next owner reads them.
    pub(super) fn forget(&mut self, gone: &[(Partition, Epoch)]) {
        self.held.retain(|arrival| match arrival {
            Arrival::Records { partition, epoch, .. } => !gone.contains(&(*partition, *epoch)),
            Arrival::Assigned(_) | Arrival::Revoking { .. } | Arrival::Lost { .. } => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::InputTopic;

    const PARTITION: Partition = Partition { topic: InputTopic::Delete, number: 0 };

    fn records(epoch: u64) -> Arrival {
        Arrival::Records { partition: PARTITION, epoch: Epoch(epoch), records: Vec::new() }
    }

    fn epoch(arrival: Option<Arrival>) -> u64 {
        match arrival {
            Some(Arrival::Records { epoch, .. }) => epoch.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_pipeline_gets_everything_later_in_order_and_nothing_of_a_lost_epoch() {
        let (pipeline, mut arrivals) = mpsc::channel(1);
        let mut outbox = Outbox::new(pipeline);
        for number in 1..=4 {
            outbox.push(records(number));
        }
        assert!(!outbox.hand_over());
        outbox.forget(&[(PARTITION, Epoch(3))]);
        for expected in [1, 2, 4] {
            assert_eq!(epoch(arrivals.try_recv().ok()), expected);
            outbox.hand_over();
        }
        assert!(outbox.hand_over());
        drop(arrivals);
        assert!(!outbox.hand_over(), "nothing more is read for a pipeline that is gone");
    }

    proptest! {
        #[test]
        fn what_is_handed_over_is_whole_and_in_order(
            room in 1..4_usize,
            steps in proptest::collection::vec((0..4_u8, any::<proptest::sample::Index>()), 0..80),
        ) {
            let (pipeline, mut arrivals) = mpsc::channel(room);
            let mut outbox = Outbox::new(pipeline);
            // What is under way, and what still waits in the outbox.
            let (mut channel, mut held) = (VecDeque::new(), VecDeque::new());
            for (number, (step, which)) in (0..).zip(steps) {
                match step {
                    0 | 1 => {
                        outbox.push(records(number));
                        held.push_back(number);
                    }
                    2 => {
                        let arrived = arrivals.try_recv().ok().map(|arrival| epoch(Some(arrival)));
                        prop_assert_eq!(arrived, channel.pop_front());
                        outbox.hand_over();
                    }
                    _ if !held.is_empty() => {
                        let gone = held.remove(which.index(held.len())).unwrap();
                        outbox.forget(&[(PARTITION, Epoch(gone))]);
                    }
                    _ => {}
                }
                while channel.len() < room && !held.is_empty() {
                    channel.extend(held.pop_front());
                }
                prop_assert_eq!(outbox.hand_over(), held.is_empty());
            }
        }
    }
}
