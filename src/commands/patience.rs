//! What a command asks again: one that runs for minutes or hours does not end because of a moment.

use std::time::Duration;

use crate::ports::{Disposition, Failure};

/// In seconds.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

/// Asks again what may pass by itself.
pub(super) async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for pause in PAUSES {
        match ask().await {
            Err(failure) if matches!(failure.disposition, Disposition::Retry(_)) => {
                tracing::warn!(problem = failure.story(), "asked again in {pause} s");
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Blame;

    #[tokio::test(start_paused = true)]
    async fn what_passes_by_itself_is_asked_again_and_what_a_person_must_mend_is_not() {
        for (disposition, asked) in [(Disposition::Retry(Blame::Server), 6), (Disposition::Hold, 1)] {
            let mut times = 0;
            let answer = patiently(async || {
                times += 1;
                Err::<(), _>(Failure::new(disposition, "away"))
            });
            assert!(answer.await.is_err());
            assert_eq!(times, asked, "{disposition:?}");
        }
    }
}
