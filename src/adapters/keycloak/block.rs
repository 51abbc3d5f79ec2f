//! The users of one purge block: under which ids they go, what became of each, how many rows.

use std::collections::{HashMap, HashSet};

use super::fuses::weight;
use super::id_forms::{Forms, IdForms};
use super::tables::{Family, Table};
use crate::domain::outcome::RowCounts;
use crate::domain::verdict::PurgeKind;
use crate::ports::{Failure, Protection, PurgeOrder, Purged};

/// All users of one call. Pure: the rows are read and deleted elsewhere.
pub(super) struct Block<'a> {
    members: Vec<Member<'a>>,
    /// Which member an id belongs to, in any form.
    owners: HashMap<String, usize>,
    max_rows: u64,
}

struct Member<'a> {
    order: &'a PurgeOrder,
    forms: Forms,
    fate: Fate,
    rows: RowCounts,
    /// Of an earlier transaction, which is committed.
    banked: RowCounts,
    residue: u64,
}

enum Fate {
    /// To be purged, as far as is known.
    Open,
    Kept(Protection),
    NotMoved,
    Failed(Failure),
}

/// Ids whose access must end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub id: String,
    /// The database knows it: its access ends without asking whether there is a session.
    pub has_rows: bool,
}

impl<'a> Block<'a> {
    pub(super) fn new(orders: &'a [PurgeOrder], id_forms: &IdForms, deny_list: &HashSet<String>) -> Self {
        let members: Vec<_> =
            orders.iter().map(|order| Member::new(order, id_forms.of(&order.user), deny_list)).collect();
        let mut owners = HashMap::new();
        for (index, member) in members.iter().enumerate() {
            for id in member.forms.all() {
                owners.entry(id.to_owned()).or_insert(index);
            }
        }
        Self { members, owners, max_rows: u64::MAX }
    }

    /// Whoever has more rows than so many is kept; 0 is no limit.
    pub(super) fn with_max_rows(mut self, max_rows: u64) -> Self {
        self.max_rows = if max_rows == 0 { u64::MAX } else { max_rows };
        self
    }

    pub(super) fn has_max_rows(&self) -> bool {
        self.max_rows < u64::MAX
    }

    /// The member that an id belongs to.
    pub(super) fn owner(&self, id: &str) -> Option<usize> {
        self.owners.get(id).copied()
    }

    /// The member that an id belongs to, if it is to be purged.
    pub(super) fn purged(&self, id: &str) -> Option<usize> {
        self.owner(id).filter(|index| self.members[*index].is_open())
    }

    fn open(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(|member| member.is_open())
    }

    /// Every form of every user: whoever is protected under one id is kept under all.
    pub(super) fn ids_to_guard(&self) -> Vec<String> {
        sorted(self.open().flat_map(|member| member.forms.all()))
    }

    /// Plain ids whose row in `user_entity` goes.
    pub(super) fn ids_to_lock(&self) -> Vec<String> {
        let locking = self.open().filter(|member| member.order.kind != PurgeKind::Sweep);
        sorted(locking.filter_map(|member| member.forms.local()))
    }

    /// Plain and federated id of each user to retire, side by side.
    pub(super) fn ids_to_retire(&self) -> (Vec<String>, Vec<String>) {
        let retiring = self.open().filter(|member| member.order.kind == PurgeKind::Retire);
        retiring
            .filter_map(|member| Some((member.forms.local()?.to_owned(), member.forms.current()?.to_owned())))
            .unzip()
    }

    /// The ids by which rows of free tables go.
    pub(super) fn ids(&self) -> Vec<String> {
        sorted(self.open().flat_map(|member| member.forms.purged(member.order.kind)))
    }

    /// The locked ids of users that are still to be purged.
    pub(super) fn locked(&self, locked: &HashSet<String>) -> Vec<String> {
        let mut ids = self.ids_to_lock();
        ids.retain(|id| locked.contains(id));
        ids
    }

    /// Whose access must end: the ids that the database knows, and the federated one in any case. A federated user who never
    /// changed anything has no row at all, and before Keycloak 26 a session in its memory alone.
    pub(super) fn ids_to_end(&self, known: &HashSet<String>) -> Vec<Known> {
        let mut ends = Vec::new();
        for member in self.open() {
            for id in member.forms.purged(member.order.kind) {
                let has_rows = known.contains(id);
                if has_rows || member.forms.current() == Some(id) {
                    ends.push(Known { id: id.to_owned(), has_rows });
                }
            }
        }
        ends
    }

    /// Keeps the user whole. The first protection that is found is told.
    pub(super) fn keep(&mut self, id: &str, protection: Protection) {
        if let Some(member) = self.member_of(id)
            && member.is_open()
        {
            member.fate = Fate::Kept(protection);
        }
    }

    /// The plain id is a user of another realm: that one is nobody of ours.
    pub(super) fn leave_out(&mut self, id: &str) {
        if let Some(member) = self.member_of(id) {
            member.forms.plain = None;
        }
    }

    /// Keeps those to be retired whose plain id is not among `moved`.
    pub(super) fn keep_unmoved(&mut self, moved: &HashSet<&str>) {
        for member in &mut self.members {
            let unmoved = !member.forms.local().is_some_and(|plain| moved.contains(plain));
            if member.order.kind == PurgeKind::Retire && unmoved && member.is_open() {
                member.fate = Fate::NotMoved;
            }
        }
    }

