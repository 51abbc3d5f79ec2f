//! A realm of the test's own, furnished as a real one is: clients, roles, groups, a broker, a resource server.
//!
//! Of its own, because events, organizations and admin permissions are switches of a whole realm.

use local_stack::Stack;
use local_stack::realm_admin::RealmAdmin;
use serde_json::{Value, json};
use user_purge_sync::settings::KeycloakSettings;
use uuid::Uuid;

use super::lacks::{Feature, Version};
use super::life::grant;
use crate::keycloak::stack::settings;

pub const SECRET: &str = "made-by-keycloak";

/// The realm and what people share in it.
pub struct MadeRealm {
    pub name: String,
    pub id: String,
    pub component: String,
    pub version: Version,
    pub admin: RealmAdmin,
    pub role: Value,
    pub client_role: Value,
    /// The client whose role that is.
    pub client: String,
    pub group: String,
    /// The client that is a resource server, by its internal id.
    pub sharing: String,
    /// What newer versions ask of who makes a ticket.
    pub sharing_role: Value,
    /// Where Keycloak has them.
    pub organization: Option<String>,
    pub workflow: Option<String>,
}

impl MadeRealm {
    pub async fn furnish(mail_port: u16) -> anyhow::Result<Self> {
        let stack = Stack::shared_database();
        let version = Version(RealmAdmin::connect(stack, "master").await?.version().await?);
        let (id, component) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let name = format!("made-{}", &id[..8]);
        let mut realm = plan(&id, &name, &component, mail_port);
        if version.has(Feature::Organizations) {
            realm["organizationsEnabled"] = json!(true);
        }
        if version.has(Feature::AdminPermissions) {
            realm["adminPermissionsEnabled"] = json!(true);
        }
        let admin = RealmAdmin::create_realm(stack, &realm).await?;
        free_profiles(&admin, version).await?;
        let sharing = admin.post("clients", &resource_server()).await?;
        let client = only(&admin.get("clients?clientId=portal").await?);
        let client_role = admin.get(&format!("clients/{client}/roles/editor")).await?;
        let mut made = Self {
            role: admin.get("roles/reader").await?,
            group: only(&admin.get("groups").await?),
            sharing_role: admin.get(&format!("clients/{sharing}/roles/uma_protection")).await?,
            client_role,
            client,
            sharing,
            organization: None,
            workflow: None,
            name,
            id,
            component,
            version,
            admin,
        };
        made.let_totp_be_optional().await?;
        // By its first login a client gets mappers.
        grant(&made, "user-purge-sync", &[("grant_type", "client_credentials")]).await?;
        made.found_a_school().await?;
        Ok(made)
    }

    /// The stack as a worker of this realm sees it.
    pub fn stack(&self) -> Stack {
        let mut stack = Stack::shared().clone();
        stack.keycloak.realm.clone_from(&self.name);
        stack.keycloak.provider_id.clone_from(&self.component);
        "user-purge-sync".clone_into(&mut stack.keycloak.client_id);
        SECRET.clone_into(&mut stack.keycloak.client_secret);
        stack
    }

    /// The worker's, for this realm.
    pub fn settings(&self) -> KeycloakSettings {
        let mut settings = settings();
        settings.realm.clone_from(&self.name);
        settings.provider_id.clone_from(&self.component);
        "user-purge-sync".clone_into(&mut settings.admin_api.client_id);
        settings.admin_api.client_secret = SECRET.into();
        settings
    }

    async fn found_a_school(&mut self) -> anyhow::Result<()> {
        if self.version.has(Feature::Organizations) {
            let domain = json!({"name": "school.test"});
            let school = json!({"name": self.name, "alias": self.name, "enabled": true, "domains": [domain]});
            self.organization = Some(self.admin.post("organizations", &school).await?);
        }
        if self.version.has(Feature::Workflows) {
            let leaving = json!({"name": "leaving", "steps": [{"uses": "disable-user", "after": "90d"}]});
            self.workflow = Some(self.admin.post("workflows", &leaving).await?);
        }
        Ok(())
    }

    /// Who has one must not type it at each login by password grant, which can ask for a password only.
    async fn let_totp_be_optional(&self) -> anyhow::Result<()> {
        let path = "authentication/flows/direct%20grant/executions";
        for mut execution in self.admin.get(path).await?.as_array().into_iter().flatten().cloned() {
            let name = execution["displayName"].as_str().unwrap_or_default();
            if name.contains("OTP") && execution["level"] == json!(0) {
                execution["requirement"] = json!("DISABLED");
                self.admin.put(path, &execution).await?;
            }
        }
        Ok(())
    }

