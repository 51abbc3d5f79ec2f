//! The way of one item through the stages: lookup, then its branches side by side, then its outcome.

use super::engine::{Effect, Engine, Now, StageName};
use super::item::{Branch, Item, ItemKey, Phase};
use super::stage::{CallId, Ended, Stage, Work};
use crate::domain::event::Why;
use crate::domain::ids::{ObjectType, UserId};
use crate::domain::join::{Branches, PurgeEnd, SyncEnd, join};
use crate::domain::outcome::{Ending, Reason, StageReport, StageStatus};
use crate::domain::verdict::{Decision, PurgeKind, UserRow, Verdict, decide};
use crate::ports::{CallResult, Failure, PurgeOrder, Purged, Synced};
use crate::settings::PurgeMode;

impl Engine {
    /// The item is first in its line.
    pub(super) fn start_lookup(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        let waited = item.phase == Phase::InLine;
        item.phase = Phase::Lookup;
        let (class, group, event) = (item.class, item.object_type.clone(), item.event);
        self.lookup.enter(key, (class, group), now.at, now.at);
        if waited {
            self.left_line(event);
        }
    }

    pub(super) fn call_stages(&mut self, now: Now) {
        let mut none = Vec::new();
        // Order: first, since what is too old for it is looked up again at once.
        self.call_purge(now);
        while let Some(work) = self.lookup.next(now.at, &|_| true, &mut none) {
            match work {
                Work::Probe => self.effects.push(Effect::Probe(StageName::Lookup)),
                Work::Call(call, items) => self.push_call(call, &items, Effect::Lookup),
            }
        }
        while let Some(work) = self.sync.next(now.at, &|_| true, &mut none) {
            match work {
                Work::Probe => self.probe_sync(now),
                Work::Call(call, items) => self.push_call(call, &items, Effect::Sync),
            }
        }
        while let Some(work) = self.clear.next(now.at, &|_| true, &mut none) {
            self.effects.push(match work {
                Work::Probe => Effect::Probe(StageName::Clear),
                Work::Call(call, _) => Effect::Clear(call),
            });
        }
    }

    fn push_call(&mut self, call: CallId, items: &[ItemKey], effect: fn(CallId, ObjectType, Vec<UserId>) -> Effect) {
        let Some(group) = items.first().and_then(|key| self.items.get(key)).map(|item| item.object_type.clone()) else {
            return;
        };
        let users = items.iter().filter_map(|key| self.items.get(key)).map(|item| item.user.clone()).collect();
        self.effects.push(effect(call, group, users));
    }

    /// A purge takes only young verdicts; with the Admin API away it takes nothing, since access could not be ended.
    fn call_purge(&mut self, now: Now) {
        if !self.clear.breaker.is_closed() {
            return;
        }
        let max_age = self.rules.max_age;
        let (items, purge) = (&self.items, &mut self.purge);
        let young = |key: ItemKey| {
            let verdict = items.get(&key).and_then(|item| item.verdict);
            verdict.is_some_and(|verdict| now.at.duration_since(verdict.read_at) < max_age)
        };
        let mut aged = Vec::new();
        let mut calls = Vec::new();
        while let Some(work) = purge.next(now.at, &young, &mut aged) {
            calls.push(work);
        }
        for work in calls {
            match work {
                Work::Probe => self.effects.push(Effect::Probe(StageName::Purge)),
                Work::Call(call, items) => {
                    let order = |item: &Item| PurgeOrder {
                        user: item.user.clone(),
                        kind: item.purge_kind().unwrap_or(PurgeKind::Sweep),
                    };
                    let orders = items.iter().filter_map(|key| self.items.get(key)).map(order).collect();
                    self.effects.push(Effect::Purge(call, orders));
                }
            }
        }
        for key in aged {
            if let Some(item) = self.items.get(&key) {
                self.lookup.enter(key, (item.class, item.object_type.clone()), now.at, now.at);
            }
        }
    }

    pub(super) fn looked_up(&mut self, call: CallId, answer: CallResult<Option<UserRow>>, now: Now) {
        for ended in self.lookup.finish(call, answer, now.at) {
            self.look_ended(ended, now);
        }
    }

