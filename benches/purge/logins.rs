//! What people feel while a purge runs: the time of a login with a password.

use std::time::{Duration, Instant};

use futures::future::{Either, select};
use local_stack::{Accounts, Stack};

const AT_REST: usize = 60;
const PASSWORD: &str = "correct horse";

/// Medians: at rest, and while the purge ran.
#[derive(Clone, Copy)]
pub struct Logins {
    pub at_rest: Duration,
    pub beside: Duration,
    pub count: usize,
}

/// Logs in again and again, first alone and then until the purge is done.
pub async fn beside<F: Future<Output = anyhow::Result<()>>>(
    stack: &Stack,
    purge: impl FnOnce() -> F,
) -> anyhow::Result<Logins> {
    let (accounts, name) = (Accounts::connect(stack).await?, format!("bench-{}", std::process::id()));
    accounts.create_local(&name, PASSWORD).await?;
    let login = async || {
        let begun = Instant::now();
        accounts.login(&name, PASSWORD, "portal", false).await?;
        Ok::<_, anyhow::Error>(begun.elapsed())
    };
    let mut at_rest = Vec::new();
    // The first ones warm Keycloak up.
    for _ in 0..AT_REST * 2 {
        at_rest.push(login().await?);
    }
    let at_rest = at_rest.split_off(AT_REST);
    let (mut beside, mut purge) = (Vec::new(), Box::pin(purge()));
    loop {
        match select(purge, Box::pin(login())).await {
            Either::Left((purged, _)) => {
                purged?;
                break;
            }
            Either::Right((took, purging)) => {
                beside.push(took?);
                purge = purging;
            }
        }
    }
    Ok(Logins { at_rest: median(at_rest), count: beside.len(), beside: median(beside) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
