//! What the canary tells: it looks for a purged user in every text of Keycloak's schema, beside the purge.

use std::time::Duration;

/// One search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CanaryReport {
    pub took: Duration,
    /// Columns that were read.
    pub columns: usize,
    /// Of them those in which something was found: no alarm yet.
    pub found: usize,
    /// `table.column` that the worker's role may not read.
    pub unreadable: Vec<String>,
    /// Tables that were not read to the end, and the bounded word of why; an empty name when none was.
    pub unfinished: Vec<(String, String)>,
}

/// Who is told. Never an id: a place says enough to look there.
pub trait CanaryWatch: Send + Sync + 'static {
    fn searched(&self, report: &CanaryReport);

    /// An alarm: a purged user is named there, and is left.
    fn found(&self, table: &str, column: &str);
}
