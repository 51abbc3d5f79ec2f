//! The variants of `{env}.delete.user` of `facts/sunbird.md` 3.5, and records that are none.

use super::*;

fn deleted(name: &str) -> Decoded {
    on(InputTopic::Delete, &fixture(&format!("events/{name}.json")))
}

fn origin() -> Origin {
    Origin {
        mid: Some("LP.1716199736812.0e6ac196-e57d-40bb-ab39-f5ec479da3e6".into()),
        ets: Some(1_716_199_736_812),
        cdata: vec![("Request".into(), "e413d019f31bcb2d3736b7054f1fd6e2".into())],
        organisation_id: Some("01309282781705830427".into()),
        request_id: Some("e413d019f31bcb2d3736b7054f1fd6e2".into()),
        redriven: 0,
    }
}

/// A deletion of these users, from the place of [`origin`].
fn deletion(ids: &[&str], origin: Origin) -> Decoded {
    Decoded::Event(Event {
        action: Action::DeleteUser,
        object_type: ObjectType::user(),
        subjects: Subjects::Users(ids.iter().map(|id| UserId::parse(id).unwrap()).collect()),
        follow_up: None,
        origin,
    })
}

#[test]
fn every_variant_of_a_deletion_is_understood() {
    let untraced = || Origin { cdata: vec![], request_id: None, ..origin() };
    let docs = Origin {
        mid: Some("LP.1619527882745.32dc378a-430f-49f6-83b5-bd73b767ad36".into()),
        ets: Some(1_619_527_882_745),
        ..untraced()
    };
    let two = vec![origin().cdata.remove(0), ("Batch".into(), "batch-7".into())];
    let odd = vec![("Other".into(), "kept".into())];
    let variants = [
        ("full-8.0.0", deletion(&[USER, MANAGED], origin())),
        ("action-missing", deletion(&[USER, MANAGED], origin())),
        ("release-7.0.0", deletion(&[USER], untraced())),
        ("cdata-null", deletion(&[USER, MANAGED], untraced())),
        ("cdata-array", deletion(&[USER, MANAGED], Origin { cdata: two, ..origin() })),
        ("cdata-odd", deletion(&[USER, MANAGED], Origin { cdata: odd, ..untraced() })),
        ("docs-variant", deletion(&[USER], docs)),
        ("managed-users-null", deletion(&[USER], Origin { organisation_id: None, ..origin() })),
        ("managed-users-with-nulls", deletion(&[USER, MANAGED], origin())),
        ("managed-users-duplicates", deletion(&[USER, MANAGED, &MANAGED.to_uppercase()], origin())),
        ("user-id-not-a-uuid", deletion(&["jane-of-1.14"], origin())),
        ("user-id-odd-characters", deletion(&["o'brien:50%'; --", "a:b", "100%", "f:provider:id"], origin())),
    ];
    for (name, expected) in variants {
        assert_eq!(deleted(name), expected, "{name}");
    }
}

#[test]
fn two_hundred_and_fifty_managed_users_are_items_of_the_same_event() {
    let Decoded::Event(event) = deleted("managed-users-250") else { panic!() };
    let expected = (1..=250).map(|n| format!("00000000-0000-4000-8000-{n:012}"));
    assert_eq!(users(&event), std::iter::once(USER.to_owned()).chain(expected).collect::<Vec<_>>());
}

#[test]
fn the_action_of_another_consumer_is_none_of_ours() {
    assert_eq!(deleted("action-user-ownership-transfer"), Decoded::OtherAction);
    let resync = json!({ "edata": { "action": "resync-user", "userId": USER } }).to_string();
    assert_eq!(on(InputTopic::Delete, resync.as_bytes()), Decoded::OtherAction);
}

#[test]
fn what_is_no_event_is_refused_with_its_field_and_never_quoted() {
    let refused = [
        ("not-json", "record: is not JSON, or nested too deeply"),
        ("docs-sample-missing-comma", "record: is not JSON, or nested too deeply"),
        ("truncated", "record: ends in the middle"),
        ("json-array", "record: is not a JSON object"),
        ("user-id-blank", "edata.userId: is blank"),
        ("user-id-missing", "edata.userId: is missing"),
        ("user-id-number", "edata.userId: is not a string"),
        ("managed-users-not-strings", "edata.managed_users: has an entry that is not a string"),
    ];
    for (name, expected) in refused {
        assert_eq!(why(&deleted(name)), expected, "{name}");
    }
    let managed = json!({ "edata": { "userId": USER, "managed_users": { "a": 1 } } }).to_string();
    assert_eq!(why(&on(InputTopic::Delete, managed.as_bytes())), "edata.managed_users: is not a list");
}

