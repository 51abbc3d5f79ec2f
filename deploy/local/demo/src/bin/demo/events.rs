//! What is published: the deletion API's events, requests, and what should not have been there.

use local_stack::events::{Record, deletion, deletion_with_managed, request, request_all};

use crate::cast::Cast;

/// Users published twice.
pub const REPEATED: usize = 100;

/// No events at all; each must end on the failed topic, and hurt nobody.
const POISON: [&str; 6] = [
    "not json",
    r#"{"eid":"BE_JOB_REQUEST","edata":{"action":"delete-user","userId":"cut of"#,
    r#"{"eid":"BE_JOB_REQUEST","edata":{"action":"delete-user"}}"#,
    r#"{"eid":"BE_JOB_REQUEST","edata":{"action":"delete-user","userId":42}}"#,
    r#"{"eid":"BE_JOB_REQUEST","edata":{"action":"delete-user","userId":"  "}}"#,
    r#"[{"eid":"BE_JOB_REQUEST"}]"#,
];

/// Of the deletion topic.
pub fn deletions(cast: &Cast) -> Vec<Record> {
    let groups =
        [&cast.logged_in, &cast.deleted, &cast.clean, &cast.late, &cast.live, &cast.administrators, &cast.unknown];
    let mut records: Vec<Record> = groups.into_iter().flatten().map(|user| deletion(user)).collect();
    records.push(deletion(&cast.witness));
    records.push(deletion_with_managed(&cast.parent, &cast.managed));
    // Poison in between, as it comes in life.
    for (number, payload) in POISON.into_iter().enumerate() {
        records.insert((number + 1) * records.len() / (POISON.len() + 1), Record::raw(payload));
    }
    records.extend(cast.deleted.iter().take(REPEATED).map(|user| deletion(user)));
    records
}

pub fn poison() -> usize {
    POISON.len()
}

/// Of the request topic.
pub fn requests(cast: &Cast) -> Vec<Record> {
    let mut records: Vec<Record> = cast.resynced.chunks(50).map(|users| request_all("resync-user", users)).collect();
    records.push(request_all("retire-local-user", &cast.moved));
    records.extend(cast.not_moved.iter().map(|user| request("retire-local-user", user)));
    records
}
