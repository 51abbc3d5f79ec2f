//! What holds for every record, whatever the event: what is read back, and what never leaves.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 .:%'ü-]{0,40}[a-zA-Z0-9]"
}

fn any_event() -> impl Strategy<Value = Event> {
    let origin = (
        proptest::option::of(text()),
        proptest::option::of(0..i64::MAX),
        proptest::collection::vec((select(vec!["Batch", "Request", SOURCE_EVENT]), text()), 0..4),
        proptest::option::of(text()),
        0..3_u32,
    );
    let origin = origin.prop_map(|(mid, ets, cdata, organisation_id, redriven)| {
        let cdata: Vec<(String, String)> = cdata.into_iter().map(|(kind, id)| (kind.into(), id)).collect();
        let request_id = cdata.iter().find(|(kind, _)| kind == "Request").map(|(_, id)| id.clone());
        Origin { mid, ets, cdata, organisation_id, request_id, redriven }
    });
    let users = proptest::collection::vec(text(), 1..5).prop_map(|mut ids| {
        ids.sort();
        ids.dedup();
        Subjects::Users(ids.iter().map(|id| user(id)).collect())
    });
    let range = (i64::MIN..0, 0..i64::MAX).prop_map(|(start, end)| Subjects::Range(TokenRange { start, end }));
    let kind = select(vec!["user", "batch"]);
    (select(Action::ALL.to_vec()), kind, prop_oneof![users, range], origin).prop_map(
        |(action, kind, subjects, origin)| {
            let kind = if action == Action::ResyncUser { kind } else { "user" };
            Event { action, object_type: ObjectType::new(kind), subjects, follow_up: None, origin }
        },
    )
}

proptest! {
    #[test]
    fn a_follow_up_is_understood_when_it_comes_back(
        event in any_event(),
        id in text(),
        why in select(Why::ALL.to_vec()),
        look: u32,
        of in text(),
    ) {
        let follow_up = FollowUp { why, look, of };
        let record = follow_up_record(&WRITER, &event, &user(&id), &follow_up);
        prop_assert_eq!((record.topic, record.key.as_deref()), (OutputTopic::Delay, Some(id.as_bytes())));
        let Decoded::Event(again) = decode(InputTopic::Delay, Some(&record.payload)) else { panic!("{record:?}") };
        let first = event.origin.cdata.iter().find(|(kind, _)| kind == SOURCE_EVENT).map(|(_, id)| id.clone());
        prop_assert_eq!(again.origin.mid, Some(format!("{}-{}", follow_up.of, why.name())));
        prop_assert_eq!(again.origin.ets, Some(WRITER.now));
        prop_assert_eq!(&again.origin.request_id, &event.origin.request_id);
        prop_assert_eq!(&again.origin.organisation_id, &event.origin.organisation_id);
        let source = again.origin.cdata.iter().find(|(kind, _)| kind == SOURCE_EVENT).map(|(_, id)| id.clone());
        prop_assert_eq!(source, first.or(event.origin.mid), "a chain names the event at its beginning");
        prop_assert_eq!((again.action, again.object_type), (event.action, event.object_type));
        prop_assert_eq!(again.subjects, Subjects::Users(vec![user(&id)]));
        prop_assert_eq!(again.follow_up, Some(follow_up));
    }

    #[test]
    fn a_failed_record_is_a_request_that_can_be_sent_again(event in any_event(), whole: bool, place: Index) {
        let failed = match &event.subjects {
            Subjects::Users(users) if !whole => vec![users[place.index(users.len())].clone()],
            Subjects::Range(_) if !whole => vec![user("one of them")],
            Subjects::Users(_) | Subjects::Range(_) => vec![],
        };
        let info = fail_info(Ending::failed(Reason::SyncFailed), &stages());
        let record = failed_record(&SOURCE, &event, &failed, &info);
        let Decoded::Event(again) = decode(InputTopic::Request, Some(&record.payload)) else { panic!("{record:?}") };
        let subjects = if failed.is_empty() { event.subjects.clone() } else { Subjects::Users(failed) };
        prop_assert_eq!(again, Event { subjects, ..event });
    }
}

