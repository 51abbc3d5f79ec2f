//! Authorization services: resources of people, who share them by tickets and policies; and what administrators may do to
//! a single user.

use anyhow::{Context as _, ensure};
use local_stack::Stack;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::lacks::Feature;
use super::life::Life;
use super::realm::{MadeRealm, only};

/// A resource of `owner`, shared with `guest` by a granted ticket, an open one, and a policy of the owner's own. Its name
/// says nothing of either: a name is a text, which nobody could purge.
pub async fn share(realm: &MadeRealm, owner: &Life, guest: &Life) -> anyhow::Result<()> {
    let name = format!("album {}", Uuid::new_v4());
    let album = json!({
        "name": name, "owner": {"id": owner.id}, "ownerManagedAccess": true, "scopes": [{"name": "read"}, {"name": "write"}],
        "uris": ["/album/*"], "attributes": {"year": ["2026"]},
    });
    // Not by the protection API: the newest versions give what is made there to the client.
    let resources = format!("clients/{}/authz/resource-server/resource", realm.sharing);
    let resource = realm.admin.post(&resources, &album).await.context("resource")?;
    for (scope, granted) in [("read", true), ("write", false)] {
        let ticket = json!({"resource": resource, "requester": guest.id, "granted": granted, "scopeName": scope});
        protection(realm, "permission/ticket", &owner.sharing_token, &ticket)
            .await
            .with_context(|| format!("ticket {scope}"))?;
    }
    let policy =
        json!({"name": format!("{name}, read"), "description": "a friend", "scopes": ["read"], "users": [guest.name]});
    protection(realm, &format!("uma-policy/{resource}"), &owner.sharing_token, &policy).await.context("policy")?;
    Ok(())
}

/// Policies of administrators that name users: theirs are never removed, an id inside is scrubbed by option only.
pub async fn rule(realm: &MadeRealm, people: &[Life]) -> anyhow::Result<()> {
    let ids: Vec<&str> = people.iter().map(|life| life.id.as_str()).collect();
    let policy = json!({"name": "everybody of the test", "users": ids, "logic": "POSITIVE"});
    let path = format!("clients/{}/authz/resource-server/policy/user", realm.sharing);
    realm.admin.post(&path, &policy).await.context("user policy")?;
    if !realm.version.has(Feature::AdminPermissions) {
        return Ok(());
    }
    let client = only(&realm.admin.get("clients?clientId=admin-permissions").await?);
    let server = format!("clients/{client}/authz/resource-server");
    let may = realm.admin.post(&format!("{server}/policy/user"), &policy).await?;
    // One for each, which goes with the user, and one for all, which stays for the others.
    for seen in ids.chunks(1).chain([&*ids]) {
        let permission = json!({
            "name": format!("who sees {}", Uuid::new_v4()), "resourceType": "Users", "resources": seen,
            "scopes": ["view"], "policies": [may], "decisionStrategy": "UNANIMOUS",
        });
        realm.admin.post(&format!("{server}/permission/scope"), &permission).await.context("admin permission")?;
    }
    Ok(())
}

async fn protection(realm: &MadeRealm, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
    let url = format!("{}/realms/{}/authz/protection/{path}", Stack::shared_database().keycloak.url, realm.name);
    let answer = reqwest::Client::new().request(Method::POST, url).bearer_auth(token).json(body).send().await?;
    let (status, body) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{path}: {status}: {body}");
    Ok(serde_json::from_str(&body).unwrap_or_default())
}
