use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { aim: 10, most: 20, at_once: 4 };

/// Reads sorted tokens.
fn reader(tokens: &[i64]) -> impl AsyncFn(TokenRange, usize) -> Result<Vec<i64>, Failure> {
    async |range, limit| {
        let from = tokens.partition_point(|token| *token <= range.start);
        Ok(tokens[from..].iter().take_while(|token| **token <= range.end).take(limit).copied().collect())
    }
}

fn walked(mut walk: Walk, tokens: &[i64]) -> Vec<Part<i64>> {
    let (mut parts, mut place) = (Vec::new(), 0);
    while let Some(more) = walk.next(reader(tokens)).now_or_never().unwrap().unwrap() {
        assert!(walk.place() >= place, "progress goes forward");
        place = walk.place();
        parts.extend(more);
    }
    assert_eq!(walk.place(), PARTS);
    parts
}

/// Anywhere, and thousands close together: what no hash does.
fn tokens() -> impl Strategy<Value = Vec<i64>> {
    let cluster = (any::<i64>(), 1..1_000_000_000_i64, 0..2000_i64)
        .prop_map(|(centre, width, count)| (0..count).map(|n| centre.saturating_add(n * (width / 2000))).collect());
    let spread = proptest::collection::vec(any::<i64>(), 0..500);
    let ends = Just(vec![i64::MIN + 1, 0, i64::MAX]);
    (proptest::collection::vec(cluster, 0..3), spread, ends).prop_map(
        |(clusters, spread, ends): (Vec<Vec<i64>>, _, _)| {
            let mut all: Vec<i64> = clusters.concat().into_iter().chain(spread).chain(ends).collect();
            all.retain(|token| *token != i64::MIN);
            all.sort_unstable();
            all.dedup();
            all
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_row_is_in_one_range_and_no_range_is_too_wide(tokens in tokens(), expected in 0..100_000_u64) {
        for walk in [Walk::of(BOUNDS), Walk::expecting(BOUNDS, expected)] {
            let parts = walked(walk, &tokens);
            prop_assert_eq!(parts.iter().flat_map(|part| part.rows.iter().copied()).collect::<Vec<_>>(), tokens.clone());
            let mut end = i64::MIN;
            for Part { range, rows } in parts {
                prop_assert_eq!(range.start, end, "no gap");
                prop_assert!(range.start < range.end && rows.len() <= BOUNDS.most);
                end = range.end;
            }
            prop_assert_eq!(end, i64::MAX);
        }
    }
}

/// So many, in the middle of parts of equal width.
fn evenly(count: u64) -> Vec<i64> {
    let apart = u64::MAX / count.max(1);
    (0..count).map(|n| i64::MIN.wrapping_add_unsigned(apart * n + apart / 2)).collect()
}

#[test]
fn ranges_hold_about_what_they_should_whatever_was_expected() {
    let tokens = evenly(10_000);
    for expected in [0, 10, 10_000, 100_000_000] {
        let parts = walked(Walk::expecting(BOUNDS, expected), &tokens);
        let busy = parts.iter().filter(|part| !part.rows.is_empty()).count();
        assert!((900..1_300).contains(&busy), "{busy} ranges when {expected} were expected");
    }
}

#[test]
fn a_table_is_estimated_by_a_few_of_its_rows() {
    for count in [0, 1, 20, 21, 300, 5000, 60_000_u64] {
        let tokens = evenly(count);
        let found = estimate(BOUNDS, reader(&tokens), |token| token % 2 == 0).now_or_never().unwrap().unwrap();
        let rows = found.rows;
        assert!(rows.abs_diff(count) <= count / 5, "{rows} of {count}");
        assert!(!found.is_exact || rows == count, "{count}");
        assert!(found.read <= 700, "{} rows were read", found.read);
    }
}

#[test]
fn a_small_table_is_counted() {
    let tokens = evenly(20);
    let found = estimate(BOUNDS, reader(&tokens), |token| *token < 0).now_or_never().unwrap().unwrap();
    assert_eq!((found.rows, found.count, found.is_exact), (20, 10, true));
    assert_eq!(found.first, tokens[..4]);
}

#[test]
fn a_failure_ends_the_walk() {
    let read = async |_, _| Err::<Vec<()>, _>(Failure::new(crate::ports::Disposition::Hold, "credentials"));
    assert!(Walk::of(BOUNDS).next(read).now_or_never().unwrap().is_err());
}
