use proptest::prelude::*;

use super::*;
use crate::domain::ids::InputTopic;

fn partition(number: i32) -> Partition {
    Partition { topic: InputTopic::Request, number }
}

fn point(number: i32, epoch: u64, offset: i64) -> CommitPoint {
    CommitPoint { partition: partition(number), epoch: Epoch(epoch), offset, metadata: String::new() }
}

fn fenced() -> CommitFailure {
    CommitFailure::of(KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration))
}

fn passing() -> CommitFailure {
    CommitFailure::of(KafkaError::ConsumerCommit(RDKafkaErrorCode::WaitingForCoordinator))
}

#[test]
fn every_failure_has_its_meaning() {
    use RDKafkaErrorCode as Code;
    for code in [Code::UnknownMemberId, Code::IllegalGeneration, Code::FencedInstanceId, Code::FencedMemberEpoch] {
        assert!(matches!(CommitFailure::of(KafkaError::ConsumerCommit(code)), CommitFailure::Fenced(_)), "{code}");
    }
    let too_large = KafkaError::ConsumerCommit(Code::OffsetMetadataTooLarge);
    assert!(matches!(CommitFailure::of(too_large), CommitFailure::MetadataTooLarge(_)));
    for code in [Code::WaitingForCoordinator, Code::StaleMemberEpoch, Code::RebalanceInProgress, Code::AllBrokersDown] {
        assert!(matches!(CommitFailure::of(KafkaError::ConsumerCommit(code)), CommitFailure::Passing(_)), "{code}");
    }
}

#[test]
fn the_latest_point_wins_and_no_offset_goes_back() {
    let mut mailbox = Mailbox::default();
    for offset in [5, 9, 7] {
        mailbox.put(point(0, 1, offset));
    }
    let taken = mailbox.take(1, |_| Some(Epoch(1)));
    assert_eq!(taken, vec![point(0, 1, 9)]);
    mailbox.succeeded(taken);
    mailbox.put(point(0, 1, 8));
    mailbox.put(point(0, 1, 9));
    assert!(!mailbox.has_pending(), "lower, or known already");
    mailbox.put(CommitPoint { metadata: "map".to_owned(), ..point(0, 1, 9) });
    assert_eq!(mailbox.take(1, |_| Some(Epoch(1))).len(), 1, "the map above a frontier that stands still");
    mailbox.put(point(0, 2, 3));
    assert_eq!(mailbox.take(2, |_| Some(Epoch(2))), vec![point(0, 2, 3)], "a rewound partition has a new epoch");
}

/// `a_stale_owner_is_harmless`.
#[test]
fn a_point_of_a_former_epoch_is_never_sent() {
    let mut mailbox = Mailbox::default();
    mailbox.put(point(0, 1, 5));
    mailbox.put(point(1, 1, 6));
    mailbox.put(point(2, 2, 7));
    let now = |asked: Partition| [None, Some(Epoch(3)), Some(Epoch(2))][usize::try_from(asked.number).unwrap()];
    assert_eq!(mailbox.take(1, now), vec![point(2, 2, 7)]);
    assert_eq!(mailbox.dropped(), 2);
    assert!(!mailbox.has_pending());
}

#[test]
fn after_a_fenced_commit_nothing_is_sent_until_the_group_has_spoken() {
    let mut mailbox = Mailbox::default();
    mailbox.put(point(0, 1, 5));
    mailbox.put(point(1, 2, 5));
    let taken = mailbox.take(4, |asked| Some(Epoch(if asked.number == 0 { 1 } else { 2 })));
    mailbox.failed(taken, &fenced(), 4);
    mailbox.put(point(0, 1, 6));
    assert_eq!(mailbox.take(4, |_| Some(Epoch(1))), vec![], "still in doubt, newer points too");
    assert!(mailbox.was_fenced_since(4) && !mailbox.was_fenced_since(5));
    assert_eq!(mailbox.take(5, |_| Some(Epoch(1))), vec![point(0, 1, 6)], "kept by the group; the other is gone");
    assert_eq!(mailbox.dropped(), 1);
}

#[test]
fn a_failure_that_passes_keeps_the_latest_points() {
    let mut mailbox = Mailbox::default();
    mailbox.put(point(0, 1, 5));
    mailbox.put(point(1, 1, 5));
    let taken = mailbox.take(1, |_| Some(Epoch(1)));
    mailbox.put(point(0, 1, 8));
    mailbox.failed(taken, &passing(), 1);
    assert_eq!(mailbox.take(1, |_| Some(Epoch(1))), vec![point(0, 1, 8), point(1, 1, 5)]);
}

#[test]
fn metadata_that_cannot_be_kept_is_left_out() {
    let mut mailbox = Mailbox::default();
    mailbox.put(CommitPoint { metadata: "x".repeat(MAX_METADATA + 1), ..point(0, 1, 5) });
    mailbox.put(CommitPoint { metadata: "x".repeat(MAX_METADATA), ..point(1, 1, 5) });
    let taken = mailbox.take(1, |_| Some(Epoch(1)));
    assert_eq!(taken.iter().map(|point| point.metadata.len()).collect::<Vec<_>>(), vec![0, MAX_METADATA]);
    let too_large = CommitFailure::of(KafkaError::ConsumerCommit(RDKafkaErrorCode::OffsetMetadataTooLarge));
    mailbox.failed(taken, &too_large, 1);
    assert_eq!(mailbox.take(1, |_| Some(Epoch(1))), vec![point(0, 1, 5), point(1, 1, 5)]);
}

#[test]
fn what_another_member_has_overtaken_is_forgotten() {
    let mut mailbox = Mailbox::default();
    mailbox.put(point(0, 1, 5));
    mailbox.put(point(1, 1, 5));
    mailbox.put(point(2, 1, 5));
    assert_eq!(mailbox.drop_overtaken(&BTreeMap::from([(partition(0), 6), (partition(1), 5)])), 1);
    assert_eq!(mailbox.take(1, |_| Some(Epoch(1))), vec![point(1, 1, 5), point(2, 1, 5)]);
}

proptest! {
    #[test]
    fn within_an_epoch_sent_offsets_never_go_back(
        steps in prop::collection::vec((0..2_i32, 1..4_u64, 0..20_i64, 0..4_u8), 1..200)
    ) {
        let mut mailbox = Mailbox::default();
        let mut epoch = Epoch(1);
        let mut changes = 0;
        let mut last = BTreeMap::new();
        for (number, point_epoch, offset, what) in steps {
            // No point comes from an epoch that has not begun.
            mailbox.put(point(number, point_epoch.min(epoch.0), offset));
            if what == 3 && epoch < Epoch(3) {
                epoch = Epoch(epoch.0 + 1);
                changes += 1;
                last.clear();
            }
            let taken = mailbox.take(changes, |_| Some(epoch));
            for point in &taken {
                prop_assert_eq!(point.epoch, epoch);
                let before = last.insert(point.partition, point.offset);
                prop_assert!(before.is_none_or(|before| before <= point.offset));
            }
            match what {
                0 | 3 => mailbox.succeeded(taken),
                1 => mailbox.failed(taken, &passing(), changes),
                _ => mailbox.failed(taken, &fenced(), changes),
            }
        }
    }
}
