//! Hundreds of thousands of users in Keycloak's tables.

use std::time::Instant;

use anyhow::ensure;
use local_stack::users::new_ids;
use local_stack::{KeycloakRows, Stack};

const WRITTEN_AT_ONCE: usize = 10_000;

/// Half of them local, half of them federated, in turns.
pub struct People {
    rows: KeycloakRows,
    ids: Vec<String>,
    taken: usize,
}

impl People {
    pub async fn move_in(stack: &Stack, of_each_form: usize) -> anyhow::Result<Self> {
        let (rows, begun) = (KeycloakRows::connect(stack).await?, Instant::now());
        let mut ids = Vec::with_capacity(of_each_form * 2);
        while ids.len() < of_each_form * 2 {
            let count = WRITTEN_AT_ONCE.min(of_each_form - ids.len() / 2);
            let (local, federated) = (new_ids(count), new_ids(count));
            rows.put_local(&local).await?;
            rows.put_federated(&federated).await?;
            ids.extend(local.into_iter().zip(federated).flat_map(|(local, federated)| [local, federated]));
            eprint!("\r{} users", ids.len());
        }
        rows.sql().batch_execute("VACUUM ANALYZE").await?;
        rows.sql().batch_execute("CHECKPOINT").await?;
        eprintln!(" written in {}", super::seconds(begun.elapsed()));
        Ok(Self { rows, ids, taken: 0 })
    }

    pub fn left(&self) -> usize {
        self.ids.len() - self.taken
    }

    /// The next so many.
    pub fn take(&mut self, count: usize) -> Vec<String> {
        let end = (self.taken + count).min(self.ids.len());
        let taken = self.ids[self.taken..end].to_vec();
        self.taken = end;
        taken
    }

    /// All that nobody has taken.
    pub fn rest(&self) -> &[String] {
        &self.ids[self.taken..]
    }

    /// # Errors
    /// When a row is left of anybody.
    pub async fn assert_gone(&self) -> anyhow::Result<()> {
        let left = self.rows.of(&self.ids).await?;
        ensure!(left.is_empty(), "rows are left: {left:?}");
        Ok(())
    }
}
