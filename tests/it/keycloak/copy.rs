//! A copy of Keycloak's schema under a name of its own, for tests that need it in another shape: in the shared one an
//! unknown table would hold everybody.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::Client;
use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::settings::KeycloakSettings;

use crate::keycloak::stack::{database, settings, store_with};

const ROLE: &str = include_str!("../../../deploy/keycloak-role.sql");

/// Order: rows before foreign keys. The definitions are read while `public` is first in the search path, so that they name
/// no schema. One snapshot: other tests write roles and groups meanwhile.
const COPY: &str = "\
BEGIN ISOLATION LEVEL REPEATABLE READ;
CREATE SCHEMA copy_of_public;
SET search_path = public;
DO $$
DECLARE
  made text[];
  keys text[];
  statement text;
BEGIN
  SELECT array_agg(format('CREATE TABLE copy_of_public.%1$I (LIKE public.%1$I INCLUDING ALL)', relname)) INTO made
  FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace;
  SELECT array_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)))
  INTO keys FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace;
  SET LOCAL search_path = copy_of_public;
  FOREACH statement IN ARRAY made LOOP EXECUTE statement; END LOOP;
  FOREACH statement IN ARRAY ARRAY['realm', 'realm_attribute', 'component', 'client', 'keycloak_role', 'composite_role',
    'org', 'keycloak_group', 'group_role_mapping', 'migration_model', 'databasechangeloglock']
  LOOP
    CONTINUE WHEN to_regclass('public.' || statement) IS NULL;
    EXECUTE format('INSERT INTO %1$I SELECT * FROM public.%1$I', statement);
  END LOOP;
  FOREACH statement IN ARRAY keys LOOP EXECUTE statement; END LOOP;
END
$$;
COMMIT;
SET search_path = copy_of_public;
";

/// The realms, their components, clients, roles and groups are in it, and nobody else. It goes when it is dropped.
pub struct Copy {
    pub schema: String,
    /// The superuser, with the copy as its search path: `Person::move_in` and `rows_holding` work on it.
    pub database: Client,
}

impl Copy {
    pub async fn make() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let schema = format!("copy_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let copy = Self { schema, database: database().await };
        let sql = COPY.replace("copy_of_public", &copy.schema) + ROLE;
        copy.change(&sql).await;
        copy
    }

    /// Gives the copy another shape.
    pub async fn change(&self, sql: &str) {
        self.database.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// As the worker is configured for it: its own role, with the same rights.
    pub fn settings(&self) -> KeycloakSettings {
        KeycloakSettings { schema: self.schema.clone(), ..settings() }
    }

    /// Deletes, without the Admin API, which knows nothing of the copy.
    pub fn store(&self) -> PgIdentityStore {
        store_with(&self.settings())
    }
}

impl Drop for Copy {
    /// A thread of its own: a test that panics cleans up too, and its runtime waits for nothing any more.
    fn drop(&mut self) {
        let sql = format!("SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { database().await.batch_execute(&sql).await })
        });
        let dropped = dropping.join().unwrap();
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}
