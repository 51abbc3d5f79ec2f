//! A worker so small that its bounds are felt, and the names of its world.

use std::time::Duration;

use serde_json::json;
use user_purge_sync::domain::ids::{InputTopic, Partition, UserId};
use user_purge_sync::domain::verdict::Guard;
use user_purge_sync::pipeline::engine::{Engine, Now, Rules, StageSet};
use user_purge_sync::pipeline::limiter::Limiter;
use user_purge_sync::pipeline::retry::{Jitter, RetryPolicy};
use user_purge_sync::pipeline::stage::StageOptions;
use user_purge_sync::settings::PurgeMode;

use crate::script::{PARTITIONS, USERS};

pub const BUDGET: usize = 16;
pub const MAX_AGE: Duration = Duration::from_mins(1);
pub const AMBIGUITY: Duration = Duration::from_secs(30);

pub fn fresh(number: i32) -> Partition {
    Partition { topic: InputTopic::Delete, number }
}

pub fn partitions() -> impl Iterator<Item = Partition> {
    let inputs = [InputTopic::Delete, InputTopic::Request].into_iter();
    inputs
        .flat_map(|topic| (0..PARTITIONS).map(move |number| Partition { topic, number }))
        .chain([Partition { topic: InputTopic::Delay, number: 0 }])
}

pub fn named(topic: &str, number: &str) -> Partition {
    let topic = InputTopic::ALL.into_iter().find(|input| input.label() == topic).unwrap();
    Partition { topic, number: number.parse().unwrap() }
}

pub fn user_id(user: u8) -> UserId {
    UserId::parse(&format!("u{user}")).unwrap()
}

/// Stands in every payload, and must be found nowhere else.
pub const PERSONAL: &str = "jane.doe";

pub fn event(action: &str, user: u8) -> Vec<u8> {
    format!(r#"{{"edata":{{"action":"{action}","userId":"u{user}","userName":"{PERSONAL}"}}}}"#).into_bytes()
}

/// More users than a page holds.
pub fn resync_all(range: bool) -> Vec<u8> {
    let users: Vec<_> = (0..USERS).map(|user| format!("u{user}")).collect();
    let (member, value) =
        if range { ("tokenRange", json!({ "start": "-7", "end": "7" })) } else { ("userIds", json!(users)) };
    json!({ "edata": { "action": "resync-user", member: value } }).to_string().into_bytes()
}

pub fn poison() -> Vec<u8> {
    format!(r#"{{"edata":{{"userName":"{PERSONAL}""#).into_bytes()
}

pub fn engine(now: Now) -> Engine {
    let retry = RetryPolicy {
        attempts: 8,
        time: Duration::from_mins(2),
        first_pause: Duration::from_millis(200),
        max_pause: Duration::from_secs(30),
        jitter: Jitter::seeded(0),
    };
    let stage = |size| StageOptions {
        limiter: Limiter::fixed(size, 2),
        linger: [Duration::from_millis(20); 2],
        retry: retry.clone(),
        pace: Duration::ZERO,
    };
    let rules = Rules {
        env: "model".to_owned(),
        topic_names: InputTopic::ALL.map(|topic| (topic, topic.label().to_owned())).into(),
        guard: Guard { purge_missing: false, looks: 2 },
        max_age: MAX_AGE,
        purge_mode: PurgeMode::Delete,
        settle_delay: Duration::from_secs(30),
        ambiguity: AMBIGUITY,
        delay_after: Duration::from_secs(40),
        page: 2,
        parked: 3,
        reject_limit: 1000,
        drain_timeout: Duration::from_secs(2),
        ends_access: true,
    };
    let clear = StageOptions { linger: [Duration::from_secs(1), Duration::from_secs(30)], ..stage(100) };
    let stages = StageSet { lookup: stage(4), sync: stage(3), purge: stage(4), clear };
    Engine::new(rules, BUDGET, stages, now.at)
}
