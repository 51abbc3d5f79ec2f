//! Whatever points to rows that a purge deletes: rows that would make it fail, or that know the person too.

use std::collections::{BTreeSet, VecDeque};

use super::catalog::{Catalog, ForeignKey, OnDelete};
use super::unknown::{Unknown, Why};
use super::warning::SchemaWarning;
use crate::settings::{TableAction, TableChoice};

/// Every foreign key that leads, over whatever else, to a table that is purged.
#[derive(Debug, Default)]
pub(in super::super) struct Closure<'a> {
    pub edges: Vec<&'a ForeignKey>,
    pub unknown: Vec<Unknown>,
    pub warnings: Vec<SchemaWarning>,
}

/// `decided` is what the configuration says of a table.
pub(in super::super) fn closure<'a>(
    catalog: &'a Catalog,
    purged: &BTreeSet<&'a str>,
    decided: impl Fn(&str) -> Option<&'a TableChoice>,
) -> Closure<'a> {
    let mut closure = Closure::default();
    let mut reached = purged.clone();
    let mut waiting: VecDeque<&str> = purged.iter().copied().collect();
    while let Some(target) = waiting.pop_front() {
        for edge in catalog.foreign_keys.iter().filter(|edge| edge.target == target) {
            closure.edges.push(edge);
            let choice = decided(&edge.table);
            if purged.contains(edge.table.as_str()) {
                closure.warnings.extend(choice.and_then(|choice| second_pointer(edge, choice)));
                continue;
            }
            match edge.on_delete {
                // Order: its rows go by themselves, but what points to it may still refuse.
                OnDelete::Cascade => {
                    if reached.insert(&edge.table) {
                        waiting.push_back(&edge.table);
                    }
                }
                OnDelete::LetGo => closure.warnings.push(SchemaWarning::LetsGo(place(edge), edge.target.clone())),
                OnDelete::Refuse if choice.is_some_and(|choice| choice.action == TableAction::Ignore) => {
                    closure.warnings.push(SchemaWarning::Refuses(place(edge), edge.target.clone()));
                }
                OnDelete::Refuse => closure.unknown.push(Unknown {
                    table: edge.table.clone(),
                    column: edge.columns.join(", "),
                    why: Why::PointsTo(edge.target.clone()),
                }),
            }
        }
    }
    closure
}

/// A table that the configuration purges by one column and that points to purged rows with another.
fn second_pointer(edge: &ForeignKey, choice: &TableChoice) -> Option<SchemaWarning> {
    let is_purged_by = edge.columns.first() == choice.column.as_ref();
    let refuses = edge.on_delete == OnDelete::Refuse && !is_purged_by;
    refuses.then(|| SchemaWarning::SecondPointer(place(edge), edge.target.clone()))
}

fn place(edge: &ForeignKey) -> String {
    format!("{}.{}", edge.table, edge.columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::catalog::testing::{catalog, points};
    use super::*;

    const PURGED: [&str; 2] = ["user_entity", "credential"];

    fn found(keys: &[(&str, &str, OnDelete)], decided: Option<&TableChoice>) -> (Vec<String>, usize) {
        let mut live = catalog(&[]);
        live.foreign_keys = keys.iter().map(|(from, to, on_delete)| points(from, to, *on_delete)).collect();
        let closure = closure(&live, &PURGED.into(), |_| decided);
        let unknown = closure.unknown.iter().map(|unknown| format!("{}.{}", unknown.table, unknown.column));
        (unknown.collect(), closure.warnings.len())
    }

    #[test]
    fn a_table_that_points_to_a_user_is_unknown_unless_its_rows_go_by_themselves() {
        let known = ("credential.user_id", "user_entity.id", OnDelete::Refuse);
        for (on_delete, unknown, warnings) in
            [(OnDelete::Refuse, 1, 0), (OnDelete::Cascade, 0, 0), (OnDelete::LetGo, 0, 1)]
        {
            let (found, warned) = found(&[known, ("tenant.user_id", "user_entity.id", on_delete)], None);
            assert_eq!((found.len(), warned), (unknown, warnings), "{on_delete:?}");
        }
    }

    #[test]
    fn what_points_to_rows_that_cascade_is_found_behind_them() {
        let keys = [
            ("tenant.user_id", "user_entity.id", OnDelete::Cascade),
            ("other.badge.tenant_id", "tenant.id", OnDelete::Refuse),
            ("nobody.realm_id", "realm.id", OnDelete::Refuse),
            ("tenant.parent", "tenant.id", OnDelete::Cascade),
        ];
        assert_eq!(found(&keys, None), (vec!["other.badge.tenant_id".to_owned()], 0));
    }

    #[test]
    fn what_is_ignored_may_still_refuse_and_that_is_said() {
        let keys = [("tenant.user_id", "user_entity.id", OnDelete::Refuse)];
        let ignored = TableChoice { action: TableAction::Ignore, column: None };
        assert_eq!(found(&keys, Some(&ignored)), (vec![], 1));
    }

    #[test]
    fn a_second_foreign_key_of_a_decided_table_may_still_refuse_and_that_is_said() {
        let keys = [
            ("credential.user_id", "user_entity.id", OnDelete::Refuse),
            ("credential.made_by", "user_entity.id", OnDelete::Refuse),
            ("credential.seen_by", "user_entity.id", OnDelete::LetGo),
        ];
        let by_user = TableChoice { action: TableAction::Delete, column: Some("user_id".to_owned()) };
        assert_eq!(found(&keys, Some(&by_user)), (vec![], 1));
    }
}