    pub(super) fn look_ended(&mut self, ended: Ended<Option<UserRow>>, now: Now) {
        let Some(item) = self.items.get_mut(&ended.item) else { return };
        item.reports.lookup = report(StageStatus::Ok, &ended);
        let decision = match ended.result {
            Ok(row) => {
                if let Some(row) = &row {
                    item.root_org_id.clone_from(&row.root_org_id);
                    item.managed_by.clone_from(&row.managed_by);
                }
                decide(item.action, item.follow_up.as_ref(), row.as_ref(), self.rules.guard)
            }
            Err(_) => Decision::End(Ending::failed(Reason::LookupFailed)),
        };
        // Age counts from the answer's arrival; a call is bounded by its timeout, far below the age allowed.
        item.verdict = Some(Verdict { read_at: now.at, decision });
        if item.abandoned {
            self.drop_item(ended.item, now);
            return;
        }
        if item.phase == Phase::Lookup { self.branch(ended.item, now) } else { self.decide_again(ended.item, now) }
    }

    /// The item enters the branches that its verdict names.
    fn branch(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        item.phase = Phase::Branches;
        if let Some(Decision::Work { sync, purge }) = item.verdict.map(|verdict| verdict.decision) {
            let dry = self.rules.purge_mode == PurgeMode::DryRun;
            if sync && dry {
                item.sync = Branch::Ended(SyncEnd::Disabled);
                item.reports.sync = StageReport::of(StageStatus::Disabled);
            } else if sync {
                item.sync = Branch::Due;
                let not_before = item.sync_not_before.max(now.at);
                self.sync.enter(key, (item.class, item.object_type.clone()), not_before, now.at);
            }
            if purge.is_some() && self.rules.purge_mode == PurgeMode::Off {
                item.purge = Branch::Ended(PurgeEnd::Disabled);
                item.reports.purge = StageReport::of(StageStatus::Disabled);
            } else if purge.is_some() {
                item.purge = Branch::Due;
                item.purge_since = Some(now.at);
                self.purge.enter(key, (item.class, ObjectType::user()), now.at, now.at);
            }
        }
        self.finish_if_done(key, now);
    }

    /// The purge's verdict was too old: the new one replaces it. What the sync has begun is awaited; what it has not,
    /// and the new verdict does not name, is not begun.
    fn decide_again(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        let work = match item.verdict.map(|verdict| verdict.decision) {
            Some(Decision::Work { sync, purge }) => (sync, purge.is_some()),
            Some(Decision::End(_)) | None => (false, false),
        };
        if work.1 {
            self.purge.enter(key, (item.class, ObjectType::user()), now.at, now.at);
        } else {
            item.purge = Branch::Ended(PurgeEnd::NotDue);
            item.reports.purge = StageReport::of(StageStatus::Skipped);
        }
        if !work.0 && item.sync == Branch::Due && self.sync.leave(key) {
            item.sync = Branch::Ended(SyncEnd::NotDue);
        }
        self.finish_if_done(key, now);
    }

    pub(super) fn synced(&mut self, call: CallId, answer: CallResult<Synced>, now: Now) {
        if answer.as_ref().is_err_and(Failure::leaves_in_doubt) {
            for key in self.sync.items_of(call) {
                if let Some(item) = self.items.get_mut(key) {
                    item.answer_lost = true;
                }
            }
        }
        for ended in self.sync.finish(call, answer, now.at) {
            self.sync_ended(&ended, now);
        }
    }

    pub(super) fn sync_ended(&mut self, ended: &Ended<Synced>, now: Now) {
        let Some(item) = self.items.get_mut(&ended.item) else { return };
        let (end, status) = match &ended.result {
            Ok(Synced::Indexed) => (SyncEnd::Indexed, StageStatus::Ok),
            Ok(Synced::Unverified) => (SyncEnd::Unverified, StageStatus::Unverified),
            Err(_) => (SyncEnd::Failed, StageStatus::Failed),
        };
        item.sync = Branch::Ended(end);
        item.reports.sync = report(status, ended);
        if end == SyncEnd::Indexed && item.object_type.is_user() {
            self.controls.proved(item.user.clone());
        }
        self.finish_if_done(ended.item, now);
    }

