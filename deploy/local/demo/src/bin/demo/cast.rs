//! Who plays: the users of one run. Their ids are new each time, so that a run can be repeated on the same stack.

use local_stack::users::new_ids;

/// The users of one run, by what happens to them.
pub struct Cast {
    /// Signs in before, and is deleted while the worker may not end sessions.
    pub without_step: String,
    /// Signs in before, and is deleted while the worker may.
    pub witness: String,
    /// Made by Keycloak itself: a password by its Admin API, then an online and an offline login. Deleted.
    pub logged_in: Vec<String>,
    /// Deleted; the bulk.
    pub deleted: Vec<String>,
    /// Deleted with `managed` in one event.
    pub parent: String,
    pub managed: Vec<String>,
    /// Deleted, and Keycloak knows nothing of them.
    pub clean: Vec<String>,
    /// Their event comes before their row says that they are deleted.
    pub late: Vec<String>,
    /// Alive, although somebody publishes their deletion.
    pub live: Vec<String>,
    /// Deleted, but administrators in Keycloak.
    pub administrators: Vec<String>,
    /// Moved to user federation, credentials included: only the local copy is obsolete.
    pub moved: Vec<String>,
    /// Asked to be retired too, but their credentials have not moved.
    pub not_moved: Vec<String>,
    /// Alive; only the search index is to be written again.
    pub resynced: Vec<String>,
    /// No row in Cassandra at all.
    pub unknown: Vec<String>,
}

/// Users with a row in Cassandra, unless `DEMO_USERS` says otherwise.
const IN_CASSANDRA: usize = 2000;

impl Cast {
    pub fn new() -> Self {
        let mut cast = Self {
            without_step: one(),
            witness: one(),
            logged_in: new_ids(34),
            deleted: Vec::new(),
            parent: one(),
            managed: new_ids(30),
            clean: new_ids(60),
            late: new_ids(20),
            live: new_ids(40),
            administrators: new_ids(3),
            moved: new_ids(80),
            not_moved: new_ids(20),
            resynced: new_ids(250),
            unknown: new_ids(3),
        };
        let asked = std::env::var("DEMO_USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(IN_CASSANDRA);
        // The other parts are played in any case.
        cast.deleted = new_ids(asked.saturating_sub(cast.dead().len() + cast.alive().len()));
        cast
    }

    /// Their rows say, or will say, that they are deleted.
    pub fn dead(&self) -> Vec<String> {
        let single = [&self.without_step, &self.witness, &self.parent].into_iter();
        let groups = [&self.logged_in, &self.deleted, &self.managed, &self.clean, &self.late, &self.administrators];
        single.chain(groups.into_iter().flatten()).cloned().collect()
    }

    /// Their rows say that they are alive.
    pub fn alive(&self) -> Vec<String> {
        [&self.live, &self.moved, &self.not_moved, &self.resynced].into_iter().flatten().cloned().collect()
    }

    /// Whose rows Keycloak must keep, every one of them.
    pub fn kept(&self) -> Vec<String> {
        [&self.live, &self.not_moved, &self.resynced, &self.administrators].into_iter().flatten().cloned().collect()
    }

    /// Whose rows must all be gone at the end.
    pub fn gone(&self) -> Vec<String> {
        let single = [&self.without_step, &self.witness, &self.parent].into_iter();
        let groups = [&self.logged_in, &self.deleted, &self.managed, &self.clean, &self.late];
        single.chain(groups.into_iter().flatten()).cloned().collect()
    }

    /// Of whom the second run tells a final outcome.
    pub fn awaited(&self) -> Vec<String> {
        let mut users = self.dead();
        users.retain(|user| *user != self.without_step);
        users.extend(self.alive());
        users.extend(self.unknown.clone());
        users
    }
}

fn one() -> String {
    new_ids(1).remove(0)
}
