use super::*;
use crate::settings::{EventPolicy, TrailSettings};

fn position(name: &str) -> usize {
    TABLES.iter().position(|table| table.name == name).unwrap()
}

#[test]
fn children_go_before_the_tables_that_name_their_user() {
    for (index, child) in TABLES.iter().enumerate() {
        if let Key::Parent { table, key, .. } = child.key {
            assert!(index < position(table), "{}", child.name);
            let parent = Table::named(table).unwrap();
            assert!(matches!(parent.key, Key::User(_)), "{table} names no user");
            assert_eq!(parent.family, child.family, "{}", child.name);
            assert!(parent.columns(TABLES.iter()).contains(&key), "{table}");
        }
    }
}

#[test]
fn tables_held_by_foreign_keys_go_before_what_they_point_to() {
    for (child, parent) in
        [("issued_ver_credential", "user_ver_credential"), ("fed_issued_ver_credential", "fed_user_ver_credential")]
    {
        assert!(position(child) < position(parent), "{child}");
    }
    assert_eq!(position("user_entity"), TABLES.len() - 1);
}

#[test]
fn the_handle_of_a_federated_user_goes_after_its_other_rows() {
    let last = TABLES.iter().rposition(|table| table.name.starts_with("fed_") || table.name == "broker_link");
    assert!(last.unwrap() < position("federated_user"));
}

#[test]
fn every_option_is_one_of_the_configuration() {
    let on = TrailSettings {
        events: EventPolicy::Delete,
        admin_events: EventPolicy::Delete,
        policies: true,
        invitations: true,
    };
    for other in &OTHERS {
        if let Handled::Option(key) = other.handled {
            assert!(on.is_on(key) && !TrailSettings::OFF.is_on(key), "{key}");
        }
    }
}

#[test]
fn what_is_beyond_the_map_is_not_in_it() {
    assert_eq!(OTHERS.iter().filter(|other| Table::named(other.name).is_some()).count(), 0);
}

#[test]
fn every_table_is_named_once() {
    for (index, table) in TABLES.iter().enumerate() {
        assert_eq!(position(table.name), index);
    }
}
