//! Who is kept: administrators by any path, service accounts, linked users, the deny list; and whose credentials have moved.
//!
//! Read only, for a whole block at once. Asked before access is ended, and again under the transaction's lock.

use std::collections::HashSet;

use super::block::Block;
use super::connection::{Call, Connection};
use crate::ports::{Failure, Protection};

/// `$1` every id of the block, `$2` the realm; gives back an id and what it is.
///
/// A role administers when it is one of `realm-management`, of a `<realm>-realm` client of the master realm, a realm role
/// `admin` or `create-realm`, or a composite of such a role; groups hand roles down to their subgroups. Keycloak 26 marks its
/// first administrator, whatever the roles, by an attribute.
pub(super) const GUARDS: &str = "\
WITH RECURSIVE admin_role(id) AS (
    SELECT r.id
    FROM keycloak_role r
    LEFT JOIN client c ON c.id = r.client
    LEFT JOIN realm m ON m.id = c.realm_id AND m.name = 'master'
    WHERE (r.client_role AND c.client_id = 'realm-management')
       OR (r.client_role AND m.id IS NOT NULL AND c.client_id LIKE '%-realm')
       OR (NOT r.client_role AND r.name IN ('admin', 'create-realm'))
  UNION
    SELECT composite.composite
    FROM composite_role composite
    JOIN admin_role a ON a.id = composite.child_role
), admin_group(id) AS (
    SELECT g.group_id
    FROM group_role_mapping g
    JOIN admin_role a ON a.id = g.role_id
  UNION
    SELECT child.id
    FROM keycloak_group child
    JOIN admin_group parent ON parent.id = child.parent_group
), here(id) AS (
    SELECT u.id
    FROM user_entity u
    JOIN unnest($1::text[]) AS t(id) ON u.id = t.id
    WHERE u.realm_id = $2::text
)
SELECT u.id::text, CASE
    WHEN u.realm_id IS DISTINCT FROM $2::text THEN 'elsewhere'
    WHEN u.service_account_client_link IS NOT NULL OR u.username LIKE 'service-account-%' THEN 'service_account'
    ELSE 'linked' END
FROM user_entity u
JOIN unnest($1::text[]) AS t(id) ON u.id = t.id
WHERE u.realm_id IS DISTINCT FROM $2::text
   OR u.service_account_client_link IS NOT NULL
   OR u.username LIKE 'service-account-%'
   OR u.federation_link IS NOT NULL
UNION ALL
SELECT x.user_id::text, 'admin'
FROM here JOIN user_role_mapping x ON x.user_id = here.id JOIN admin_role a ON a.id = x.role_id
UNION ALL
SELECT x.user_id::text, 'admin'
FROM here JOIN user_group_membership x ON x.user_id = here.id JOIN admin_group a ON a.id = x.group_id
UNION ALL
SELECT x.user_id::text, 'admin'
FROM unnest($1::text[]) AS t(id) JOIN fed_user_role_mapping x ON x.user_id = t.id JOIN admin_role a ON a.id = x.role_id
WHERE x.realm_id = $2::text
UNION ALL
SELECT x.user_id::text, 'admin'
FROM unnest($1::text[]) AS t(id) JOIN fed_user_group_membership x ON x.user_id = t.id
JOIN admin_group a ON a.id = x.group_id
WHERE x.realm_id = $2::text
UNION ALL
SELECT x.user_id::text, 'admin'
FROM here JOIN user_attribute x ON x.user_id = here.id WHERE x.name = 'is_temporary_admin'
UNION ALL
SELECT x.user_id::text, 'admin'
FROM unnest($1::text[]) AS t(id) JOIN fed_user_attribute x ON x.user_id = t.id
WHERE x.realm_id = $2::text AND x.name = 'is_temporary_admin'
ORDER BY 2";

/// `$1` plain ids, `$2` federated ids of the same users, `$3` the realm; gives back the plain ids that have moved.
pub(super) const MOVED: &str = "\
SELECT t.plain
FROM unnest($1::text[], $2::text[]) AS t(plain, federated)
JOIN federated_user f ON f.id = t.federated AND f.realm_id = $3::text
WHERE NOT EXISTS (
    SELECT FROM credential c
    WHERE c.user_id = t.plain
      AND NOT EXISTS (
        SELECT FROM fed_user_credential moved
        WHERE moved.user_id = t.federated AND moved.realm_id = $3::text AND moved.type = c.type))";

/// Whether the users are locked before they are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    BeforeTheLock,
    UnderTheLock,
}

/// Looks at every user of the block and keeps whom it must. Under the lock it gives back the plain ids that are locked.
pub(super) async fn look(
    connection: &Connection,
    block: &mut Block<'_>,
    look: Look,
) -> Result<HashSet<String>, Failure> {
    let (realm, statements) = (&connection.schema.realm_id, &connection.statements);
    let (ids, lockable) = (block.ids_to_guard(), block.ids_to_lock());
    let (plain, federated) = block.ids_to_retire();
    let mut calls = vec![
        Call::new(&statements.guards, vec![&ids, realm]),
        Call::new(&statements.moved, vec![&plain, &federated, realm]),
    ];
    if look == Look::UnderTheLock {
        // Order: the others must see what the lock has waited for.
        calls.insert(0, Call::new(&statements.lock, vec![&lockable, realm]));
    }
    let mut answers = connection.pipeline(&calls).await?;
    let (moved, guards) = (answers.pop().unwrap_or_default(), answers.pop().unwrap_or_default());
    let locked = answers.pop().unwrap_or_default();
    for row in &guards {
        guard(block, row.get(0), row.get(1));
    }
    let moved: HashSet<&str> = moved.iter().map(|row| row.get(0)).collect();
    block.keep_unmoved(&moved);
    Ok(locked.iter().map(|row| row.get(0)).collect())
}

fn guard(block: &mut Block<'_>, id: &str, word: &str) {
    match word {
        "elsewhere" => block.leave_out(id),
        "service_account" => block.keep(id, Protection::ServiceAccount),
        "linked" => block.keep(id, Protection::Linked),
        // A word that nobody knows would be a guard that does not guard.
        _ => block.keep(id, Protection::Admin),
    }
}
