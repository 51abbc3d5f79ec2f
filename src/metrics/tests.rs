use super::*;
use crate::domain::outcome::{Ending, Reason, RowCounts};

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

#[test]
fn every_metric_stands_in_the_document_as_it_is() {
    let rows: Vec<String> = Metrics::reference()
        .into_iter()
        .map(|(name, labels, help)| {
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{name}` | {} | {help} |", labels.join(", "))
        })
        .collect();
    let told: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `user_purge_sync_")).collect();
    assert_eq!(told, rows, "\n{}", rows.join("\n"));
}

#[test]
fn closed_labels_are_there_from_the_start_at_zero() {
    let text = Metrics::new().render();
    for line in [
        "user_purge_sync_events_total{action=\"delete-user\",topic=\"delete\"} 0",
        "user_purge_sync_stage_calls_total{result=\"hold\",stage=\"purge\"} 0",
        "user_purge_sync_breaker_state{stage=\"sync\"} 0",
        "user_purge_sync_publish_failures_total{topic=\"status\"} 0",
        "process_resident_memory_bytes ",
        "# HELP user_purge_sync_budget_units Units held: users, plus one per open event.",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn what_happens_is_counted_under_its_labels() {
    let metrics = Metrics::new();
    metrics.item_ended(Action::DeleteUser, Ending::success(Reason::Purged));
    metrics.rows_deleted(&RowCounts::from([("user_entity", 3)]));
    metrics.retried(StageName::Sync, "http_502", 3);
    metrics.publish_failed(OutputTopic::Status, 2);
    metrics.status_published(InputTopic::Delete, Some(Duration::from_secs(2)));
    for state in [BreakerLabel::Open, BreakerLabel::Held, BreakerLabel::Closed, BreakerLabel::Held] {
        metrics.breaker(StageName::Purge, state);
    }
    let text = metrics.render();
    for line in [
        "user_purge_sync_items_total{action=\"delete-user\",reason=\"purged\",status=\"SUCCESS\"} 1",
        "user_purge_sync_keycloak_rows_deleted_total{table=\"user_entity\"} 3",
        "user_purge_sync_retries_total{reason=\"http_502\",stage=\"sync\"} 3",
        "user_purge_sync_publish_failures_total{topic=\"status\"} 2",
        "user_purge_sync_end_to_end_seconds_bucket{topic=\"delete\",le=\"1\"} 0",
        "user_purge_sync_end_to_end_seconds_bucket{topic=\"delete\",le=\"2.5\"} 1",
        "user_purge_sync_breaker_opened_total{stage=\"purge\"} 2",
        "user_purge_sync_breaker_state{stage=\"purge\"} 2",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_partition_that_is_gone_is_told_no_more() {
    let metrics = Metrics::new();
    let partition = Partition { topic: InputTopic::Delete, number: 7 };
    metrics.partition_lag(partition, 12);
    metrics.frontier_age(partition, Duration::from_millis(1500));
    metrics.partition_held(partition, true);
    let place = "{partition=\"7\",topic=\"delete\"}";
    assert!(metrics.render().contains(&format!("user_purge_sync_frontier_age_seconds{place} 1.5")));
    metrics.forget(partition);
    assert!(!metrics.render().contains(place));
    metrics.forget(partition);
}
