//! The faults that a worker of this kind should be shown to survive, and where those are tested that no case names.

/// What the fault is, and what else there is to say: tests beside the suite, or why there is none.
pub const ROWS: [(&str, &str); 34] = [
    ("kill -9 at random moments", ""),
    ("kill -9 between effect and status, status and commit", "inside a Kafka transaction it is row 18"),
    ("SIGTERM in each stage, at rest, behind an open breaker, in a rebalance; a second one", ""),
    ("SIGSTOP past the session, then SIGCONT", ""),
    (
        "stall of a thread, blocked endpoint",
        "the whole process stands still; one side only: `a_pipeline_that_takes_nothing_stops_reading_but_not_polling`",
    ),
    (
        "memory pressure, huge messages, slow status producer",
        "`the_largest_records_end_clearly_and_the_worker_goes_on`, `ten_times_as_many_events_waiting_take_no_more_memory`, \
         `thirty_thousand_managed_users_are_worked_page_by_page`",
    ),
    ("panic in a stage", "a panic ends the process: as a kill does"),
    ("members join and leave all the time", "two minutes, not five"),
    (
        "revoke under load, late completion, partition that comes back",
        "`a_peer_gets_partitions_only_after_the_answer_and_starts_where_it_says`, and the model",
    ),
    (
        "assignment lost with work in flight",
        "by SIGSTOP, since nothing outside makes a poll late; `a_member_that_stands_still_too_long_hears_that_it_has_lost_its_partitions`",
    ),
    ("static name used twice; restart under the same name", "`a_second_holder_of_a_static_membership_ends_the_first`"),
    (
        "partition added, topic deleted and made again, retention past the committed offset",
        "a topic that is made again before its clients notice is not seen: librdkafka reads on where it was",
    ),
    (
        "offsets reset by an operator",
        "between two workers; Kafka refuses it while the group has members. Live re-seek is `replay live` (`tests/it/systems/replay.rs`, `tests/it/kafka/reseek.rs`)",
    ),
    ("first start without committed offsets", "every case publishes before or while its first worker starts"),
    (
        "broker restarted, killed, frozen; coordinator moves",
        "there is one broker: the coordinator goes away and comes back, but never moves",
    ),
    (
        "commit errors",
        "those that rebalances, kills and outages cause; each code in the unit tests of `committing.rs` and `mailbox.rs`",
    ),
    (
        "produce errors: too few replicas, too large, unknown outcome",
        "too few replicas needs several brokers (Kafka 4 takes the smaller of replicas and minimum); a full queue is waited for",
    ),
    ("Kafka transactions", "out: there are none (design, section 14)"),
    ("network: delay, reset, half-open, blackhole, slow", "DNS failure and TLS expiry are not covered"),
    (
        "Sync API: 5xx, 429, 408, slow, reset, malformed, redirect",
        "`every_recorded_answer_leads_to_its_outcome`, `too_large_too_many_and_broken_calls_are_done_in_the_end`",
    ),
    ("Sync API: partial success, a poisoned block", "`one_bad_user_hurts_nobody`"),
    (
        "Sync API: outage, flapping, brown-out",
        "`half_a_minute_without_a_sync_api_fails_nobody`, `an_outage_that_is_told_outlasts_the_budget`; minutes, not ten",
    ),
    (
        "Sync API: applied, answer lost",
        "`a_sync_is_made_again_after_an_answer_was_lost`, `what_a_lost_answer_left_in_doubt_is_synced_again_later`",
    ),
    (
        "Cassandra: timeouts, unavailable, down, partial pages, missing rows",
        "`half_a_minute_without_cassandra_fails_nobody`; one node, so unavailable is a node that is down",
    ),
    (
        "PostgreSQL: restart, cut in COMMIT, deadlock, lock wait, read-only, disk full",
        "`while_postgresql_is_away_syncs_go_on_and_purges_wait`, and the tests of the purge in `tests/it/keycloak/`",
    ),
    (
        "poisoned records of every shape",
        "`every_variant_of_a_deletion_ends_as_the_design_says`, `what_travels_on_of_an_event_is_bounded`",
    ),
    ("failed topic unavailable or refusing", ""),
    ("flood of broken records", "`sixty_broken_records_in_a_row_hold_their_partition_only`"),
    ("gaps by compaction, markers and aborted records", "the ledger's property tests know no density"),
    ("delete, resync, delete of one user", "the model, `one_at_a_time_per_user`"),
    ("clock jumps", ""),
    (
        "upgrade, downgrade with metadata present",
        "a later version's metadata is ignored; there is one version of the worker yet, and one assignor",
    ),
    ("24 h soak", "not run: the longest case takes minutes"),
    ("replay and redrive under load", "not under load: `tests/it/systems/{replay,redrive}.rs`"),
];
