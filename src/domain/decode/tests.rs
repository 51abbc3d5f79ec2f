use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::*;

mod random;
mod variants;

const USER: &str = "02c4e0dc-3e25-4f7d-b811-242c73e24a01";
const MANAGED: &str = "b3e04f3c-90a2-4f7e-9d3c-6a54a2d1c111";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn on(topic: InputTopic, payload: &[u8]) -> Decoded {
    decode(topic, Some(payload))
}

fn event(topic: InputTopic, payload: &[u8]) -> Event {
    match on(topic, payload) {
        Decoded::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

/// A request with this `edata`.
fn request(edata: &Value) -> Decoded {
    on(InputTopic::Request, json!({ "edata": edata }).to_string().as_bytes())
}

fn delayed(edata: &Value) -> Decoded {
    on(InputTopic::Delay, json!({ "edata": edata }).to_string().as_bytes())
}

fn why(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Rejected(rejection) => rejection.to_string(),
        other => panic!("{other:?}"),
    }
}

fn users(event: &Event) -> Vec<&str> {
    match &event.subjects {
        Subjects::Users(users) => users.iter().map(UserId::as_str).collect(),
        Subjects::Range(range) => panic!("{range:?}"),
    }
}

#[test]
fn a_request_names_its_action() {
    let with = |action: Value| request(&json!({ "action": action, "userId": USER }));
    for action in Action::ALL {
        assert!(matches!(with(json!(action.name())), Decoded::Event(event) if event.action == action));
    }
    assert_eq!(why(&with(Value::Null)), "edata.action: is missing");
    assert_eq!(why(&with(json!(" "))), "edata.action: is blank");
    assert_eq!(why(&with(json!(2))), "edata.action: is not a string");
    let none = "edata.action: is none of delete-user, resync-user, retire-local-user";
    assert_eq!(why(&with(json!("user-ownership-transfer"))), none);
}

#[test]
fn a_request_has_exactly_one_kind_of_subject() {
    let range = json!({ "start": 1, "end": 2 });
    let with = |id: Value, ids: Value, range: &Value| {
        request(&json!({ "action": "resync-user", "userId": id, "userIds": ids, "tokenRange": range }))
    };
    let null = Value::Null;
    assert!(matches!(with(json!(USER), null.clone(), &null), Decoded::Event(_)));
    assert!(matches!(with(null.clone(), json!([USER]), &null), Decoded::Event(_)));
    assert!(matches!(with(null.clone(), null.clone(), &range), Decoded::Event(_)));
    let two = "edata: has more than one of userId, userIds, tokenRange";
    assert_eq!(why(&with(json!(USER), json!([USER]), &null)), two);
    assert_eq!(why(&with(json!(USER), null.clone(), &range)), two);
    assert_eq!(why(&with(null.clone(), json!([USER]), &range)), two);
    assert_eq!(why(&with(null.clone(), null, &Value::Null)), "edata.userId: is missing");
}

#[test]
fn a_list_holds_one_to_a_thousand_valid_ids() {
    let with = |ids: Value| request(&json!({ "action": "resync-user", "userIds": ids }));
    let many = |count| (0..count).map(|n| json!(format!("user-{n}"))).collect::<Value>();
    let Decoded::Event(event) = with(json!(["b", "a", "b"])) else { panic!() };
    assert_eq!(users(&event), ["b", "a"]);
    assert!(matches!(with(many(1000)), Decoded::Event(event) if users(&event).len() == 1000));
    assert_eq!(why(&with(many(1001))), "edata.userIds: has more than 1000 entries");
    assert_eq!(why(&with(json!([]))), "edata.userIds: is empty");
    assert_eq!(why(&with(json!("a,b"))), "edata.userIds: is not a list");
    assert_eq!(why(&with(json!(["a", null]))), "edata.userIds: has an entry that is not a string");
    assert_eq!(why(&with(json!(["a", " "]))), "edata.userIds: is blank");
    assert_eq!(why(&with(json!(["x".repeat(256)]))), "edata.userIds: is longer than 255 characters");
    assert_eq!(why(&with(json!(["a\u{0}b"]))), "edata.userIds: holds a control character");
}

#[test]
fn a_bad_id_is_told_in_the_words_of_the_id() {
    for invalid in [InvalidUserId::Blank, InvalidUserId::TooLong, InvalidUserId::ControlCharacter] {
        assert_eq!(problem(invalid), invalid.to_string());
    }
}

#[test]
fn a_token_range_is_two_whole_numbers_or_decimal_strings_in_order() {
    let with = |range: Value| request(&json!({ "action": "delete-user", "tokenRange": range }));
    for range in [
        json!({ "start": i64::MIN, "end": i64::MAX }),
        json!({ "start": "-9223372036854775808", "end": "9223372036854775807" }),
    ] {
        let Decoded::Event(event) = with(range) else { panic!() };
        assert_eq!(event.subjects, Subjects::Range(TokenRange { start: i64::MIN, end: i64::MAX }));
    }
    let start = "edata.tokenRange.start: is not a whole number of 64 bits";
    for bad in [json!(1.5), json!("1.5"), json!("9223372036854775808"), json!(u64::MAX), json!(""), Value::Null] {
        assert_eq!(why(&with(json!({ "start": bad, "end": 2 }))), start);
    }
    assert_eq!(why(&with(json!({ "start": 2 }))), "edata.tokenRange.end: is not a whole number of 64 bits");
    assert_eq!(why(&with(json!({ "start": 2, "end": 2 }))), "edata.tokenRange: does not start before its end");
    assert_eq!(why(&with(json!([1, 2]))), "edata.tokenRange: is not an object");
}

#[test]
fn only_a_resync_is_about_other_things_than_users() {
    let with = |action: &str, kind: Value| request(&json!({ "action": action, "userId": "b-1", "objectType": kind }));
    assert!(
        matches!(with("resync-user", json!("batch")), Decoded::Event(e) if e.object_type == ObjectType::new("batch"))
    );
    assert!(matches!(with("resync-user", Value::Null), Decoded::Event(e) if e.object_type.is_user()));
    assert!(matches!(with("delete-user", json!("user")), Decoded::Event(e) if e.object_type.is_user()));
    assert_eq!(why(&with("resync-user", json!(" "))), "edata.objectType: is blank");
    assert_eq!(why(&with("resync-user", json!({}))), "edata.objectType: is not a string");
    let contradiction = "edata.objectType: is not user, and the action is not resync-user";
    assert_eq!(why(&with("delete-user", json!("batch"))), contradiction);
    assert_eq!(why(&with("retire-local-user", json!("batch"))), contradiction);
}

#[test]
fn managed_users_belong_to_a_deletion_only() {
    let with = |action: &str| request(&json!({ "action": action, "userId": "a", "managed_users": ["b"] }));
    assert!(matches!(with("delete-user"), Decoded::Event(event) if users(&event) == ["a", "b"]));
    assert!(matches!(with("resync-user"), Decoded::Event(event) if users(&event) == ["a"]));
}

#[test]
fn a_follow_up_is_read_on_the_delay_topic_only() {
    let edata =
        json!({ "action": "delete-user", "userId": USER, "followUp": { "why": "sweep", "look": 3, "of": "x" } });
    let Decoded::Event(event) = delayed(&edata) else { panic!() };
    assert_eq!(event.follow_up, Some(FollowUp { why: Why::Sweep, look: 3, of: "x".into() }));
    assert!(matches!(request(&edata), Decoded::Event(event) if event.follow_up.is_none()));
    let payload = json!({ "edata": edata }).to_string();
    assert!(matches!(on(InputTopic::Delete, payload.as_bytes()), Decoded::Event(event) if event.follow_up.is_none()));
}

#[test]
fn a_delay_record_without_a_sound_follow_up_is_refused() {
    let with = |follow_up: Value| delayed(&json!({ "action": "delete-user", "userId": USER, "followUp": follow_up }));
    assert_eq!(why(&with(Value::Null)), "edata.followUp: is missing");
    assert_eq!(why(&with(json!("look"))), "edata.followUp: is not an object");
    let fields = |why: Value, look: Value, of: Value| json!({ "why": why, "look": look, "of": of });
    let wrong = "edata.followUp.why: is none of look, sweep, sync, purge";
    assert_eq!(why(&with(fields(json!("Look"), json!(1), json!("x")))), wrong);
    for look in [json!(-1), json!(1.5), json!("1"), json!(4_294_967_296_u64), Value::Null] {
        assert_eq!(why(&with(fields(json!("look"), look, json!("x")))), "edata.followUp.look: is not a count");
    }
    assert_eq!(why(&with(fields(json!("look"), json!(1), json!(7)))), "edata.followUp.of: is not the id of a status");
}

/// Everything that a record can be, near and far from an event.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), any::<u8>(), 0..4_u8);
    let names = select(vec!["full-8.0.0", "managed-users-with-nulls", "cdata-odd", "docs-variant"]);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
        (names, proptest::collection::vec(edit, 1..12)).prop_map(|(name, edits)| {
            let mut bytes = fixture(&format!("events/{name}.json"));
            for (place, byte, kind) in edits {
                let place = place.index(bytes.len());
                match kind {
                    0 => bytes[place] = byte,
                    1 => bytes.insert(place, byte),
                    2 => drop(bytes.drain(place..(place + usize::from(byte)).min(bytes.len() - 1))),
                    _ => bytes.truncate(place.max(1)),
                }
            }
            bytes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_payload_makes_it_panic_or_is_quoted(payload in payloads(), topic in select(InputTopic::ALL.to_vec())) {
        match on(topic, &payload) {
            Decoded::Rejected(rejection) => {
                let told = format!("{rejection:?} {rejection}");
                prop_assert!(!told.contains("jane_7hq2"));
                prop_assert_eq!(rejection.size, payload.len());
                prop_assert_eq!(rejection.hash.len(), 64);
            }
            Decoded::Event(event) => prop_assert!(!users(&event).is_empty()),
            Decoded::OtherAction => prop_assert_eq!(topic, InputTopic::Delete),
        }
    }

    #[test]
    fn users_are_kept_in_order_without_repeats(ids in proptest::collection::vec("[a-d]{1,2}", 1..40)) {
        let Decoded::Event(event) = request(&json!({ "action": "resync-user", "userIds": ids })) else { panic!() };
        let mut expected: Vec<&str> = Vec::new();
        for id in &ids {
            if !expected.contains(&id.as_str()) {
                expected.push(id);
            }
        }
        prop_assert_eq!(users(&event), expected);
    }
}
