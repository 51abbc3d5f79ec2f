use super::*;
use crate::domain::ids::UserId;
use crate::ports::Disposition;

fn order(user: &str, kind: PurgeKind) -> PurgeOrder {
    PurgeOrder { user: UserId::parse(user).unwrap(), kind }
}

fn block(orders: &[PurgeOrder]) -> Block<'_> {
    Block::new(orders, &IdForms::new("p", &[]), &HashSet::from(["denied".to_owned()]))
}

#[test]
fn each_kind_takes_its_own_ids() {
    let orders = [order("full", PurgeKind::Full), order("retire", PurgeKind::Retire), order("sweep", PurgeKind::Sweep)];
    let block = block(&orders);
    assert_eq!(block.ids(), ["f:p:full", "f:p:sweep", "full", "retire", "sweep"]);
    assert_eq!(block.ids_to_lock(), ["full", "retire"]);
    assert_eq!(block.ids_to_retire(), (vec!["retire".to_owned()], vec!["f:p:retire".to_owned()]));
}

#[test]
fn who_is_protected_under_one_id_is_kept_under_all() {
    let orders = [order("boss", PurgeKind::Full), order("denied", PurgeKind::Full)];
    let mut block = block(&orders);
    block.keep("f:p:boss", Protection::Admin);
    assert!(block.ids().is_empty() && block.ids_to_lock().is_empty());
    let results: Vec<_> = block.into_results().into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [Purged::Protected(Protection::Admin), Purged::Protected(Protection::DenyList)]);
}

#[test]
fn a_local_user_of_another_realm_is_left_out_the_federated_one_is_not() {
    let orders = [order("twin", PurgeKind::Full)];
    let mut block = block(&orders);
    block.leave_out("twin");
    assert_eq!(block.ids(), ["f:p:twin"]);
    assert!(block.ids_to_lock().is_empty());
}

#[test]
fn one_users_failure_leaves_the_others_to_be_purged() {
    let orders = [order("bad", PurgeKind::Full), order("good", PurgeKind::Full)];
    let mut block = block(&orders);
    block.fail("f:p:bad", Failure::new(Disposition::Reject, "http_400"));
    assert_eq!(block.ids(), ["f:p:good", "good"]);
    let results = block.into_results();
    assert!(results[0].is_err() && results[1].is_ok());
}

/// A row left in the foreign-key family fails the transaction; in a table without foreign keys it is told.
#[test]
fn purge_is_all_or_nothing() {
    let orders = [order("user", PurgeKind::Full)];
    let mut block = block(&orders);
    assert_eq!(block.left(Some(0), Table::named("credential").unwrap()), Err(RowsLeft("credential")));
    block.left(Some(0), Table::named("offline_user_session").unwrap()).unwrap();
    let result = block.into_results().remove(0).unwrap();
    assert_eq!(result, Purged::Clean { rows: RowCounts::new(), residue: 1 });
}
