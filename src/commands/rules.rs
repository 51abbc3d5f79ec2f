//! What the settings mean to the engine.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::ids::InputTopic;
use crate::domain::verdict::Guard;
use crate::pipeline::engine::{Rules, StageSet};
use crate::pipeline::limiter::Limiter;
use crate::pipeline::retry::{Jitter, RetryPolicy};
use crate::pipeline::stage::StageOptions;
use crate::settings::{CallRate, MissingUser, PurgeMode, Settings, SyncMode};

/// A lookup waits only for what is on its way anyway.
const LOOKUP_LINGER: Duration = Duration::from_millis(5);
/// The user cache is cleared at most so often: fresh, and for the rest.
const CLEAR_LINGER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Users of a purge block with the Admin API step on.
const ACCESS_BLOCK: usize = 50;

/// # Errors
/// When a topic's name cannot be used.
pub fn rules(settings: &Settings, purge_mode: PurgeMode) -> anyhow::Result<Rules> {
    let topics = super::world::topics(settings)?;
    Ok(Rules {
        env: settings.env.clone(),
        topic_names: InputTopic::ALL.map(|topic| (topic, topics.name(topic).to_owned())).into(),
        guard: Guard { purge_missing: settings.guard.missing_user == MissingUser::Purge, looks: settings.delay.looks },
        max_age: settings.guard.max_age,
        purge_mode,
        settle_delay: settings.sync.settle_delay,
        ambiguity: settings.sync.ambiguity,
        delay_after: settings.delay.after,
        page: settings.intake.page,
        parked: settings.intake.parked,
        reject_limit: settings.intake.reject_limit,
        drain_timeout: settings.drain_timeout,
        ends_access: settings.keycloak.admin_api.enabled,
    })
}

pub fn stages(settings: &Settings) -> StageSet {
    let by_chance = || Jitter::seeded(Uuid::new_v4().as_u64_pair().0);
    // Normalized before: from 1 to 1000.
    let sync_bound = usize::try_from(settings.sync.block_size).unwrap_or(1);
    let max_calls = settings.sync.max_calls.as_deref().and_then(CallRate::parse);
    // The Admin API is asked several times for each user: a large block would keep its first user waiting for the last.
    let ends_access = settings.keycloak.admin_api.enabled && settings.purge.mode == Some(PurgeMode::Delete);
    let purge_block = if ends_access { settings.purge.block_size.min(ACCESS_BLOCK) } else { settings.purge.block_size };
    let options = |limiter, linger| StageOptions {
        limiter,
        linger,
        retry: RetryPolicy::new(&settings.retry, by_chance()),
        pace: Duration::ZERO,
    };
    let (cassandra, purge) = (&settings.cassandra, &settings.purge);
    StageSet {
        lookup: options(Limiter::fixed(cassandra.block_size, cassandra.concurrency), [LOOKUP_LINGER; 2]),
        sync: StageOptions {
            // Validated before: an unreadable rate never comes here.
            pace: max_calls.map_or(Duration::ZERO, |rate| rate.per / rate.calls),
            ..options(
                match settings.sync.mode {
                    SyncMode::Verify => Limiter::adaptive(sync_bound, settings.sync.concurrency),
                    // Its answers come before the work is done, so their time says nothing.
                    SyncMode::Fire => Limiter::fixed(sync_bound, settings.sync.concurrency),
                },
                [settings.sync.linger; 2],
            )
        },
        purge: options(Limiter::fixed(purge_block, purge.concurrency), [purge.linger; 2]),
        // One call clears it for everybody, so it takes everybody.
        clear: options(Limiter::fixed(usize::MAX, 1), CLEAR_LINGER),
    }
}
