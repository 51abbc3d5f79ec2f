//! The beginning: users in Cassandra, their rows in Keycloak.

use std::time::Instant;

use anyhow::Context as _;

use crate::World;
use crate::access::{self, SignedIn};
use crate::cast::Cast;
use crate::screen;

const ACTIVE: i32 = 1;
const DELETED: i32 = 2;

/// Makes a local user an administrator of the realm.
const ADMINISTRATORS: &str = "\
INSERT INTO user_role_mapping (role_id, user_id)
SELECT r.id, u.id FROM unnest($1::text[]) AS u(id), keycloak_role r JOIN client c ON c.id = r.client
WHERE c.realm_id = $2 AND c.client_id = 'realm-management' AND r.name = 'manage-users'";

/// Writes everything; gives back the two users who have signed in and will try again.
pub async fn users(world: &World, cast: &Cast) -> anyhow::Result<(SignedIn, SignedIn)> {
    let begin = Instant::now();
    world.users.put_all(&cast.dead(), DELETED).await?;
    world.users.put_all(&cast.alive(), ACTIVE).await?;
    // Their event will come before this changes.
    world.users.put_all(&cast.late, ACTIVE).await?;
    let rows = screen::count(cast.dead().len() + cast.alive().len());
    screen::done(
        begin,
        format!("{rows} rows in Cassandra, {} of them deleted accounts", screen::count(cast.dead().len())),
    );

    let begin = Instant::now();
    let one = [cast.parent.clone()];
    let both = [&cast.deleted[..], &one, &cast.managed, &cast.late, &cast.live, &cast.moved, &cast.resynced].concat();
    world.rows.put_federated(&both).await?;
    let local = [&both[..], &cast.not_moved, &cast.administrators].concat();
    world.rows.put_local(&local).await?;
    world.rows.sql().execute(ADMINISTRATORS, &[&cast.administrators, &world.rows.realm_id()]).await?;
    screen::done(begin, format!("rows in Keycloak's schema: {} local, {} federated accounts", local.len(), both.len()));

    let begin = Instant::now();
    let names = [&[cast.witness.clone(), cast.without_step.clone()], &cast.logged_in[..]].concat();
    let mut signed_in = access::sign_in_all(&world.accounts, &names).await?.into_iter();
    screen::done(
        begin,
        format!("{} more made by Keycloak itself: a password, an online and an offline login", names.len()),
    );
    signed_in.next().zip(signed_in.next()).context("both are among those who signed in")
}
