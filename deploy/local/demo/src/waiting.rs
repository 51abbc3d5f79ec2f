//! Waiting for something that will be so, until a deadline.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `look` gives something.
///
/// # Errors
/// After `patience`, with `what`.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if since.elapsed() > patience {
            bail!("not within {patience:?}: {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
