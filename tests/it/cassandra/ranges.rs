//! Token ranges and draws.

use std::collections::BTreeSet;

use user_purge_sync::domain::event::TokenRange;
use user_purge_sync::domain::ids::ObjectType;
use user_purge_sync::ports::UserDirectory;

use crate::cassandra::support::{ALL_TOKENS, Keyspace, USER_TABLE, directory, user_id};

/// Where part `part` of all tokens begins.
fn bound(part: u64, parts: u64) -> i64 {
    let width = i128::from(u64::MAX) * i128::from(part) / i128::from(parts);
    i64::try_from(i128::from(i64::MIN) + width).unwrap()
}

#[tokio::test]
async fn ranges_together_cover_every_row_once() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    let all = keyspace.fill(1000).await;
    let directory = directory(&keyspace.settings());
    let bounds: Vec<i64> = (0..=7).map(|part| bound(part, 7)).collect();
    assert_eq!((bounds[0], bounds[7]), (i64::MIN, i64::MAX));
    let mut seen = Vec::new();
    for ends in bounds.windows(2) {
        let range = TokenRange { start: ends[0], end: ends[1] };
        seen.extend(directory.ids_in(&ObjectType::user(), range, 10_001).await.unwrap());
    }
    assert_eq!(seen.len(), all.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    keyspace.drop().await;
}

#[tokio::test]
async fn a_range_is_open_at_its_start_closed_at_its_end_and_in_token_order() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    keyspace.fill(50).await;
    let statement = format!("SELECT token(id), id FROM {}.user", keyspace.name);
    let rows = keyspace.session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
    let mut tokens: Vec<_> = rows.rows::<(i64, String)>().unwrap().map(Result::unwrap).collect();
    tokens.sort();
    let ids = |range: std::ops::Range<usize>| tokens[range].iter().map(|(_, id)| user_id(id)).collect::<Vec<_>>();
    let directory = directory(&keyspace.settings());
    let user = ObjectType::user();
    let range = TokenRange { start: tokens[9].0, end: tokens[29].0 };
    assert_eq!(directory.ids_in(&user, range, 100).await.unwrap(), ids(10..30));
    assert_eq!(directory.ids_in(&user, range, 5).await.unwrap(), ids(10..15));
    let empty = TokenRange { start: tokens[9].0, end: tokens[9].0 };
    assert_eq!(directory.ids_in(&user, empty, 100).await.unwrap(), []);
    keyspace.drop().await;
}

#[tokio::test]
async fn a_draw_is_of_any_users_and_not_always_the_same() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    let directory = directory(&keyspace.settings());
    assert_eq!(directory.draw(3).await.unwrap(), []);
    let all = keyspace.fill(40).await;
    let mut drawn = BTreeSet::new();
    for _ in 0..20 {
        let draw = directory.draw(3).await.unwrap();
        let distinct: BTreeSet<_> = draw.iter().cloned().collect();
        assert_eq!((draw.len(), distinct.len()), (3, 3));
        assert!(distinct.is_subset(&all));
        drawn.extend(distinct);
    }
    assert!(drawn.len() > 3);
    // More than there are: each once.
    let everyone = directory.draw(100).await.unwrap();
    assert_eq!(everyone.len(), all.len());
    assert_eq!(everyone.into_iter().collect::<BTreeSet<_>>(), all);
    keyspace.drop().await;
}

#[tokio::test]
async fn an_id_that_no_user_can_have_is_passed_over() {
    let keyspace = Keyspace::with_table("user", USER_TABLE).await;
    let statement = format!("INSERT INTO {}.user (id) VALUES (?)", keyspace.name);
    for id in [" ", "a\u{7}b", "good"] {
        keyspace.session.query_unpaged(statement.as_str(), (id,)).await.unwrap();
    }
    let ids = directory(&keyspace.settings()).ids_in(&ObjectType::user(), ALL_TOKENS, 10).await.unwrap();
    assert_eq!(ids, [user_id("good")]);
    keyspace.drop().await;
}