/// A deletion event with secrets in every place where a producer could put a person's data.
fn planted(secrets: &[String], broken: u8) -> Vec<u8> {
    let [name, email, phone] = secrets else { unreachable!("three are planted") };
    let person = json!({ "name": name, "email": email, "phone": phone, (email): [name, { (phone): email }] });
    let mut event = json!({
        "eid": name, "ets": 1, "mid": "LP.1", "userName": name, "person": person,
        "actor": { "id": email, "type": name },
        "context": {
            "channel": phone, "env": name, "pdata": person, "rollup": { "l1": phone },
            "cdata": [{ "type": "Request", "id": "r-1", "email": email }, { "name": name }, phone],
        },
        "object": { "id": email, "type": name, "rollup": person },
        "edata": {
            "action": "delete-user", "userId": "u", "managed_users": ["v", null], "organisationId": "org",
            "userName": name, "email": email, "phone": phone, "maskedPhone": phone, "person": person,
            "suggested_users": [{ "role": name, "users": [email, phone], "userName": name }],
            "followUp": { "why": "look", "look": 1, "of": "x", "name": name },
        },
    });
    let edata = &mut event["edata"];
    match broken {
        0 => edata["userId"] = person,
        1 => edata["managed_users"] = json!([person, name]),
        2 => edata["action"] = json!([name]),
        3 => edata["followUp"]["why"] = json!(email),
        4 => event["edata"] = json!(email),
        5 => event = json!([event]),
        _ => {}
    }
    let mut payload = event.to_string().into_bytes();
    if broken == 6 {
        payload.truncate(payload.len() / 2);
    }
    payload
}

/// Everything that can be written about a record.
fn all_records(decoded: &Decoded) -> Vec<OutputRecord> {
    let stages = stages();
    match decoded {
        Decoded::OtherAction => vec![],
        Decoded::Rejected(rejection) => vec![rejected_record(&SOURCE, rejection)],
        Decoded::Event(event) => {
            let Subjects::Users(users) = &event.subjects else { panic!() };
            let follow_up = FollowUp { why: Why::Look, look: 1, of: status_id(&WRITER, &SOURCE, users[0].as_str()) };
            let range = TokenRange { start: 1, end: 2 };
            let summary = RangeTold { range, rows: Some(2), counts: vec![], ending: None };
            let mut records = vec![
                follow_up_record(&WRITER, event, &users[0], &follow_up),
                range_record(&WRITER, &SOURCE, event, &summary),
            ];
            for reason in Reason::ALL {
                let ending = Ending::failed(reason);
                records.push(status_record(&WRITER, &SOURCE, event, &told(&users[0], &stages, ending)));
                records.push(failed_record(&SOURCE, event, users, &fail_info(ending, &stages)));
            }
            records
        }
    }
}

proptest! {
    #[test]
    fn no_personal_data_leaves(
        secrets in ["zq[a-z]{8}_[0-9]{4}", "zq[a-z]{6}@[a-z]{8}\\.org", "\\+91 zq[0-9]{10}"],
        broken in 0..20_u8,
        topic in select(InputTopic::ALL.to_vec()),
    ) {
        let decoded = decode(topic, Some(&planted(&secrets, broken)));
        let records = all_records(&decoded);
        prop_assert!(!records.is_empty());
        for record in records {
            let told = format!("{} {record:?}", String::from_utf8_lossy(&record.payload));
            for secret in &secrets {
                prop_assert!(!told.contains(secret), "{secret} in {told}");
            }
        }
        // Otherwise the secrets were not where they could have leaked from.
        let refused = broken < 7 && (broken != 3 || topic == InputTopic::Delay);
        prop_assert_eq!(matches!(decoded, Decoded::Rejected(_)), refused);
    }
}
