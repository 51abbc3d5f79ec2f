//! What is told: the records of an outcome, made of what the engine knows.

use super::engine::{Engine, Now};
use super::intake::{OpenEvent, RejectedRecord};
use super::item::{Branch, Item};
use crate::domain::event::{Subjects, Why};
use crate::domain::join::{PurgeEnd, failed_record_due, follow_up, waits_again};
use crate::domain::outcome::{Access, Ending};
use crate::domain::record::OutputRecord;
use crate::domain::replay::ReplayId;
use crate::domain::report::delay::follow_up_record;
use crate::domain::report::failed::{fail_info, failed_record, rejected_record};
use crate::domain::report::status::{Told, status_record};
use crate::domain::report::summary::{RangeTold, range_record};
use crate::domain::report::{Source, Writer, status_id};
use crate::settings::PurgeMode;

impl Engine {
    fn writer<'a>(&'a self, event: &'a OpenEvent, now: Now) -> Writer<'a> {
        let dry_run = self.rules.purge_mode == PurgeMode::DryRun;
        let replay_id = event.replay.as_ref().map(ReplayId::as_str);
        Writer { env: &self.rules.env, now: now.wall, dry_run, replay_id }
    }

    fn source<'a>(&'a self, event: &'a OpenEvent) -> Source<'a> {
        Source {
            topic: self.rules.topic_names.get(&event.partition.topic).map_or("", String::as_str),
            partition: event.partition.number,
            offset: event.offset,
            key: event.key.as_deref(),
        }
    }

    /// A status, but to wait is told once; a failed record and follow-ups where they are due.
    pub(super) fn item_records(
        &self,
        item: &Item,
        event: &OpenEvent,
        (ending, follow_ups): (Ending, &[Why]),
        now: Now,
    ) -> Vec<OutputRecord> {
        let (writer, source) = (self.writer(event, now), self.source(event));
        let told = Told {
            user: &item.user,
            ending,
            access: access(item.purge, item.access_ended, writer.dry_run),
            stages: &item.reports,
            root_org_id: item.root_org_id.as_deref(),
            duration: now.at.duration_since(item.started),
        };
        let mut records = Vec::new();
        if !waits_again(ending, item.follow_up.as_ref()) {
            records.push(status_record(&writer, &source, &event.event, &told));
        }
        if failed_record_due(ending, writer.dry_run) {
            let info = fail_info(ending, &item.reports);
            records.push(failed_record(&source, &event.event, std::slice::from_ref(&item.user), &info));
        }
        for why in follow_ups {
            let of = status_id(&writer, &source, item.user.as_str());
            let next = follow_up(*why, item.follow_up.as_ref(), ending, of);
            records.push(follow_up_record(&writer, &event.event, &item.user, &next));
        }
        records
    }

    /// Position, size and hash; in a dry run nothing, since that writes statuses only.
    pub(super) fn rejection_records(&self, record: &RejectedRecord) -> Vec<OutputRecord> {
        if self.rules.purge_mode == PurgeMode::DryRun {
            return Vec::new();
        }
        let source = Source {
            topic: self.rules.topic_names.get(&record.partition.topic).map_or("", String::as_str),
            partition: record.partition.number,
            offset: record.offset,
            key: record.key.as_deref(),
        };
        vec![rejected_record(&source, &record.rejection)]
    }

    /// The summary of a token range; with an ending where the range ended as a whole.
    pub(super) fn range_records(&self, event: &OpenEvent, ending: Option<Ending>, now: Now) -> Vec<OutputRecord> {
        let Subjects::Range(range) = event.event.subjects else { return Vec::new() };
        let (writer, source) = (self.writer(event, now), self.source(event));
        let rows = ending.is_none().then(|| event.tally.values().sum());
        let counts = event.tally.iter().map(|(status, count)| (*status, *count)).collect();
        let mut records =
            vec![range_record(&writer, &source, &event.event, &RangeTold { range, rows, counts, ending })];
        if let Some(ending) = ending
            && failed_record_due(ending, writer.dry_run)
        {
            let info = fail_info(ending, &super::item::nothing_done());
            records.push(failed_record(&source, &event.event, &[], &info));
        }
        records
    }
}

fn access(purge: Branch<PurgeEnd>, access_ended: bool, dry_run: bool) -> Access {
    match purge {
        Branch::Ended(PurgeEnd::Clean { .. }) if dry_run => Access::Unchanged,
        Branch::Ended(PurgeEnd::Clean { .. }) if access_ended => Access::Ended,
        Branch::Ended(PurgeEnd::Clean { .. }) => Access::UntilRestart,
        Branch::Ended(_) | Branch::Due => Access::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_ends() {
        let clean = Branch::Ended(PurgeEnd::Clean { rows_total: 0, residue: 0 });
        assert_eq!(access(clean, true, false), Access::Ended);
        assert_eq!(access(clean, false, false), Access::UntilRestart, "nobody has ended it");
        assert_eq!(access(clean, true, true), Access::Unchanged, "a dry run ends nothing");
        for kept in [PurgeEnd::Protected, PurgeEnd::CredentialsNotMoved, PurgeEnd::Failed, PurgeEnd::Waiting] {
            assert_eq!(access(Branch::Ended(kept), true, false), Access::Unchanged, "{kept:?}");
        }
    }
}