#[test]
fn a_record_without_a_readable_payload_is_refused_on_every_topic() {
    let huge = vec![b' '; MAX_BYTES + 1];
    let deep = ["{\"edata\":{\"userId\":", &"[".repeat(100_000)].concat();
    for topic in InputTopic::ALL {
        assert_eq!(why(&decode(topic, None)), "record: is a tombstone");
        assert_eq!(why(&on(topic, b"")), "record: is empty");
        assert_eq!(why(&on(topic, b" \n\t")), "record: is empty");
        assert_eq!(why(&on(topic, b"{\"edata\":\"\xff\"}")), "record: is not UTF-8");
        assert_eq!(why(&on(topic, &huge)), "record: is too large");
        assert_eq!(why(&on(topic, deep.as_bytes())), "record: is not JSON, or nested too deeply");
        assert_eq!(why(&on(topic, b"\"text\"")), "record: is not a JSON object");
        assert_eq!(why(&on(topic, b"null")), "record: is not a JSON object");
        assert_eq!(why(&on(topic, b"{} {}")), "record: is not JSON, or nested too deeply");
        assert_eq!(why(&on(topic, b"{}")), "edata: is missing");
        assert_eq!(why(&on(topic, b"{\"edata\":[1]}")), "edata: is not an object");
    }
}

#[test]
fn a_refused_record_is_recognised_by_its_size_and_hash() {
    let Decoded::Rejected(rejection) = on(InputTopic::Delete, b"abc") else { panic!() };
    assert_eq!(rejection.size, 3);
    assert_eq!(rejection.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn what_is_not_read_may_be_as_odd_as_it_likes() {
    let nested = "[".repeat(50_000) + &"]".repeat(50_000);
    let payload = format!(
        r#"{{"edata":{{"userId":"first","junk":{nested},"userId":"{USER}","objectType":7,"userIds":[]}},
            "mid":7,"ets":"soon","context":"none","actor":null,"object":[1e999]}}"#
    );
    assert_eq!(on(InputTopic::Delete, payload.as_bytes()), deletion(&[USER], Origin::default()));
}

#[test]
fn text_that_is_too_long_for_an_id_does_not_travel_on() {
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    let cdata: Vec<_> = (0..100).map(|n| json!({ "type": "Request", "id": n.to_string() })).collect();
    let edata = json!({ "userId": USER, "organisationId": long });
    let payload = json!({ "mid": long, "edata": edata, "context": { "cdata": cdata } }).to_string();
    let event = event(InputTopic::Delete, payload.as_bytes());
    assert_eq!((event.origin.mid, event.origin.organisation_id), (None, None));
    assert_eq!((event.origin.cdata.len(), event.origin.request_id.as_deref()), (MAX_CDATA, Some("0")));
}

/// Every event that a real deletion API published (`facts/sunbird.md` 3.5).
#[test]
fn every_recorded_event_is_understood() {
    for (name, managed) in [("000", 0), ("003", 2), ("004", 0), ("005", 0), ("006", 0)] {
        let payload = fixture(&format!("recordings/event-{name}.json"));
        let raw: Value = serde_json::from_slice(&payload).unwrap();
        let event = event(InputTopic::Delete, &payload);
        assert_eq!(event.action, Action::DeleteUser);
        assert_eq!(users(&event)[0], raw["edata"]["userId"]);
        assert_eq!(users(&event).len(), 1 + managed, "{name}");
        assert_eq!(event.origin.mid.as_deref(), raw["mid"].as_str());
        assert_eq!(event.origin.ets, raw["ets"].as_i64());
        assert_eq!(event.origin.request_id.as_deref(), raw["context"]["cdata"]["id"].as_str());
        assert_eq!(event.origin.organisation_id.as_deref(), raw["edata"]["organisationId"].as_str());
        assert!(!format!("{event:?}").contains(raw["edata"]["userName"].as_str().unwrap()));
    }
}