    /// The user cannot be purged now, the others can.
    pub(super) fn fail(&mut self, id: &str, failure: Failure) {
        if let Some(member) = self.member_of(id) {
            member.fate = Fate::Failed(failure);
        }
    }

    /// Whether somebody has turned out to have too many rows: what was deleted must not be committed then.
    pub(super) fn keep_the_heavy(&mut self) -> bool {
        let max_rows = self.max_rows;
        let heavy = |member: &&mut Member<'a>| member.is_open() && weight(&member.rows) > max_rows;
        let kept =
            self.members.iter_mut().filter(heavy).map(|member| member.fate = Fate::Kept(Protection::TooManyRows));
        kept.count() > 0
    }

    /// The same by ids and how many rows name each: before anything is done.
    pub(super) fn keep_those_of<'w>(&mut self, weights: impl Iterator<Item = (&'w str, i64)>) {
        let mut rows = vec![0_u64; self.members.len()];
        for (id, weight) in weights {
            if let Some(owner) = self.owner(id) {
                rows[owner] += weight.unsigned_abs();
            }
        }
        for (member, rows) in self.members.iter_mut().zip(rows) {
            if member.is_open() && rows > self.max_rows {
                member.fate = Fate::Kept(Protection::TooManyRows);
            }
        }
    }

    /// The fullest of those that were purged whole, by its ids.
    pub(super) fn fullest(&self) -> Option<Vec<String>> {
        let full = self.open().filter(|member| member.order.kind == PurgeKind::Full && !member.rows.is_empty());
        let fullest = full.max_by_key(|member| member.rows.values().sum::<u64>())?;
        Some(fullest.forms.purged(PurgeKind::Full).map(str::to_owned).collect())
    }

    /// How many users are to be purged. A sweep's were purged before.
    pub(super) fn users(&self) -> usize {
        self.open().filter(|member| member.order.kind != PurgeKind::Sweep).count()
    }

    /// How many of them had rows.
    pub(super) fn users_with_rows(&self) -> usize {
        self.open().filter(|member| member.order.kind != PurgeKind::Sweep && !member.rows.is_empty()).count()
    }

    /// All but the first so many of them fail for now.
    pub(super) fn hold_back(&mut self, all_but: usize, failure: impl Fn() -> Failure) {
        let is_user = |member: &&mut Member<'a>| member.is_open() && member.order.kind != PurgeKind::Sweep;
        self.members.iter_mut().filter(is_user).skip(all_but).for_each(|member| member.fate = Fate::Failed(failure()));
    }

    /// Counts a row that went.
    pub(super) fn credit(&mut self, member: usize, table: &'static str) {
        if let Some(member) = self.members.get_mut(member) {
            *member.rows.entry(table).or_default() += 1;
        }
    }

    /// What was counted is committed.
    pub(super) fn bank_rows(&mut self) {
        for member in &mut self.members {
            for (table, rows) in std::mem::take(&mut member.rows) {
                *member.banked.entry(table).or_default() += rows;
            }
        }
    }

    /// What was counted is rolled back.
    pub(super) fn forget_rows(&mut self) {
        for member in &mut self.members {
            member.rows.clear();
            member.residue = 0;
        }
    }

    /// Counts a row that is left. In the foreign-key family, whose users are locked, there can be none.
    pub(super) fn left(&mut self, member: Option<usize>, table: &Table) -> Result<(), RowsLeft> {
        if table.family == Family::Foreign {
            return Err(RowsLeft(table.name));
        }
        if let Some(member) = member {
            self.remains(member);
        }
        Ok(())
    }

    /// Counts a row that is left where nothing can be locked.
    pub(super) fn remains(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(member) {
            member.residue += 1;
        }
    }

    /// What became of each user, in the call's order.
    pub(super) fn into_results(self) -> Vec<Result<Purged, Failure>> {
        self.members.into_iter().map(Member::into_result).collect()
    }

    fn member_of(&mut self, id: &str) -> Option<&mut Member<'a>> {
        let index = self.owner(id)?;
        self.members.get_mut(index)
    }
}

/// Rows of a locked user are left before the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rows are left in {0} although its users are locked")]
pub(super) struct RowsLeft(pub &'static str);

impl<'a> Member<'a> {
    fn new(order: &'a PurgeOrder, forms: Forms, deny_list: &HashSet<String>) -> Self {
        let denied = deny_list.contains(order.user.as_str()) || forms.all().any(|id| deny_list.contains(id));
        let fate = if denied { Fate::Kept(Protection::DenyList) } else { Fate::Open };
        Self { order, forms, fate, rows: RowCounts::new(), banked: RowCounts::new(), residue: 0 }
    }

    fn is_open(&self) -> bool {
        matches!(self.fate, Fate::Open)
    }

    fn into_result(mut self) -> Result<Purged, Failure> {
        for (table, rows) in self.banked {
            *self.rows.entry(table).or_default() += rows;
        }
        match self.fate {
            Fate::Open => Ok(Purged::Clean { rows: self.rows, residue: self.residue }),
            Fate::Kept(protection) => Ok(Purged::Protected(protection)),
            Fate::NotMoved => Ok(Purged::CredentialsNotMoved),
            Fate::Failed(failure) => Err(failure),
        }
    }
}

/// Sorted, so that two blocks touch the rows they share in one order.
fn sorted<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut ids: Vec<_> = ids.map(str::to_owned).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests;
