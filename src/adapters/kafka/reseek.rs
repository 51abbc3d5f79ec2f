//! A partition that is set back while the worker runs: to the pipeline as if it went to another member and came back,
//! so that nothing but this thread knows of it. The other partitions go on.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::consumer::IntakeError;
use super::lane::Lane;
use super::offsets::{Flush, Flushed};
use super::poller::Poller;
use super::position::Position;
use super::rebalance::IntakeContext;
use crate::domain::control::Skips;
use crate::domain::ids::{Epoch, Partition};
use crate::domain::metadata::Metadata;
use crate::domain::replay::{ReplayId, ReplayMark};
use crate::ports::log::{Arrival, Assignment, CommitPoint, Gate};

/// A seek is between librdkafka's threads; without an answer of theirs nobody knows what is read next.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug)]
pub struct ReseekRequest {
    pub id: ReplayId,
    pub partition: Partition,
    pub to: i64,
    pub skips: Skips,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reseeked {
    /// Another member's business.
    NotOurs,
    /// `old` was committed before, `new` is now. `moved`: another member has the partition by now, and does it.
    Done {
        old: i64,
        new: i64,
        moved: bool,
    },
    Refused(String),
    Cancelled(&'static str),
}

/// Takes requests from anybody; the intake thread works on one at a time.
#[derive(Debug, Clone)]
pub struct Reseeks(pub(super) Arc<IntakeContext>);

impl Reseeks {
    /// Waits for as long as it takes: a drain and a commit.
    pub async fn ask(&self, request: ReseekRequest) -> Reseeked {
        let (answer, answered) = oneshot::channel();
        self.0.ask(request, answer);
        answered.await.unwrap_or(Reseeked::Cancelled("the worker stops"))
    }
}

pub(super) type Asked = (ReseekRequest, oneshot::Sender<Reseeked>);

/// One under way.
pub(super) struct Reseek {
    asked: Asked,
    /// `None` when the partition has gone meanwhile. Kept whole: its queue stays split.
    lane: Option<Lane>,
    step: Step,
}

enum Step {
    Draining(oneshot::Receiver<Vec<CommitPoint>>),
    /// Where it stood, to go back to.
    Committing(Flush, Standing, ReplayMarkDue),
}

type ReplayMarkDue = Option<ReplayMark>;

/// Where the epoch before ended.
struct Standing {
    offset: i64,
    said: Metadata,
}

impl Poller {
    /// Begins what is asked for, and goes on with what has begun.
    pub(super) fn advance_reseek(&mut self) -> Result<(), IntakeError> {
        let Some(Reseek { asked, lane, step }) = self.reseek.take() else {
            self.begin_reseek();
            return Ok(());
        };
        match step {
            Step::Draining(mut answer) => match (answer.try_recv(), lane) {
                (Ok(points), Some(lane)) => self.drained(asked, lane, points),
                (Err(TryRecvError::Empty), lane) => {
                    self.reseek = Some(Reseek { asked, lane, step: Step::Draining(answer) });
                    Ok(())
                }
                // The pipeline is gone, and so is the process soon; without a lane it was cancelled before.
                (Err(TryRecvError::Closed), _) | (Ok(_), None) => Ok(()),
            },
            Step::Committing(mut flush, standing, mark) => match flush.outcome() {
                None => {
                    self.reseek = Some(Reseek { asked, lane, step: Step::Committing(flush, standing, mark) });
                    Ok(())
                }
                Some(outcome) => self.committed(asked, lane, outcome, (standing, mark)),
            },
        }
    }

    fn begin_reseek(&mut self) {
        let Some((request, answer)) = self.context().next_asked() else { return };
        let place = self.lanes.iter().position(|lane| lane.partition == request.partition);
        let refusal = match place {
            None => Some(Reseeked::NotOurs),
            Some(_) if self.handover.is_some() => Some(Reseeked::Refused("the group is rebalancing".to_owned())),
            Some(place) if self.lanes[place].position.next().is_none() => {
                Some(Reseeked::Refused("nothing of it has been read yet".to_owned()))
            }
            Some(_) => None,
        };
        let (Some(place), None) = (place, &refusal) else {
            tell(answer, refusal.unwrap_or(Reseeked::NotOurs));
            return;
        };
        let lane = self.lanes.remove(place);
        self.turn = 0;
        let partitions = vec![(lane.partition, lane.epoch)];
        self.parts.outbox.forget(&partitions);
        let (points, drained) = oneshot::channel();
        self.parts.outbox.push(Arrival::Revoking { partitions, answer: points });
        let (topic, number) = (lane.partition.topic.label(), lane.partition.number);
        tracing::info!(topic, partition = number, replay = %request.id, to = request.to, "asked to read again: draining");
        self.reseek = Some(Reseek { asked: (request, answer), lane: Some(lane), step: Step::Draining(drained) });
    }

    fn drained(&mut self, asked: Asked, lane: Lane, points: Vec<CommitPoint>) -> Result<(), IntakeError> {
        let (mut request, answer) = asked;
        let point = points.into_iter().find(|point| point.partition == lane.partition);
        let read = lane.position.next().unwrap_or_default();
        let standing = match &point {
            Some(point) => Standing { offset: point.offset, said: Metadata::decode(&point.metadata, point.offset) },
            // Nothing was delivered: it stands where it began.
            None => Standing { offset: read, said: Metadata::default() },
        };
        // Order: a new epoch first, so that no point of the old one is committed over it.
        let epoch = self.context().ownership.begin(lane.partition);
        if request.skips == Skips::Clamped {
            request.to = request.to.min(standing.offset);
        }
        if request.to > standing.offset && request.skips == Skips::Refused {
            let skipped = request.to - standing.offset;
            let why = format!("{skipped} offsets would be skipped: it stands at {}", standing.offset);
            self.resume(lane, epoch, standing.offset, standing.said)?;
            tell(answer, Reseeked::Refused(why));
            return Ok(());
        }
        // A replay that was not over yet is part of this one.
        let before = standing.said.replay.as_ref().map_or(read, |mark| mark.until.max(read));
        let mark = ReplayMark::of(request.id.clone(), request.to, before);
        let metadata = Metadata { settled: None, replay: mark.clone() }.encode(request.to);
        let point = CommitPoint { partition: lane.partition, epoch, offset: request.to, metadata };
        let step = Step::Committing(self.parts.committer.flush(vec![point]), standing, mark);
        self.reseek = Some(Reseek { asked: (request, answer), lane: Some(lane), step });
        Ok(())
    }

    fn committed(
        &mut self,
        (request, answer): Asked,
        lane: Option<Lane>,
        outcome: Flushed,
        (standing, replay): (Standing, ReplayMarkDue),
    ) -> Result<(), IntakeError> {
        let (old, is_done, moved) = (standing.offset, outcome == Flushed::Committed, lane.is_none());
        if let Some(lane) = lane {
            // Order: committed before it is read again, so that a crash in between does it, too.
            if is_done {
                let epoch = self.context().ownership.epoch(lane.partition);
                let said = Metadata { settled: None, replay };
                self.resume(lane, epoch.unwrap_or(Epoch(0)), request.to, said)?;
            } else {
                // A commit that may still be on its way belongs to an epoch that is over.
                let epoch = self.context().ownership.begin(lane.partition);
                self.resume(lane, epoch, old, standing.said)?;
            }
        }
        let reseeked = match (is_done, moved) {
            (true, moved) => Reseeked::Done { old, new: request.to, moved },
            (false, true) => Reseeked::Cancelled(REBALANCED),
            (false, false) => Reseeked::Cancelled("kafka did not commit the new offset"),
        };
        tell(answer, reseeked);
        Ok(())
    }

    /// Ours again, in a new epoch, from there on.
    fn resume(&mut self, lane: Lane, epoch: Epoch, at: i64, said: Metadata) -> Result<(), IntakeError> {
        let Lane { partition, queue, .. } = lane;
        let name = self.context().topics.name(partition.topic).to_owned();
        self.parts.consumer.seek(&name, partition.number, Offset::Offset(at), SEEK_LIMIT).map_err(IntakeError::Seek)?;
        let gate = Arc::new(Gate::new(self.parts.room));
        let Metadata { settled, replay } = said;
        let assignment = Assignment { partition, epoch, settled, replay, gate: Arc::clone(&gate) };
        self.parts.outbox.push(Arrival::Assigned(vec![assignment]));
        self.lanes.push(Lane { partition, epoch, gate, queue, position: Position::committed(Some(at)) });
        Ok(())
    }

    /// The group takes partitions away: what was asked for one of them ends here.
    pub(super) fn cancel_reseek(&mut self, gone: &[(Partition, Epoch)]) {
        let is_meant = |reseek: &mut Reseek| gone.iter().any(|(partition, _)| reseek.asked.0.partition == *partition);
        if let Some(Reseek { asked, step, .. }) = self.reseek.take_if(is_meant) {
            match step {
                Step::Draining(_) => tell(asked.1, Reseeked::Cancelled(REBALANCED)),
                // The commit is on its way; only its answer says whether the next owner reads again.
                Step::Committing(..) => self.reseek = Some(Reseek { asked, lane: None, step }),
            }
        }
    }
}

const REBALANCED: &str = "the group rebalanced meanwhile, the partition went to another member";

fn tell(answer: oneshot::Sender<Reseeked>, reseeked: Reseeked) {
    // Whoever asked may have stopped waiting.
    answer.send(reseeked).ok();
}