    pub(super) fn purged(&mut self, call: CallId, answer: CallResult<Purged>, now: Now) {
        for ended in self.purge.finish(call, answer, now.at) {
            self.purge_ended(ended, now);
        }
    }

    pub(super) fn purge_ended(&mut self, ended: Ended<Purged>, now: Now) {
        let Some(item) = self.items.get_mut(&ended.item) else { return };
        let mut line = report(StageStatus::Ok, &ended);
        line.took = item.time_in_purge(now.at);
        let end = match ended.result {
            Ok(Purged::Clean { rows, residue }) => {
                let rows_total = rows.values().sum();
                line.status = if rows_total == 0 { StageStatus::AlreadyClean } else { StageStatus::Ok };
                line.rows = rows;
                PurgeEnd::Clean { rows_total, residue }
            }
            Ok(Purged::Protected(protection)) => {
                line.status = StageStatus::Failed;
                line.error = Some(protection.name().to_owned());
                item.protection = Some(protection);
                PurgeEnd::Protected
            }
            Ok(Purged::CredentialsNotMoved) => {
                line.status = StageStatus::Skipped;
                PurgeEnd::CredentialsNotMoved
            }
            Err(_) => PurgeEnd::Failed,
        };
        item.reports.purge = line;
        let clean = matches!(end, PurgeEnd::Clean { .. });
        item.purge = Branch::Ended(end);
        if clean && self.rules.ends_access && self.rules.purge_mode == PurgeMode::Delete {
            // Order: the status is told after the cache is cleared, also after 0 rows (a crash may have come between).
            self.clear.enter(ended.item, (item.class, ObjectType::user()), now.at, now.at);
            return;
        }
        self.finish_if_done(ended.item, now);
    }

    pub(super) fn cleared(&mut self, call: CallId, answer: Result<(), Failure>, now: Now) {
        let size = self.clear.items_of(call).len();
        let answer = answer.map(|()| std::iter::repeat_with(|| Ok(())).take(size).collect());
        for ended in self.clear.finish(call, answer, now.at) {
            self.clear_ended(&ended, now);
        }
    }

    pub(super) fn clear_ended(&mut self, ended: &Ended<()>, now: Now) {
        if let Some(item) = self.items.get_mut(&ended.item) {
            item.access_ended = ended.result.is_ok();
            item.reports.purge.took = item.time_in_purge(now.at);
            self.finish_if_done(ended.item, now);
        }
    }

    /// Joins the branches: the outcome, when both have ended.
    pub(super) fn finish_if_done(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get_mut(&key) else { return };
        let busy = |stage: &Stage| stage.holds(key);
        if busy(&self.sync) || busy(&self.purge) || busy(&self.clear) || busy(&self.lookup) {
            return;
        }
        if item.abandoned {
            self.drop_item(key, now);
            return;
        }
        let (Some((sync, purge)), Some(verdict)) = (item.ends(), item.verdict) else { return };
        let (ending, follow_ups) = join(&Branches {
            follow_up: item.why(),
            class: item.class,
            decision: verdict.decision,
            sync,
            purge,
            answer_lost: item.answer_lost,
            dry_run: self.rules.purge_mode == PurgeMode::DryRun,
        });
        self.last_progress = now.at;
        item.answer_lost &= !follow_ups.contains(&Why::Sync);
        self.tell(key, ending, &follow_ups, now);
        self.release_line(key, now);
    }

    /// The line is free at the outcome, unless a lost answer may still land and nothing comes after it.
    pub(super) fn release_line(&mut self, key: ItemKey, now: Now) {
        let Some(item) = self.items.get(&key) else { return };
        let keep = item.answer_lost.then(|| now.at + self.rules.ambiguity);
        let user = item.user.clone();
        if let Some(next) = self.lines.release(&user, keep) {
            self.start_lookup(next, now);
        }
    }
}

fn report<T>(ok: StageStatus, ended: &Ended<T>) -> StageReport {
    let failed = ended.result.as_ref().err();
    StageReport {
        status: if failed.is_some() { StageStatus::Failed } else { ok },
        attempts: ended.attempts,
        took: Some(ended.took),
        rows: std::collections::BTreeMap::new(),
        error: failed.cloned(),
    }
}
