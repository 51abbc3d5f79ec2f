//! Whatever a producer may send: JSON of the known names with anything behind them.

use super::*;

/// Stands in members that are never read.
const PERSONAL: &str = "jane.doe@example.org";
/// Stands anywhere else.
const QUOTED: &str = "quoted-7hq2";

const NAMES: [&str; 19] = [
    "mid",
    "ets",
    "context",
    "cdata",
    "type",
    "id",
    "edata",
    "action",
    "userId",
    "userIds",
    "tokenRange",
    "start",
    "end",
    "managed_users",
    "objectType",
    "organisationId",
    "followUp",
    "why",
    "object",
];
const NEVER_READ: [&str; 5] = ["userName", "suggested_users", "firstName", "email", "rollup"];

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec![
            "delete-user",
            "resync-user",
            "retire-local-user",
            "user",
            "look",
            "sweep",
            "",
            " ",
            "a\0b",
            "-7",
            QUOTED
        ])
        .prop_map(Value::from),
        "[a-c]{1,2}".prop_map(Value::from),
        Just("x".repeat(256)).prop_map(Value::from),
    ]
}

/// Anything, of the known names.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        3 => text(),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let known = (select(NAMES.to_vec()), inner.clone());
        let personal = (select(NEVER_READ.to_vec()), Just(Value::from(PERSONAL)));
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::from),
            (proptest::collection::vec(known, 0..6), proptest::option::of(personal)).prop_map(|(members, personal)| {
                members.into_iter().chain(personal).map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

/// Mostly what should be there; sometimes something else, or nothing.
fn mostly(right: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![8 => right.prop_map(Some), 1 => anything().prop_map(Some), 3 => Just(None)].boxed()
}

fn edata() -> impl Strategy<Value = Value> {
    let id = || "[a-d]{1,2}".prop_map(Value::from);
    let ids = || {
        prop_oneof![
            8 => proptest::collection::vec(id(), 0..9).prop_map(Value::from),
            1 => (990..1010_usize).prop_map(|count| (0..count).map(|number| Value::from(format!("u{number}"))).collect()),
        ]
    };
    let range = (any::<i64>(), any::<i64>()).prop_map(|(start, end)| json!({ "start": start, "end": end.to_string() }));
    let follow_up = (select(Why::ALL.to_vec()), 0..9_u32)
        .prop_map(|(why, look)| json!({ "why": why.name(), "look": look, "of": "delete-0-7-u" }));
    let actions = select(Action::ALL.to_vec()).prop_map(|action| Value::from(action.name()));
    let rare = |right: BoxedStrategy<Value>| prop_oneof![1 => mostly(right), 4 => Just(None)].boxed();
    let members = (
        mostly(actions),
        mostly(id()),
        rare(ids().boxed()),
        rare(range.boxed()),
        mostly(ids()),
        rare(text().boxed()),
        mostly(follow_up),
        mostly(text()),
    );
    members.prop_map(|(action, user, users, range, managed, kind, follow_up, organisation)| {
        let names =
            ["action", "userId", "userIds", "tokenRange", "managed_users", "objectType", "followUp", "organisationId"];
        let values = [action, user, users, range, managed, kind, follow_up, organisation];
        let told = names.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?)));
        told.chain(NEVER_READ.map(|name| (name.to_owned(), Value::from(PERSONAL)))).collect()
    })
}

fn record() -> impl Strategy<Value = Value> {
    let record = (edata(), mostly(text()), mostly(any::<i64>().prop_map(Value::from)), mostly(anything()))
        .prop_map(|(edata, mid, ets, context)| {
            json!({ "eid": "BE_JOB_REQUEST", "mid": mid, "ets": ets, "context": context, "edata": edata, "actor": PERSONAL })
        });
    prop_oneof![6 => record, 1 => anything(), 1 => anything().prop_map(|edata| json!({ "edata": edata }))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_personal_data_leaves(record in record(), topic in select(InputTopic::ALL.to_vec())) {
        let payload = record.to_string();
        match on(topic, payload.as_bytes()) {
            Decoded::Rejected(rejection) => {
                let told = format!("{rejection:?} {rejection}");
                prop_assert!(!told.contains(PERSONAL) && !told.contains(QUOTED), "{}", told);
                prop_assert_eq!((rejection.size, rejection.hash.len()), (payload.len(), 64));
            }
            Decoded::Event(event) => prop_assert!(!format!("{event:?}").contains(PERSONAL), "{:?}", event),
            Decoded::OtherAction => prop_assert_eq!(topic, InputTopic::Delete),
        }
    }

    #[test]
    fn what_is_accepted_can_be_worked_on(record in record(), topic in select(InputTopic::ALL.to_vec())) {
        let Decoded::Event(event) = on(topic, record.to_string().as_bytes()) else { return Ok(()) };
        let edata = &record["edata"];
        let listed = |name: &str| edata[name].as_array().map_or(0, Vec::len);
        match &event.subjects {
            Subjects::Range(range) => prop_assert!(topic != InputTopic::Delete && range.start < range.end),
            Subjects::Users(users) => {
                let distinct: HashSet<_> = users.iter().collect();
                prop_assert!(!users.is_empty() && distinct.len() == users.len(), "{:?}", users);
                let ids = if edata["userId"].is_string() { 1 } else { listed("userIds") };
                prop_assert!(ids <= MAX_USER_IDS && users.len() <= ids + listed("managed_users"));
            }
        }
        prop_assert_eq!(event.follow_up.is_some(), topic == InputTopic::Delay);
        prop_assert!(event.object_type.is_user() || event.action == Action::ResyncUser);
        prop_assert!(topic != InputTopic::Delete || event.action == Action::DeleteUser);
        prop_assert!(event.origin.cdata.len() <= MAX_CDATA);
    }
}

/// The strategies above are worth something only if much of what they make is an event.
#[test]
fn many_random_records_are_events() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..600 {
        let payload = record().new_tree(&mut runner).unwrap().current().to_string();
        let is_event = |topic: &InputTopic| matches!(on(*topic, payload.as_bytes()), Decoded::Event(_));
        accepted += InputTopic::ALL.iter().filter(|topic| is_event(topic)).count();
    }
    assert!((300..1500).contains(&accepted), "{accepted} of 1800");
}