    /// Where workflows are, the realm stays: Keycloak 26.7.3 removes the `workflow_state` of all realms with any of them, and
    /// the tests beside this one would miss the rows of theirs.
    pub async fn remove(&self) -> anyhow::Result<()> {
        if self.version.has(Feature::Workflows) {
            return Ok(());
        }
        self.admin.delete("").await
    }
}

fn plan(id: &str, name: &str, component: &str, mail_port: u16) -> Value {
    let public = |name: &str| json!({"clientId": name, "publicClient": true, "directAccessGrantsEnabled": true, "redirectUris": ["http://127.0.0.1/*"]});
    let mut asking = public("asking");
    asking["consentRequired"] = json!(true);
    let storage = json!({
        "id": component, "name": "cassandra-storage-provider", "providerId": "cassandra-storage-provider",
        "config": {"cachePolicy": ["DEFAULT"], "priority": ["0"], "enabled": ["true"]},
    });
    let worker = json!({"clientId": "user-purge-sync", "secret": SECRET, "publicClient": false, "serviceAccountsEnabled": true, "standardFlowEnabled": false});
    let account = json!({
        "username": "service-account-user-purge-sync", "enabled": true, "serviceAccountClientId": "user-purge-sync",
        "clientRoles": {"realm-management": ["manage-realm", "manage-users", "view-users"]},
    });
    let broker = json!({"clientId": "x", "clientSecret": "x", "authorizationUrl": "http://127.0.0.1/x", "tokenUrl": "http://127.0.0.1/x"});
    json!({
        "id": id, "realm": name, "enabled": true, "sslRequired": "none", "userManagedAccessAllowed": true,
        "bruteForceProtected": true, "failureFactor": 30, "passwordPolicy": "hashIterations(1)",
        "eventsEnabled": true, "adminEventsEnabled": true, "adminEventsDetailsEnabled": true,
        // Ours to compute without another dependency.
        "otpPolicyType": "totp", "otpPolicyAlgorithm": "HmacSHA256", "otpPolicyDigits": 6, "otpPolicyPeriod": 30,
        "otpPolicyInitialCounter": 0, "otpPolicyLookAheadWindow": 1,
        "smtpServer": {"host": "127.0.0.1", "port": mail_port.to_string(), "from": "keycloak@school.test"},
        "roles": {"realm": [{"name": "reader"}], "client": {"portal": [{"name": "editor"}]}},
        "groups": [{"name": "class"}],
        "identityProviders": [{"alias": "google", "providerId": "oidc", "enabled": true, "config": broker}],
        "components": {"org.keycloak.storage.UserStorageProvider": [storage]},
        "clients": [public("portal"), public("mobile"), asking, worker],
        "users": [account],
    })
}

/// By its own call: only then does Keycloak give its service account what the protection API asks for.
fn resource_server() -> Value {
    json!({
        "clientId": "sharing", "secret": SECRET, "publicClient": false, "serviceAccountsEnabled": true,
        "directAccessGrantsEnabled": true, "authorizationServicesEnabled": true,
        "authorizationSettings": {"allowRemoteResourceManagement": true, "scopes": [{"name": "read"}, {"name": "write"}]},
    })
}

/// Since 24 a user without e-mail and names may not log in, and unknown attributes are refused: as before, please.
async fn free_profiles(admin: &RealmAdmin, version: Version) -> anyhow::Result<()> {
    if !version.has(Feature::Profiles) {
        return Ok(());
    }
    let mut profile = admin.get("users/profile").await?;
    profile["unmanagedAttributePolicy"] = json!("ENABLED");
    for attribute in profile["attributes"].as_array_mut().into_iter().flatten() {
        attribute.as_object_mut().map(|attribute| attribute.remove("required"));
    }
    // What the profile does not name ends at 2048 characters.
    let story = json!({
        "name": "story", "permissions": {"view": ["admin"], "edit": ["admin"]}, "validations": {"length": {"max": 10_000}},
    });
    profile["attributes"].as_array_mut().into_iter().for_each(|attributes| attributes.push(story.clone()));
    admin.put("users/profile", &profile).await
}

/// The id of the one that is listed.
pub fn only(list: &Value) -> String {
    list[0]["id"].as_str().unwrap_or_else(|| panic!("nothing is listed: {list}")).to_owned()
}
