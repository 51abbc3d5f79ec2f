//! Users in Cassandra.

use anyhow::Context as _;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;

use crate::Stack;
use crate::events::{PERSONAL, USER_NAME};

const AT_ONCE: usize = 128;

/// The `user` table.
#[derive(Debug)]
pub struct Users {
    session: Session,
    insert: PreparedStatement,
    update: PreparedStatement,
    delete: PreparedStatement,
}

impl Users {
    /// # Errors
    /// When Cassandra does not answer, or has no such table.
    pub async fn connect(stack: &Stack) -> anyhow::Result<Self> {
        let session = SessionBuilder::new().known_node(&stack.cassandra).build().await.context("cassandra")?;
        let insert = format!(
            "INSERT INTO sunbird.user (id, userid, status, isdeleted, rootorgid, username, firstname, email, phone)
             VALUES (?, ?, ?, ?, 'org-1', '{USER_NAME}', '{PERSONAL}', '{PERSONAL}@never.told', '+91 {PERSONAL}')"
        );
        Ok(Self {
            insert: session.prepare(insert).await?,
            update: session.prepare("UPDATE sunbird.user SET status = ?, isdeleted = ? WHERE id = ?").await?,
            delete: session.prepare("DELETE FROM sunbird.user WHERE id = ?").await?,
            session,
        })
    }

    /// Writes a row for each, with personal data that must be found nowhere else.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub async fn put(&self, users: &[(String, Option<i32>)]) -> anyhow::Result<()> {
        let writes = users.iter().map(|(id, status)| async move {
            self.session.execute_unpaged(&self.insert, (id, id, status, *status == Some(2))).await
        });
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    /// Rows with one status for all.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub async fn put_all(&self, ids: &[String], status: i32) -> anyhow::Result<()> {
        let users: Vec<_> = ids.iter().map(|id| (id.clone(), Some(status))).collect();
        self.put(&users).await
    }

    /// # Errors
    /// When the row cannot be written.
    pub async fn set_status(&self, id: &str, status: i32) -> anyhow::Result<()> {
        self.session.execute_unpaged(&self.update, (status, status == 2, id)).await?;
        Ok(())
    }

    /// # Errors
    /// When a row cannot be deleted.
    pub async fn remove(&self, ids: &[String]) -> anyhow::Result<()> {
        let writes = ids.iter().map(|id| self.session.execute_unpaged(&self.delete, (id,)));
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }
}

/// Ids as Sunbird makes them.
#[must_use]
pub fn new_ids(count: usize) -> Vec<String> {
    (0..count).map(|_| uuid::Uuid::new_v4().to_string()).collect()
}
